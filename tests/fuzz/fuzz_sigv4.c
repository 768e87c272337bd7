/*
 * The signer on any bytes: path, query and header values from the input, both
 * modes.  The target must be plain ASCII without blanks, decode to the path
 * (S3), and two signatures of one request must be equal.
 */
#include "fuzz.h"
#include "lake/sigv4.h"

static char *next_line(char **at)
{
	char *line = *at, *end = strchr(line, '\n');
	if (end)
		*end++ = '\0';
	*at = end ? end : line + strlen(line);
	return line;
}

static int digit(char c)
{
	return c <= '9' ? c - '0' : c - 'A' + 10;
}

static void check_decodes(const char *target, const char *path)
{
	for (; *target && *target != '?'; target++, path++) {
		unsigned char c = (unsigned char)*target;
		if (c == '%') {
			c = (unsigned char)(digit(target[1]) << 4 | digit(target[2]));
			target += 2;
		}
		FUZZ_CHECK(c == (unsigned char)*path);
	}
	FUZZ_CHECK(*path == '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct mill_sigv4 *signers[2];
	if (!signers[0]) {
		signers[0] = mill_sigv4_new("AKID", "secret", "us-east-1", "service", false);
		signers[1] = mill_sigv4_new("AKID", "secret", "us-east-1", "s3", true);
	}
	if (size > 16384)
		return 0;
	_cleanup_free_ char *s = fuzz_string(data, size);
	char *at = s, *path = next_line(&at);
	struct mill_sigv4_pair query[MILL_SIGV4_QUERY_MAX + 2], headers[MILL_SIGV4_HEADER_MAX + 2];
	size_t n_query = 0, n_headers = 0;
	headers[n_headers++] = (struct mill_sigv4_pair){"host", "example.com"};
	headers[n_headers++] = (struct mill_sigv4_pair){"x-amz-date", "20130524T000000Z"};
	while (*at && n_query < MILL_ARRAY_LEN(query) && n_headers < MILL_ARRAY_LEN(headers)) {
		char *line = next_line(&at), *sep = strpbrk(line, "=:");
		bool header = sep && *sep == ':';
		if (sep)
			*sep++ = '\0';
		if (header)
			headers[n_headers++] = (struct mill_sigv4_pair){line, sep};
		else
			query[n_query++] = (struct mill_sigv4_pair){line, sep};
	}
	for (int mode = 0; mode < 2; mode++) {
		struct mill_sigv4_input in = {"GET",	 path,	     query, n_query, headers,
					      n_headers, MILL_SIGV4_EMPTY_SHA256, "20130524T000000Z"};
		struct mill_sigv4_output out;
		if (mill_sigv4_sign(signers[mode], &in, &out, NULL) < 0)
			continue;
		for (const char *c = out.target; *c; c++)
			FUZZ_CHECK(*c > ' ' && *c < 0x7f);
		if (mode == 1)
			check_decodes(out.target, path);
		_cleanup_free_ char *first = mill_xstrdup(out.authorization);
		FUZZ_CHECK(mill_sigv4_sign(signers[mode], &in, &out, NULL) == 0);
		FUZZ_CHECK(mill_streq(first, out.authorization));
	}
	return 0;
}
