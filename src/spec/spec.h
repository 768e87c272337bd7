/*
 * Reading a rendered service spec (docs/internals/state.md).  The renderer
 * and the fingerprint live with the planner; this is what the daemon, the shim
 * and the native runtime need of a finished spec.json.
 *
 * A `struct mill_spec` owns everything in it.  Loaded with `brief`, it keeps
 * only the small fields (a daemon holds one for each service); command,
 * environment and files then need another load.  A secret's value is in none
 * of them: it is read when a value is resolved.
 */
#ifndef MILL_SPEC_SPEC_H
#define MILL_SPEC_SPEC_H

#include <jansson.h>

#include "base/strbuf.h"

#define MILL_SPEC_VERSION  1
#define MILL_SPEC_FILE_MAX ((size_t)4 << 20)
#define MILL_SPEC_VALUE_MAX ((size_t)1 << 20) /* one resolved value */

enum mill_probe_type { MILL_PROBE_NONE, MILL_PROBE_HTTP, MILL_PROBE_TCP, MILL_PROBE_EXEC, MILL_PROBE_LOG, MILL_PROBE_NOTIFY };

struct mill_spec_probe {
	enum mill_probe_type type;
	char *host;    /* numeric address */
	uint16_t port;
	char *path;    /* http */
	char *pattern; /* log */
	unsigned status_min, status_max;
	uint32_t period_ms, timeout_ms, initial_delay_ms;
	unsigned failures, successes;
};

enum mill_restart_policy { MILL_RESTART_ALWAYS, MILL_RESTART_ON_FAILURE, MILL_RESTART_NEVER };

struct mill_spec {
	char *id, *component, *service, *platform_dir, *dir, *fingerprint, *reload_fingerprint;
	char *store, *cwd;
	bool set_ids;
	uid_t uid;
	gid_t gid;
	struct mill_strv store_entries, after;
	struct mill_spec_probe readiness, startup, liveness;
	uint32_t deadline_ms; /* time to first ready */
	enum mill_restart_policy policy;
	uint32_t delay_ms, max_delay_ms, window_ms;
	unsigned limit;
	int stop_signal, reload_signal; /* reload_signal 0: none */
	uint32_t grace_ms;
	uint64_t nofile, memory_bytes;
	uint64_t log_max_bytes;
	unsigned log_keep;
	uint32_t log_line_max;
	bool notify;   /* some probe is of type notify */
	json_t *root;  /* NULL when brief */
};

int mill_spec_load(const char *path, bool brief, struct mill_spec *ret, struct mill_error *err);
/* From a parsed tree; `root` is borrowed, a reference is kept unless brief. */
int mill_spec_from_json(json_t *root, bool brief, struct mill_spec *ret, struct mill_error *err);
void mill_spec_release(struct mill_spec *s);
#define _cleanup_spec_ __attribute__((cleanup(mill_spec_release)))

/*
 * Appends a value: a string, or an array of strings and
 * {"secret": "component/name", "version": n, "filter": f}, read from
 * <platform_dir>/secrets/<component>/<name>.  Messages never hold a secret's value.
 */
int mill_spec_resolve_value(const json_t *value, const char *platform_dir, struct mill_strbuf *out,
			    struct mill_error *err);
/* The same with secrets from elsewhere: `read` gives the text of "component/name", owned, which is wiped after use. */
typedef int mill_spec_secret_fn(void *arg, const char *name, char **ret_text, struct mill_error *err);
int mill_spec_resolve_value_by(const json_t *value, mill_spec_secret_fn *read, void *arg, struct mill_strbuf *out, struct mill_error *err);
/* "NAME=value" for every entry of the spec's environment, resolved, in order. */
int mill_spec_environment(const struct mill_spec *s, struct mill_strv *ret_env, struct mill_error *err);
/* The command, or an exec probe's ("startup", "readiness", "liveness"). */
int mill_spec_command(const struct mill_spec *s, const char *probe, struct mill_strv *ret_argv,
		      struct mill_error *err);
/* "component.service": lower-case letters, digits and dashes around one dot, at most 128 bytes. */
bool mill_spec_id_is_valid(const char *id);

#endif
