/* The way in: a kubeconfig that works, or what is in the way. */
#include <poll.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"
#include "cluster/internal.h"

#define PING_MS 15000

int mill_cluster_kubectl(struct mill_cluster *c, struct mill_error *err)
{
	_cleanup_free_ char *path = NULL;
	int r = 0;

	if (c->kubectl)
		return 0;
	r = mill_cluster_tool_for(&c->host, "kubectl", &path, err);
	if (r == 0)
		c->kubectl = mill_arena_strdup(&c->arena, path);
	return r;
}

/* kubectl get --raw PATH: *ret_exit 0 and the answer, or what kubectl said. */
static int get_raw(struct mill_cluster *c, const char *path, int *ret_exit, enum mill_symptom_kind *ret_kind,
		   struct mill_strbuf *out, struct mill_strbuf *said, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};
	int r = mill_cluster_kubectl(c, err);

	if (r < 0)
		return r;
	mill_strv_add(&argv, c->kubectl);
	mill_strv_addf(&argv, "--kubeconfig=%s", c->kubeconfig);
	if (c->context)
		mill_strv_addf(&argv, "--context=%s", c->context);
	mill_strv_add(&argv, "--request-timeout=10s");
	mill_strv_add(&argv, "get");
	mill_strv_addf(&argv, "--raw=%s", path);
	return mill_call(c, &(struct mill_call){.argv = &argv, .timeout_ms = PING_MS, .quiet = true, .out = out, .said = said,
						.ret_kind = ret_kind, .ret_exit = ret_exit}, err);
}

static const char *first_line(const char *text, char *buf, size_t len)
{
	/* kubectl repeats its client's complaints with a time in front; the last line is for people */
	size_t n = strlen(text);

	while (n && text[n - 1] == '\n')
		n--;
	size_t from = n;
	while (from && text[from - 1] != '\n')
		from--;
	snprintf(buf, len, "%.*s", (int)(n - from), text + from);
	return buf;
}

int mill_cluster_ping(struct mill_cluster *c, enum mill_symptom_kind *ret_kind, struct mill_error *err)
{
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT, said = MILL_STRBUF_INIT;
	enum mill_symptom_kind kind = MILL_SYMPTOM_NONE;
	const struct mill_symptom *s;
	char line[512];
	int code = 0, r = get_raw(c, "/readyz", &code, &kind, &out, &said, err);

	if (ret_kind)
		*ret_kind = kind;
	if (r < 0)
		return r;
	/* it knows us and says no: it answers */
	if (code == 0 || (kind == MILL_SYMPTOM_FORBIDDEN && strstr(said.data, "from server")))
		return 0;
	s = mill_symptom_find("kubectl", said.data);
	mill_fail(err, EHOSTUNREACH, "%s does not answer: %s", mill_cluster_title(c),
		  s ? s->cause : first_line(said.data, line, sizeof(line)));
	mill_error_detail(err, first_line(said.data, line, sizeof(line)));
	return mill_error_hint(err, "%s", s && s->next ? s->next : "is it up, and is this its kubeconfig? data-mill cluster status");
}

char *mill_cluster_server_version(struct mill_cluster *c)
{
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT, said = MILL_STRBUF_INIT;
	_cleanup_json_ json_t *o = NULL;
	const char *version;
	int code = 0;

	if (get_raw(c, "/version", &code, NULL, &out, &said, NULL) < 0 || code != 0 ||
	    mill_json_parse("version", out.data, out.len, &o, NULL) < 0)
		return NULL;
	version = mill_json_get_string(o, "gitVersion", NULL);
	return version ? mill_xstrdup(version) : NULL;
}

int mill_cluster_pause(const struct mill_cluster *c, int ms)
{
	struct pollfd fd = {.fd = c->host.cancel_fd, .events = POLLIN};

	return poll(&fd, 1, ms) > 0 ? -ECANCELED : 0;
}

int mill_cluster_await(struct mill_cluster *c, int timeout_ms, struct mill_error *err)
{
	uint64_t end = mill_now_ns() + (uint64_t)timeout_ms * 1000000;
	enum mill_symptom_kind kind = MILL_SYMPTOM_NONE;
	int r;

	for (;;) {
		mill_error_release(err);
		r = mill_cluster_ping(c, &kind, err);
		/* what time does not heal */
		if (r != -EHOSTUNREACH || kind == MILL_SYMPTOM_PLUGIN || kind == MILL_SYMPTOM_CERTIFICATE || mill_now_ns() >= end)
			return r;
		mill_cluster_note(c, "waiting for the API server: %s", err ? err->message : "");
		r = mill_cluster_pause(c, 3000);
		if (r < 0)
			return mill_fail(err, -r, "interrupted");
	}
}

static void say_how(const struct mill_cluster *c, const struct mill_cluster_status *s, struct mill_error *err)
{
	const char *verb = s->state == MILL_CLUSTER_ABSENT ? "create" : s->state == MILL_CLUSTER_BROKEN && s->ours ? "create" : "start";

	mill_fail(err, s->state == MILL_CLUSTER_ABSENT ? ENOENT : EHOSTDOWN, "%s is %s%s%s", mill_cluster_title(c),
		  mill_cluster_state_name(s->state), s->text ? ": " : "", s->text ? s->text : "");
	if (s->state == MILL_CLUSTER_STARTING)
		mill_error_hint(err, "data-mill cluster status %s     shows when it runs", c->flags);
	else
		mill_error_hint(err, "data-mill cluster %s %s", verb, c->flags);
}

static int by_vendor(struct mill_cluster *c, struct mill_error *err)
{
	_cleanup_(mill_cluster_status_release) struct mill_cluster_status s = {0};
	int r = mill_cluster_status(c, &s, err);

	if (r < 0)
		return r;
	if (s.state != MILL_CLUSTER_RUNNING) {
		say_how(c, &s, err);
		return -err->code;
	}
	r = mill_cluster_write_kubeconfig(c, err);
	return r < 0 ? r : mill_cluster_ping(c, NULL, err);
}

int mill_cluster_access(struct mill_cluster *c, char **ret_kubeconfig, char **ret_context, struct mill_error *err)
{
	_cleanup_error_ struct mill_error own = {0};
	int r;

	err = err ? err : &own;
	if (c->driver->foreign) {
		r = mill_cluster_write_kubeconfig(c, err);
		if (r == 0)
			r = mill_cluster_ping(c, NULL, err);
	} else {
		/* what worked last time works still, or the vendor is asked why not */
		r = mill_exists(c->kubeconfig) ? mill_kubefile_choose(c, NULL, err) : -ENOENT;
		if (r == 0)
			r = mill_cluster_ping(c, NULL, err);
		if (r < 0 && r != -ECANCELED) {
			mill_error_release(err);
			r = by_vendor(c, err);
		}
	}
	if (r < 0)
		return r;
	*ret_kubeconfig = mill_xstrdup(c->kubeconfig);
	*ret_context = mill_xstrdup(c->context);
	return 0;
}

int mill_cluster_kubeconfig(struct mill_cluster *c, char **ret_kubeconfig, char **ret_context,
			    struct mill_error *err)
{
	int r = c->driver->prepare ? c->driver->prepare(c, false, err) : 0;

	if (r == 0)
		r = mill_cluster_write_kubeconfig(c, err);
	if (r < 0)
		return r;
	*ret_kubeconfig = mill_xstrdup(c->kubeconfig);
	*ret_context = mill_xstrdup(c->context);
	return 0;
}
