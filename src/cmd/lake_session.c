#include "base/base.h"
#include "base/hash.h"
#include "base/io.h"
#include "base/json.h"
#include "cmd/interrupt.h"
#include "cmd/lake_session.h"

static int sign_in(struct mill_lake_session *s, const char *component, struct mill_error *err)
{
	struct mill_lake_options o = MILL_LAKE_OPTIONS_INIT;
	_cleanup_json_ json_t *values = NULL;
	_cleanup_free_ char *endpoint = NULL;
	int r = mill_ops_provides(s->ctx.native, component, "s3", &values, err);

	if (r < 0)
		return r;
	r = mill_ops_reach(s->ctx.native, mill_json_get_string(values, "endpoint", ""), &endpoint, err);
	if (r < 0)
		return r;
	o.endpoint = endpoint;
	o.access_key = mill_json_get_string(values, "access_key", "");
	o.secret_key = mill_json_get_string(values, "secret_key", "");
	o.region = mill_json_get_string(values, "region", NULL);
	o.jobs = mill_opt_count(s->ctx.inv, "jobs", 0);
	o.cancel_fd = s->cancel_fd;
	r = s->net->lake_open(&o, &s->lake, err);
	if (r == -ECONNREFUSED)
		return mill_error_hint(err, "data-mill start %s", component);
	return r;
}

int mill_lake_session_open(struct mill_lake_session *s, struct mill_invocation *inv,
			   struct mill_error *err)
{
	_cleanup_free_ char *component = NULL;
	int r;

	*s = (struct mill_lake_session){.ctx = MILL_CONTEXT_INIT(inv)};
	s->cancel_fd = r = mill_interrupt_fd(err);
	if (r >= 0)
		r = mill_context_platform(&s->ctx, err);
	if (r == 0)
		r = mill_context_runtime(&s->ctx, err);
	if (r < 0)
		return r;
	component = mill_ops_provider(s->ctx.native, "s3");
	if (!component) {
		mill_fail_usage(err, "data: platform %s.%s has no lake", s->ctx.platform->target,
				s->ctx.platform->name);
		return mill_error_hint(err, "data-mill up -c minio");
	}
	r = mill_net_load(&s->net, err);
	return r < 0 ? r : sign_in(s, component, err);
}

void mill_lake_session_end(struct mill_lake_session *s)
{
	if (s->lake)
		s->net->lake_close(s->lake);
	s->lake = NULL;
	mill_context_release(&s->ctx);
}

char *mill_lake_session_state(const struct mill_lake_session *s, const struct mill_lake_target *t)
{
	char digest[MILL_SHA256_HEX];
	size_t n = strlen(t->prefix);

	/* The whole bucket's is the one that `up` keeps when it publishes data/. */
	if (!*t->prefix)
		return mill_xasprintf("%s/lake/%s.json", s->ctx.platform->dir, t->bucket);
	/* "a/b" and "a/b/" are one place. */
	while (n && t->prefix[n - 1] == '/')
		n--;
	mill_sha256(t->prefix, n, digest);
	return mill_xasprintf("%s/lake/%s.%.16s.json", s->ctx.platform->dir, t->bucket, digest);
}

int mill_lake_key(const char *text, struct mill_lake_target *ret, struct mill_error *err)
{
	int r = mill_lake_target_parse(text, ret, err);

	if (r == 0 && !*ret->prefix)
		return mill_fail_usage(err, "%s: names a bucket, no object; write BUCKET/KEY", text);
	return r;
}
