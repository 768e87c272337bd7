/* Registries: names, which may speak plain HTTP, asking one, mirrors, how nodes are told. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>

#include "../cmocka_all.h"

#include "image/image.h"
#include "image/wire.h"

static void test_reference(void **state)
{
	_cleanup_free_ char *a = mill_image_reference(&(struct mill_image_registry){.host = "registry.example.com/team"}, "minio", "0f");
	assert_string_equal(a, "registry.example.com/team/minio:0f");
}

static void test_local(void **state)
{
	static const char *const local[] = {"127.0.0.1:5000", "localhost:5000/x", "localhost", "127.8.0.1", "[::1]:5000"};
	static const char *const far[] = {"registry.example.com", "10.0.0.1:5000", "127.0.0.1.example.com", "localhost.example.com:5000",
					  "[::2]:5000", "128.0.0.1"};
	for (size_t i = 0; i < MILL_ARRAY_LEN(local); i++)
		assert_true(mill_image_registry_is_local(&(struct mill_image_registry){.host = local[i]}));
	for (size_t i = 0; i < MILL_ARRAY_LEN(far); i++)
		assert_false(mill_image_registry_is_local(&(struct mill_image_registry){.host = far[i]}));
}

static void test_mirrored(void **state)
{
	static const char *const pairs[][2] = {
		{"docker.io/library/busybox:1", "m:1/r/library/busybox:1"},
		{"busybox:1", "m:1/r/library/busybox:1"},
		{"busybox", "m:1/r/library/busybox:latest"},
		{"minio/minio", "m:1/r/minio/minio:latest"},
		{"quay.io/a/b/c:v1.2-x", "m:1/r/a/b/c:v1.2-x"},
		{"localhost:5000/x:2", "m:1/r/x:2"},
		{"quay.io/a/b:v1@sha256:0123456789abcdef0123", "m:1/r/a/b:sha256-0123456789abcdef"},
		{"quay.io/a/b@sha256:0123456789abcdef0123", "m:1/r/a/b:sha256-0123456789abcdef"},
	};
	static const char *const bad[] = {"", "quay.io/", "a b", "x;y", "quay.io/a@md5:00"};
	const struct mill_image_registry to = {.host = "m:1/r"};
	for (size_t i = 0; i < MILL_ARRAY_LEN(pairs); i++) {
		_cleanup_free_ char *got = mill_image_mirrored(&to, pairs[i][0], NULL);
		assert_string_equal(got, pairs[i][1]);
	}
	for (size_t i = 0; i < MILL_ARRAY_LEN(bad); i++) {
		_cleanup_error_ struct mill_error err = {0};
		assert_null(mill_image_mirrored(&to, bad[i], &err));
		assert_true(err.usage);
	}
}

/* ---- a registry of one answer ---- */
struct server {
	int fd;
	uint16_t port;
	const char *answer;
	char asked[1024];
	pthread_t thread;
};

static void *serve(void *arg)
{
	struct server *s = arg;
	int c = accept(s->fd, NULL, NULL);
	ssize_t n = read(c, s->asked, sizeof(s->asked) - 1);
	s->asked[n > 0 ? n : 0] = '\0';
	(void)!write(c, s->answer, strlen(s->answer));
	close(c);
	return NULL;
}

static void start(struct server *s, const char *answer)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	*s = (struct server){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .answer = answer};
	assert_int_equal(bind(s->fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(s->fd, 4), 0);
	assert_int_equal(getsockname(s->fd, (struct sockaddr *)&at, &len), 0);
	s->port = ntohs(at.sin_port);
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static int ask(const char *answer, char *ret_asked, size_t size)
{
	struct server s;
	start(&s, answer);
	_cleanup_free_ char *host = mill_xasprintf("127.0.0.1:%u/team", (unsigned)s.port);
	int r = mill_image_exists(&(struct mill_image_registry){.host = host}, "minio", "0f", NULL);
	pthread_join(s.thread, NULL);
	close(s.fd);
	snprintf(ret_asked, size, "%s", s.asked);
	return r;
}

static void test_exists(void **state)
{
	char asked[1024];
	assert_int_equal(ask("HTTP/1.1 200 OK\r\n\r\n", asked, sizeof(asked)), 1);
	assert_non_null(strstr(asked, "HEAD /v2/team/minio/manifests/0f HTTP/1.1\r\n"));
	assert_non_null(strstr(asked, "application/vnd.oci.image.manifest.v1+json"));
	assert_int_equal(ask("HTTP/1.1 404 Not Found\r\n\r\n", asked, sizeof(asked)), 0);
}

static void test_nobody_listens(void **state)
{
	struct server s;
	_cleanup_error_ struct mill_error err = {0};
	start(&s, "HTTP/1.1 200 OK\r\n\r\n");
	_cleanup_free_ char *host = mill_xasprintf("127.0.0.1:%u", (unsigned)s.port);
	assert_int_equal(mill_image_exists(&(struct mill_image_registry){.host = host}, "a", "0", NULL), 1);
	pthread_join(s.thread, NULL);
	close(s.fd);
	assert_int_equal(mill_image_exists(&(struct mill_image_registry){.host = host}, "a", "0", &err), -ECONNREFUSED);
	assert_non_null(strstr(err.hint, "registry start"));
}

/* ---- how nodes are told ---- */
static void test_wire(void **state)
{
	static const char *const kinds[] = {"containerd", "kind", "k3d", "microk8s", "minikube"};
	static const char *const reached[] = {"http://127.0.0.1:5010", "http://172.17.0.1:5010", "http://host.k3d.internal:5010",
					      "http://127.0.0.1:5010", "http://host.minikube.internal:5010"};
	for (size_t i = 0; i < MILL_ARRAY_LEN(kinds); i++) {
		_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT, mine = MILL_STRBUF_INIT;
		struct mill_registry_wire w = {.kind = kinds[i], .registry = "127.0.0.1:5010"};
		assert_int_equal(mill_registry_wire_text(&w, &out, NULL), 0);
		assert_non_null(strstr(out.data, reached[i]));
		assert_non_null(strstr(mill_registry_kinds, kinds[i]));
		w.address = "10.1.2.3:5010";
		assert_int_equal(mill_registry_wire_text(&w, &mine, NULL), 0);
		assert_non_null(strstr(mine.data, "http://10.1.2.3:5010"));
		/* the name in pods stays what was pushed */
		assert_non_null(strstr(mine.data, "127.0.0.1:5010"));
	}
	_cleanup_error_ struct mill_error err = {0};
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	assert_int_equal(mill_registry_wire_text(&(struct mill_registry_wire){.kind = "nomad", .registry = "x:1"}, &out, &err), -EINVAL);
	assert_true(err.usage);
}

static void test_hosts_toml(void **state)
{
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	mill_registry_hosts_toml(&(struct mill_registry_wire){.kind = "kind", .registry = "127.0.0.1:5000"}, &out);
	assert_string_equal(out.data, "server = \"http://172.17.0.1:5000\"\n\n[host.\"http://172.17.0.1:5000\"]\n"
				      "  capabilities = [\"pull\", \"resolve\"]\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reference),      cmocka_unit_test(test_local), cmocka_unit_test(test_mirrored),
		cmocka_unit_test(test_exists),	       cmocka_unit_test(test_nobody_listens),
		cmocka_unit_test(test_wire),	       cmocka_unit_test(test_hosts_toml),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
