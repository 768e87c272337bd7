/*
 * The signer against published vectors: the examples of the S3 documentation
 * (Authorization header, one chunk), re-expressed parts of AWS's test suite,
 * and the whole suite where ../shared/sigv4 beside the source exists.
 */
#include <dirent.h>

#include "../cmocka_all.h"

#include "lake/sigv4.h"

#define SUITE_KEY "AKIDEXAMPLE"
#define SUITE_SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

/* ---- the S3 documentation's examples ---- */

struct s3_vector {
	const char *name, *method, *path, *payload;
	struct mill_sigv4_pair query[4];
	struct mill_sigv4_pair headers[8];
	const char *signature;
};
#define EMPTY MILL_SIGV4_EMPTY_SHA256
#define WELCOME "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"
#define COMMON(hash) {"Host", "examplebucket.s3.amazonaws.com"}, {"x-amz-date", "20130524T000000Z"}, \
	{"x-amz-content-sha256", hash}

static const struct s3_vector s3_vectors[] = {
	{"get object", "GET", "/test.txt", EMPTY, {{0}},
	 {COMMON(EMPTY), {"Range", "bytes=0-9"}},
	 "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
	{"put object", "PUT", "/test$file.text", WELCOME, {{0}},
	 {COMMON(WELCOME), {"Date", "Fri, 24 May 2013 00:00:00 GMT"},
	  {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
	 "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
	{"get bucket lifecycle", "GET", "/", EMPTY, {{"lifecycle", NULL}}, {COMMON(EMPTY)},
	 "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
	{"list objects", "GET", "/", EMPTY, {{"prefix", "J"}, {"max-keys", "2"}}, {COMMON(EMPTY)},
	 "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
};

static void assert_signature(const char *authorization, const char *wanted)
{
	const char *at = strstr(authorization, "Signature=");
	assert_non_null(at);
	assert_string_equal(at + strlen("Signature="), wanted);
}

static void test_s3_documentation(void **state)
{
	struct mill_sigv4 *s = mill_sigv4_new("AKIAIOSFODNN7EXAMPLE",
					      "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
					      "us-east-1", "s3", true);
	for (int round = 0; round < 2; round++) { /* the second with a cached key */
		for (size_t i = 0; i < MILL_ARRAY_LEN(s3_vectors); i++) {
			const struct s3_vector *v = &s3_vectors[i];
			size_t q = 0, h = 0;
			while (q < 4 && v->query[q].name)
				q++;
			while (h < 8 && v->headers[h].name)
				h++;
			struct mill_sigv4_input in = {v->method, v->path,   v->query,  q,
						      v->headers, h, v->payload, "20130524T000000Z"};
			struct mill_sigv4_output out;
			assert_int_equal(mill_sigv4_sign(s, &in, &out, NULL), 0);
			assert_signature(out.authorization, v->signature);
		}
	}
	mill_sigv4_free(s);
}

/* ---- what S3 does otherwise: paths stay, encoded once ---- */

static void test_s3_paths(void **state)
{
	static const char *const cases[][2] = {
		{"/b/a//b", "/b/a//b"},
		{"/b/a/../b/./c", "/b/a/../b/./c"},
		{"/b/a b+c", "/b/a%20b%2Bc"},
		{"/b/100%25", "/b/100%2525"},
		{"/b/\xc3\xbc", "/b/%C3%BC"},
		{"/b/a?b#c&d=e", "/b/a%3Fb%23c%26d%3De"},
		{"/b/-._~", "/b/-._~"},
		{"/b/\x01\x7f", "/b/%01%7F"},
	};
	struct mill_sigv4 *s = mill_sigv4_new("a", "b", "us-east-1", "s3", true);
	static const struct mill_sigv4_pair h[] = {{"host", "x"}, {"x-amz-date", "20130524T000000Z"}};
	for (size_t i = 0; i < MILL_ARRAY_LEN(cases); i++) {
		struct mill_sigv4_input in = {"GET", cases[i][0], NULL, 0, h, 2, EMPTY,
					      "20130524T000000Z"};
		struct mill_sigv4_output out;
		assert_int_equal(mill_sigv4_sign(s, &in, &out, NULL), 0);
		assert_string_equal(out.target, cases[i][1]);
	}
	mill_sigv4_free(s);
}

/* ---- generic mode: from the suite, as data ---- */

struct generic {
	const char *method, *path;
	struct mill_sigv4_pair query[4], headers[6];
	const char *signature;
};
#define GENERIC {"Host", "example.amazonaws.com"}, {"X-Amz-Date", "20150830T123600Z"}
static const struct generic generics[] = {
	{"GET", "/", {{0}}, {GENERIC},
	 "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
	{"GET", "/example/..", {{0}}, {GENERIC},
	 "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
	{"GET", "/example space/", {{0}}, {GENERIC},
	 "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"},
	{"POST", "/", {{"Param1", "value1"}}, {GENERIC},
	 "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"},
	{"GET", "/", {{0}},
	 {GENERIC, {"My-Header1", "value2"}, {"My-Header1", "value2"}, {"My-Header1", "value1"}},
	 "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"},
};

static void test_generic(void **state)
{
	struct mill_sigv4 *s = mill_sigv4_new(SUITE_KEY, SUITE_SECRET, "us-east-1", "service", false);
	for (size_t i = 0; i < MILL_ARRAY_LEN(generics); i++) {
		const struct generic *v = &generics[i];
		size_t q = 0, h = 0;
		while (q < 4 && v->query[q].name)
			q++;
		while (h < 6 && v->headers[h].name)
			h++;
		struct mill_sigv4_input in = {v->method, v->path, v->query, q, v->headers, h, EMPTY,
					      "20150830T123600Z"};
		struct mill_sigv4_output out;
		assert_int_equal(mill_sigv4_sign(s, &in, &out, NULL), 0);
		assert_signature(out.authorization, v->signature);
	}
	mill_sigv4_free(s);
}

static void test_refusals(void **state)
{
	struct mill_sigv4 *s = mill_sigv4_new("a", "b", "r", "s3", true);
	struct mill_sigv4_pair many[MILL_SIGV4_HEADER_MAX + 1];
	for (size_t i = 0; i < MILL_ARRAY_LEN(many); i++)
		many[i] = (struct mill_sigv4_pair){"n", "v"};
	struct mill_sigv4_output out;
	struct mill_sigv4_input in = {"GET", "no-slash", NULL, 0, many, 1, EMPTY, "20150830T123600Z"};
	assert_int_equal(mill_sigv4_sign(s, &in, &out, NULL), -EINVAL);
	in.path = "/";
	in.date = "2015";
	assert_int_equal(mill_sigv4_sign(s, &in, &out, NULL), -EINVAL);
	in.date = "20150830T123600Z";
	in.n_headers = MILL_ARRAY_LEN(many);
	assert_int_equal(mill_sigv4_sign(s, &in, &out, NULL), -E2BIG);
	in.n_headers = 1;
	in.query = many;
	in.n_query = MILL_ARRAY_LEN(many);
	assert_int_equal(mill_sigv4_sign(s, &in, &out, NULL), -E2BIG);
	mill_sigv4_free(s);
}

/* ---- the whole suite ---- */

struct request {
	char *text;
	const char *method, *path;
	struct mill_sigv4_pair query[16], headers[32];
	size_t n_query, n_headers;
	char *body;
};

static void parse_query(struct request *r, char *q)
{
	while (q && *q) {
		char *next = strchr(q, '&');
		if (next)
			*next++ = '\0';
		char *eq = strchr(q, '=');
		if (eq)
			*eq++ = '\0';
		r->query[r->n_query++] = (struct mill_sigv4_pair){q, eq};
		q = next;
	}
}

/* The suite's files: request line, headers (continued ones begin with a blank), body. */
static void parse_request(struct request *r, char *text)
{
	r->text = text;
	char *line = text, *next = strchr(line, '\n');
	if (next)
		*next++ = '\0';
	char *end = strstr(line, " HTTP/1.1");
	assert_non_null(end);
	*end = '\0';
	char *target = strchr(line, ' ');
	*target++ = '\0';
	r->method = line;
	r->path = target;
	char *q = strchr(target, '?');
	if (q)
		*q++ = '\0';
	parse_query(r, q);
	static char none[1];
	r->body = none;
	const char *name = NULL;
	for (line = next; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (!*line) {
			r->body = next ? next : none;
			break;
		}
		char *colon = strchr(line, ':');
		if (*line != ' ' && colon) {
			*colon = '\0';
			name = line;
			line = colon + 1;
		}
		r->headers[r->n_headers++] = (struct mill_sigv4_pair){name, line};
	}
	/* The suite's authors' client moves the fields of a form into the query. */
	for (size_t i = 0; i < r->n_headers; i++) {
		if (!strstr(r->headers[i].value, "x-www-form-urlencoded"))
			continue;
		parse_query(r, r->body);
		r->body = none;
		break;
	}
}

static unsigned mismatches;

/* The one file that contradicts its own .sts and .authz: it leaves content-type out of the names. */
#define CONTRADICTS_ITSELF "post-x-www-form-urlencoded/post-x-www-form-urlencoded.creq"

static void check_file(const char *dir, const char *base, const char *suffix, const char *got)
{
	_cleanup_free_ char *path = mill_xasprintf("%s/%s.%s", dir, base, suffix);
	_cleanup_free_ char *wanted = NULL;
	if (mill_read_file(path, 1 << 20, &wanted, NULL, NULL) < 0)
		return;
	size_t n = strlen(wanted);
	while (n && wanted[n - 1] == '\n')
		wanted[--n] = '\0';
	if (strcmp(wanted, got) == 0 || mill_ends_with(path, CONTRADICTS_ITSELF))
		return;
	print_message("%s\nwanted:\n%s\ngot:\n%s\n", path, wanted, got);
	mismatches++;
}

static unsigned run_folder(struct mill_sigv4 *s, const char *dir)
{
	unsigned ran = 0;
	_cleanup_strv_ struct mill_strv names = {0};
	assert_int_equal(mill_list_dir(dir, &names, NULL), 0);
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *path = mill_path_join(dir, names.items[i]);
		if (mill_is_dir(path)) {
			ran += run_folder(s, path);
			continue;
		}
		if (!mill_ends_with(path, ".req"))
			continue;
		_cleanup_free_ char *text = NULL;
		assert_int_equal(mill_read_file(path, 1 << 20, &text, NULL, NULL), 0);
		struct request r = {0};
		parse_request(&r, text);
		char hash[65];
		mill_sigv4_sha256(s, r.body, strlen(r.body), hash);
		struct mill_sigv4_input in = {r.method, r.path, r.query, r.n_query, r.headers,
					      r.n_headers, hash, "20150830T123600Z"};
		struct mill_sigv4_output out;
		assert_int_equal(mill_sigv4_sign(s, &in, &out, NULL), 0);
		_cleanup_free_ char *base =
			mill_xstrndup(names.items[i], strlen(names.items[i]) - strlen(".req"));
		check_file(dir, base, "creq", out.canonical);
		check_file(dir, base, "sts", out.to_sign);
		check_file(dir, base, "authz", out.authorization);
		ran++;
	}
	return ran;
}

static void test_suite(void **state)
{
	const char *source = getenv("MILL_TEST_SOURCE");
	const char *dir = test_path(source ? source : ".", "../shared/sigv4");
	if (!mill_is_dir(dir)) {
		print_message("no %s: AWS's suite is not run\n", dir);
		skip(); /* jumps: nothing may be owned here */
	}
	struct mill_sigv4 *s = mill_sigv4_new(SUITE_KEY, SUITE_SECRET, "us-east-1", "service", false);
	unsigned ran = run_folder(s, dir);
	mill_sigv4_free(s);
	print_message("%u requests of AWS's suite\n", ran);
	assert_true(ran >= 25);
	assert_int_equal(mismatches, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_s3_documentation), cmocka_unit_test(test_s3_paths),
		cmocka_unit_test(test_generic),		 cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_suite),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
