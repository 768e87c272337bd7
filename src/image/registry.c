/*
 * Registries: skopeo speaks to them (tokens, TLS, retries); a registry of this
 * machine that asks for nothing is asked directly, because a plan asks for
 * every image and starting skopeo takes longer than the answer.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "image/internal.h"

#include "base/io.h"
#include "base/json.h"
#include "base/parse.h"
#include "base/proc.h"

#define ASK_SECONDS 5
#define ASK_TIMEOUT_MS 60000
#define PUSH_TRIES "3"
#define MANIFEST_TYPES "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, " \
		       "application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json"

char *mill_image_reference(const struct mill_image_registry *r, const char *name, const char *tag)
{
	return mill_xasprintf("%s/%s:%s", r->host, name, tag);
}

char *mill_registry_local(const struct mill_layout *l)
{
	_cleanup_free_ char *dir = mill_layout_platform_dir(l, "native", MILL_REGISTRY_PLATFORM), *path = mill_path_join(dir, "ports.json");
	_cleanup_json_ json_t *ports = NULL;
	if (mill_json_load(path, MILL_JSON_FILE_MAX, &ports, NULL) < 0)
		return NULL;
	int64_t port = mill_json_get_int(ports, "registry.server.api", 0);
	return port > 0 && port <= UINT16_MAX ? mill_xasprintf("127.0.0.1:%d", (int)port) : NULL;
}

/* Host and port of "host[:port][/path]"; owned. */
static char *host_of(const struct mill_image_registry *r, uint16_t *ret_port)
{
	size_t n = strcspn(r->host, "/");
	_cleanup_free_ char *at = mill_xstrndup(r->host, n);
	char *colon = strrchr(at, ':');
	uint64_t port = 80;
	if (colon && !strchr(colon, ']') && mill_parse_u64(colon + 1, &port) == 0)
		*colon = '\0';
	*ret_port = port <= UINT16_MAX ? (uint16_t)port : 0;
	size_t len = strlen(at);
	return at[0] == '[' && at[len - 1] == ']' ? mill_xstrndup(at + 1, len - 2) : mill_xstrdup(at);
}

bool mill_image_registry_is_local(const struct mill_image_registry *r)
{
	uint16_t port;
	struct in_addr v4;
	_cleanup_free_ char *host = host_of(r, &port);
	return strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0 ||
	       (inet_pton(AF_INET, host, &v4) == 1 && (ntohl(v4.s_addr) >> 24) == 127);
}

/* ---- a registry of this machine ---- */
static int dial(const struct mill_image_registry *r)
{
	uint16_t port;
	_cleanup_free_ char *host = host_of(r, &port);
	bool v6 = strcmp(host, "::1") == 0;
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	(void)inet_pton(AF_INET, host, &v4.sin_addr);
	struct timeval limit = {.tv_sec = ASK_SECONDS};
	int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, v6 ? (struct sockaddr *)&six : (struct sockaddr *)&v4, v6 ? sizeof(six) : sizeof(v4)) < 0) {
		int code = errno;
		close(fd);
		return -code;
	}
	return fd;
}

