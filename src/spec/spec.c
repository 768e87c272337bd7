#include "spec/spec.h"

#include <ctype.h>
#include <signal.h>

#include "base/io.h"
#include "base/json.h"

/* Defaults of the contract (docs/internals/state.md). */
enum {
	DEFAULT_DEADLINE_MS = 60000,
	DEFAULT_PERIOD_MS = 1000,
	DEFAULT_TIMEOUT_MS = 2000,
	DEFAULT_GRACE_MS = 10000,
	DEFAULT_DELAY_MS = 500,
	DEFAULT_MAX_DELAY_MS = 30000,
	DEFAULT_LIMIT = 5,
	DEFAULT_WINDOW_MS = 120000,
	DEFAULT_LOG_KEEP = 4,
	DEFAULT_LINE_MAX = 16384,
	LINE_MAX_MIN = 256,
	LINE_MAX_MAX = 32768, /* the shim's buffer is twice this */
	DAY_MS = 86400000,
};

bool mill_spec_id_is_valid(const char *id)
{
	size_t n = id ? strlen(id) : 0, dots = 0;
	if (n < 3 || n > 128 || id[0] == '.' || id[0] == '-' || id[n - 1] == '.')
		return false;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)id[i];
		dots += c == '.';
		if (!islower(c) && !isdigit(c) && c != '-' && c != '.' && c != '_')
			return false;
	}
	return dots == 1;
}

/* ---- fields ---- */

static char *dup_string(const json_t *o, const char *key)
{
	const char *s = mill_json_get_string(o, key, NULL);
	return s ? mill_xstrdup(s) : NULL;
}

static int64_t get_clamped(const json_t *o, const char *key, int64_t fallback, int64_t min, int64_t max)
{
	int64_t v = mill_json_get_int(o, key, fallback);
	return v < min ? min : v > max ? max : v;
}

static void get_strings(const json_t *array, struct mill_strv *ret)
{
	size_t i;
	json_t *item;
	json_array_foreach(array, i, item)
	{
		if (json_is_string(item))
			mill_strv_add(ret, json_string_value(item));
	}
}

static enum mill_probe_type probe_type(const char *name)
{
	static const char *const names[] = {
		[MILL_PROBE_HTTP] = "http", [MILL_PROBE_TCP] = "tcp",	    [MILL_PROBE_EXEC] = "exec",
		[MILL_PROBE_LOG] = "log",   [MILL_PROBE_NOTIFY] = "notify",
	};
	for (size_t i = 1; name && i < MILL_ARRAY_LEN(names); i++) {
		if (mill_streq(names[i], name))
			return (enum mill_probe_type)i;
	}
	return MILL_PROBE_NONE;
}

static int read_probe(const json_t *probes, const char *key, struct mill_spec_probe *p, struct mill_error *err)
{
	const json_t *o = json_object_get(probes, key);
	const char *type = mill_json_get_string(o, "type", NULL);
	if (!json_is_object(o) || !type)
		return 0;
	p->type = probe_type(type);
	if (p->type == MILL_PROBE_NONE)
		return mill_fail(err, EINVAL, "probes.%s: no probe type is called '%s'", key, type);
	const json_t *status = json_object_get(o, "status");
	p->host = dup_string(o, "host");
	p->port = (uint16_t)get_clamped(o, "port", 0, 0, 65535);
	p->path = dup_string(o, "path");
	p->pattern = dup_string(o, "pattern");
	p->status_min = json_is_array(status) ? (unsigned)json_integer_value(json_array_get(status, 0)) : 200;
	p->status_max = json_is_array(status) ? (unsigned)json_integer_value(json_array_get(status, 1)) : 399;
	p->period_ms = (uint32_t)get_clamped(o, "period_ms", DEFAULT_PERIOD_MS, 10, DAY_MS);
	p->timeout_ms = (uint32_t)get_clamped(o, "timeout_ms", DEFAULT_TIMEOUT_MS, 1, DAY_MS);
	p->initial_delay_ms = (uint32_t)get_clamped(o, "initial_delay_ms", 0, 0, DAY_MS);
	p->failures = (unsigned)get_clamped(o, "failures", 3, 1, 1000);
	p->successes = (unsigned)get_clamped(o, "successes", 1, 1, 1000);
	if ((p->type == MILL_PROBE_HTTP || p->type == MILL_PROBE_TCP) && (!p->host || !p->port))
		return mill_fail(err, EINVAL, "probes.%s: host and port are needed", key);
	if (p->type == MILL_PROBE_LOG && !p->pattern)
		return mill_fail(err, EINVAL, "probes.%s: pattern is needed", key);
	return 0;
}

static void read_restart(const json_t *o, struct mill_spec *s)
{
	const char *policy = mill_json_get_string(o, "policy", "always");
	s->policy = mill_streq(policy, "never")	       ? MILL_RESTART_NEVER
		    : mill_streq(policy, "on-failure") ? MILL_RESTART_ON_FAILURE
						       : MILL_RESTART_ALWAYS;
	s->delay_ms = (uint32_t)get_clamped(o, "delay_ms", DEFAULT_DELAY_MS, 0, DAY_MS);
	s->max_delay_ms = (uint32_t)get_clamped(o, "max_delay_ms", DEFAULT_MAX_DELAY_MS, 0, DAY_MS);
	s->limit = (unsigned)get_clamped(o, "limit", DEFAULT_LIMIT, 0, 1000);
	s->window_ms = (uint32_t)get_clamped(o, "window_ms", DEFAULT_WINDOW_MS, 0, DAY_MS);
}

static void read_rest(const json_t *root, struct mill_spec *s)
{
	const json_t *stop = json_object_get(root, "stop"), *limits = json_object_get(root, "limits");
	const json_t *user = json_object_get(root, "user"), *log = json_object_get(root, "log");
	s->stop_signal = (int)get_clamped(stop, "signal", SIGTERM, 1, 64);
	s->grace_ms = (uint32_t)get_clamped(stop, "grace_ms", DEFAULT_GRACE_MS, 0, DAY_MS);
	s->reload_signal = (int)get_clamped(json_object_get(root, "reload"), "signal", 0, 0, 64);
	s->nofile = (uint64_t)get_clamped(limits, "nofile", 0, 0, INT64_MAX);
	s->memory_bytes = (uint64_t)get_clamped(limits, "memory_bytes", 0, 0, INT64_MAX);
	s->set_ids = json_is_object(user);
	s->uid = (uid_t)mill_json_get_int(user, "uid", 0);
	s->gid = (gid_t)mill_json_get_int(user, "gid", 0);
	s->log_max_bytes = (uint64_t)get_clamped(log, "max_bytes", 10 << 20, 4096, INT64_MAX);
	s->log_keep = (unsigned)get_clamped(log, "keep", DEFAULT_LOG_KEEP, 0, 99);
	s->log_line_max = (uint32_t)get_clamped(log, "line_max", DEFAULT_LINE_MAX, LINE_MAX_MIN, LINE_MAX_MAX);
}

static int read_all(json_t *root, struct mill_spec *s, struct mill_error *err)
{
	const json_t *probes = json_object_get(root, "probes");
	s->id = dup_string(root, "id");
	s->component = dup_string(root, "component");
	s->service = dup_string(root, "service");
	s->platform_dir = dup_string(root, "platform_dir");
	s->dir = dup_string(root, "dir");
	s->fingerprint = dup_string(root, "fingerprint");
	s->reload_fingerprint = dup_string(root, "reload_fingerprint");
	s->store = dup_string(root, "store");
	s->cwd = dup_string(root, "cwd");
	if (!mill_spec_id_is_valid(s->id))
		return mill_fail(err, EINVAL, "id is missing or not of the form component.service");
	if (!s->platform_dir || s->platform_dir[0] != '/' || !s->dir || s->dir[0] != '/')
		return mill_fail(err, EINVAL, "platform_dir and dir must be absolute paths");
	if (json_array_size(json_object_get(root, "command")) == 0)
		return mill_fail(err, EINVAL, "command is missing or empty");
	if (!s->fingerprint)
		s->fingerprint = mill_xstrdup("");
	get_strings(json_object_get(root, "store_entries"), &s->store_entries);
	get_strings(json_object_get(root, "after"), &s->after);
	read_restart(json_object_get(root, "restart"), s);
	read_rest(root, s);
	s->deadline_ms =
		(uint32_t)get_clamped(json_object_get(probes, "startup"), "deadline_ms", DEFAULT_DEADLINE_MS, 1, DAY_MS);
	int rc = read_probe(probes, "readiness", &s->readiness, err);
	if (rc == 0)
		rc = read_probe(probes, "startup", &s->startup, err);
	if (rc == 0)
		rc = read_probe(probes, "liveness", &s->liveness, err);
	s->notify = s->readiness.type == MILL_PROBE_NOTIFY || s->startup.type == MILL_PROBE_NOTIFY;
	return rc;
}

int mill_spec_from_json(json_t *root, bool brief, struct mill_spec *ret, struct mill_error *err)
{
	struct mill_spec s = {0};
	int64_t version = mill_json_get_int(root, "spec", -1);
	if (version != MILL_SPEC_VERSION)
		return mill_fail(err, version > MILL_SPEC_VERSION ? EPROTO : EINVAL,
				 "version %lld of the service spec is not the one this program reads (%d)",
				 (long long)version, MILL_SPEC_VERSION);
	int rc = read_all(root, &s, err);
	if (rc < 0) {
		mill_spec_release(&s);
		return rc;
	}
	if (!brief)
		s.root = json_incref(root);
	*ret = s;
	return 0;
}

int mill_spec_load(const char *path, bool brief, struct mill_spec *ret, struct mill_error *err)
{
	_cleanup_json_ json_t *root = NULL;
	int rc = mill_json_load(path, MILL_SPEC_FILE_MAX, &root, err);
	if (rc < 0)
		return rc;
	rc = mill_spec_from_json(root, brief, ret, err);
	return rc < 0 ? mill_error_wrap(err, "%s", path) : 0;
}

static void release_probe(struct mill_spec_probe *p)
{
	free(p->host);
	free(p->path);
	free(p->pattern);
}

void mill_spec_release(struct mill_spec *s)
{
	char *owned[] = {s->id,	 s->component, s->service, s->platform_dir, s->dir, s->fingerprint, s->reload_fingerprint,
			 s->store, s->cwd};
	for (size_t i = 0; i < MILL_ARRAY_LEN(owned); i++)
		free(owned[i]);
	mill_strv_release(&s->store_entries);
	mill_strv_release(&s->after);
	release_probe(&s->readiness);
	release_probe(&s->startup);
	release_probe(&s->liveness);
	json_decref(s->root);
	memset(s, 0, sizeof(*s));
}