/* The status of HEAD manifest; 0: this is no plain HTTP, skopeo finds out.  Negative errno: nobody listens. */
static int head_status(const struct mill_image_registry *r, const char *name, const char *tag)
{
	const char *path = strchr(r->host, '/');
	_cleanup_close_ int fd = dial(r);
	if (fd < 0)
		return fd;
	_cleanup_free_ char *request = mill_xasprintf("HEAD /v2%s/%s/manifests/%s HTTP/1.1\r\nHost: %.*s\r\nAccept: " MANIFEST_TYPES
						      "\r\nUser-Agent: data-mill/" MILL_VERSION "\r\nConnection: close\r\n\r\n",
						      path ? path : "", name, tag, (int)strcspn(r->host, "/"), r->host);
	char answer[64] = "";
	size_t len = 0;
	if (send(fd, request, strlen(request), MSG_NOSIGNAL) != (ssize_t)strlen(request))
		return 0;
	while (len < sizeof(answer) - 1) {
		ssize_t n = mill_read_retry(fd, answer + len, sizeof(answer) - 1 - len);
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	answer[len] = '\0';
	if (!mill_starts_with(answer, "HTTP/1.") || strlen(answer) < 12)
		return 0;
	char code[4] = {answer[9], answer[10], answer[11], '\0'};
	uint64_t status;
	return mill_parse_u64(code, &status) < 0 ? 0 : (int)status;
}

/* ---- skopeo ---- */
static int skopeo_missing(struct mill_error *err)
{
	mill_fail(err, ENOENT, "skopeo, which copies images, is not there");
	return mill_error_hint(err, "install it, for example: apt-get install skopeo");
}

static void add_access(struct mill_strv *argv, const struct mill_image_registry *r, const char *side)
{
	if (r->authfile)
		mill_strv_addf(argv, "--authfile=%s", r->authfile);
	if (r->cert_dir)
		mill_strv_addf(argv, "--%scert-dir=%s", side, r->cert_dir);
	if (mill_image_registry_is_local(r))
		mill_strv_addf(argv, "--%stls-verify=false", side);
}

struct lines {
	const struct mill_image_tell *t;
};

static void on_line(void *arg, const char *line)
{
	const struct lines *l = arg;
	if (l->t && *line)
		mill_image_say(l->t, -1, "%.160s", line);
}

/* 0 and its exit status. */
static int run_skopeo(struct mill_strv *argv, const struct mill_image_tell *t, int timeout_ms, struct mill_strbuf *out,
		      int *ret_status, struct mill_error *err)
{
	_cleanup_free_ char *program = mill_path_find_program(argv->items[0], getenv("PATH"));
	struct lines lines = {t};
	if (!program)
		return skopeo_missing(err);
	struct mill_run run = MILL_RUN_INIT;
	run.spawn.argv = mill_strv_argv(argv);
	run.spawn.new_group = true;
	run.merge_stderr = true;
	run.output_max = 32768;
	run.timeout_ms = timeout_ms;
	run.cancel_fd = t && t->o ? t->o->cancel_fd : -1;
	run.on_line = t ? on_line : NULL;
	run.on_line_arg = &lines;
	return mill_run(&run, out, NULL, ret_status, err);
}

static bool says_absent(const char *text)
{
	static const char *const words[] = {"manifest unknown", "name unknown", "MANIFEST_UNKNOWN", "NAME_UNKNOWN", "not found", "StatusCode: 404"};
	for (size_t i = 0; i < MILL_ARRAY_LEN(words); i++)
		if (strstr(text, words[i]))
			return true;
	return false;
}

static int fail_skopeo(const char *what, const char *reference, const char *output, struct mill_error *err)
{
	bool denied = strstr(output, "unauthorized") || strstr(output, "authentication required") || strstr(output, "denied");
	mill_fail(err, denied ? EACCES : EIO, "%s %s: %s", what, reference,
		  denied ? "the registry does not let us" : "skopeo failed");
	mill_error_detail(err, output);
	if (denied)
		return mill_error_hint(err, "log in first: skopeo login %.*s (or name a file of credentials with --authfile)",
				       (int)strcspn(reference, "/"), reference);
	return mill_error_hint(err, "is the registry there? `data-mill registry status` tells of the local one");
}

static int ask_skopeo(const struct mill_image_registry *r, const char *reference, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	int status = 0;
	mill_strv_add(&argv, "skopeo");
	mill_strv_add(&argv, "inspect");
	mill_strv_add(&argv, "--raw");
	add_access(&argv, r, "");
	mill_strv_addf(&argv, "docker://%s", reference);
	int rv = run_skopeo(&argv, NULL, ASK_TIMEOUT_MS, &out, &status, err);
	if (rv < 0)
		return mill_error_wrap(err, "ask for %s", reference);
	if (status == 0)
		return 1;
	return says_absent(out.data) ? 0 : fail_skopeo("ask for", reference, out.data, err);
}

int mill_image_exists(const struct mill_image_registry *r, const char *name, const char *tag, struct mill_error *err)
{
	_cleanup_free_ char *reference = mill_image_reference(r, name, tag);
	if (mill_image_registry_is_local(r)) {
		int status = head_status(r, name, tag);
		if (status == 200 || status == 404)
			return status == 200;
		if (status < 0) {
			mill_fail_errno(err, -status, "ask for %s", reference);
			return mill_error_hint(err, "start the local registry: data-mill registry start");
		}
	}
	return ask_skopeo(r, reference, err);
}

struct copying {
	const char *from;			  /* as skopeo names it */
	const struct mill_image_registry *source; /* NULL: a folder */
	const struct mill_image_registry *to;
	const char *reference;
	bool whole; /* all architectures, digests as they are */
};

static int copy(const struct copying *c, const struct mill_image_tell *t, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	int status = 0;
	mill_strv_add(&argv, "skopeo");
	mill_strv_add(&argv, "--insecure-policy"); /* signatures are not what we rely on: content is named by digest */
	mill_strv_add(&argv, "copy");
	mill_strv_add(&argv, "--retry-times=" PUSH_TRIES);
	if (c->whole) {
		mill_strv_add(&argv, "--all");
		mill_strv_add(&argv, "--preserve-digests");
	}
	if (c->source && mill_image_registry_is_local(c->source))
		mill_strv_add(&argv, "--src-tls-verify=false");
	if (c->source && c->source->cert_dir)
		mill_strv_addf(&argv, "--src-cert-dir=%s", c->source->cert_dir);
	add_access(&argv, c->to, "dest-");
	mill_strv_add(&argv, c->from);
	mill_strv_addf(&argv, "docker://%s", c->reference);
	int r = run_skopeo(&argv, t, 0, &out, &status, err);
	if (r < 0)
		return mill_error_wrap(err, "push %s", c->reference);
	return status == 0 ? 0 : fail_skopeo("push", c->reference, out.data, err);
}

int mill_image_push(struct mill_images *im, const struct mill_image_registry *r, const char *name, const char *tag,
		    const struct mill_image_options *o, struct mill_error *err)
{
	struct mill_image image = {0};
	_cleanup_close_ int use = -1;
	int rv = mill_image_lock(im, MILL_IMAGE_USE_LOCK, true, o ? o->cancel_fd : -1, &use, err);
	if (rv == 0)
		rv = mill_image_oci_read(im, name, tag, &image, err);
	if (rv < 0)
		return rv;
	_cleanup_free_ char *from = mill_xasprintf("oci:%s:%s", image.layout, tag);
	_cleanup_free_ char *reference = mill_image_reference(r, name, tag);
	struct mill_image_tell tell = {.o = o, .name = name, .to = 1};
	mill_image_release(&image);
	return copy(&(struct copying){.from = from, .to = r, .reference = reference}, &tell, err);
}

int mill_image_copy(const struct mill_image_registry *source, const char *from, const struct mill_image_registry *to,
		    const char *to_reference, const struct mill_image_options *o, struct mill_error *err)
{
	_cleanup_free_ char *named = mill_xasprintf("docker://%s", from);
	const struct mill_image_registry upstream = {.host = from}; /* what stands before the first slash */
	struct mill_image_tell tell = {.o = o, .name = from, .to = 1};
	return copy(&(struct copying){.from = named, .source = source ? source : &upstream, .to = to, .reference = to_reference, .whole = true}, &tell, err);
}

/* "host/path:tag", "host/path@sha256:hex", and Docker's short forms without a host ("busybox:1", "minio/minio"). */
char *mill_image_mirrored(const struct mill_image_registry *to, const char *from, struct mill_error *err)
{
	size_t first = strcspn(from, "/");
	bool has_host = from[first] && (memchr(from, '.', first) || memchr(from, ':', first) || strncmp(from, "localhost", first) == 0);
	const char *path = has_host ? from + first + 1 : from;
	const char *at = strchr(path, '@'), *colon = strrchr(path, ':');
	if (!*path || strspn(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/:@") != strlen(path) ||
	    (at && !mill_starts_with(at, "@sha256:"))) {
		mill_fail_usage(err, "'%s' is no image", from);
		return NULL;
	}
	const char *library = !has_host && !from[first] ? "library/" : "";
	if (at) { /* who pulls by digest finds it under any tag */
		const char *tag = memchr(path, ':', (size_t)(at - path));
		size_t n = (size_t)((tag ? tag : at) - path);
		return mill_xasprintf("%s/%s%.*s:sha256-%.16s", to->host, library, (int)n, path, at + strlen("@sha256:"));
	}
	return mill_xasprintf("%s/%s%s%s", to->host, library, path, colon ? "" : ":latest");
}
