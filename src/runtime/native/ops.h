/*
 * Operations that need no flavour and no model, only what the platform's
 * record and its components' manifest.json say.  Those that change something
 * want the platform locked (mill_platform_lock) by the caller.
 *
 * Results are JSON: what `--json` prints and what tables are made from.  A
 * *ret is a new reference, set only on success.
 *
 * "names" are `component` or `component.service`; an unknown one is a usage
 * error with a "did you mean".  n == 0: all.
 */
#ifndef MILL_NATIVE_OPS_H
#define MILL_NATIVE_OPS_H

#include "base/strbuf.h"
#include "runtime/native/native.h"

/* "component.service" of every service that the names mean, in start order. */
int mill_ops_expand(struct mill_native *n, const char *const *names, size_t n_names, struct mill_strv *ret_ids,
		    struct mill_error *err);

/* ---- status ---- */
/*
 * {"platform": "native.data-mill", "name", "target", "flavour", "dir", "daemon": {"pid", "version"} or null,
 *  "components": [{"name", "title", "stands_for" (or null), "category", "version", "state", "links": [{"title", "url",
 *    "user", "secret"}], "services": [{"id", "service", "state", "wanted": "up", "pid", "since_ms", "started_ms",
 *    "restarts", "reason", "exit_code", "signal", "retry_ms", "rss", "pss", "ports": {"api": 9000}}]}],
 *  "ready": n, "services": n}
 * A component's state: its services' if they agree, else "partly"; "installed" for one without services.  rss and
 * pss (bytes, of the service's processes) and cpu_ms only with `use`: the kernel walks page tables for pss.
 */
int mill_ops_status(struct mill_native *n, bool use, json_t **ret, struct mill_error *err);

/*
 * {"used": bytes of the platform's folder, "budget": bytes (0: none recorded), "warn": at 80 % of it or more, "text": says
 * so, and who uses most when warn}.  Reads the whole folder: for doctor and the end of `up`.
 */
int mill_ops_disk(struct mill_native *n, json_t **ret, struct mill_error *err);

/* ---- start and stop ---- */
/* Where told of what happens: "minio.server", "stopping", "". */
struct mill_ops_watch {
	int cancel_fd; /* -1: none */
	void (*on_state)(void *arg, const char *id, const char *state, const char *reason); /* may be NULL */
	void *arg;
};
/* One daemon request; 0 also when nothing ran.  Then the daemon is gone. */
int mill_ops_down(struct mill_native *n, const struct mill_ops_watch *w, struct mill_error *err);
/* Starts the named ones and what they need (by the recorded edges, providers first), and waits until all are ready. */
int mill_ops_start(struct mill_native *n, const char *const *names, size_t n_names, const struct mill_ops_watch *w,
		   struct mill_error *err);
/* Those that come after the named ones and run now: `stop` shows them and stops them too. */
int mill_ops_dependents(struct mill_native *n, const char *const *names, size_t n_names, struct mill_strv *ret_ids,
			struct mill_error *err);
/* Stops the named ones and their dependents, in reverse order of the edges. */
int mill_ops_stop(struct mill_native *n, const char *const *names, size_t n_names, const struct mill_ops_watch *w,
		  struct mill_error *err);
/* Only the named ones; then waits until they are ready again. */
int mill_ops_restart(struct mill_native *n, const char *const *names, size_t n_names, const struct mill_ops_watch *w,
		     struct mill_error *err);
/* what: "ready" or "stopped".  -ETIMEDOUT names those that are not. */
int mill_ops_wait(struct mill_native *n, const char *const *names, size_t n_names, const char *what, int timeout_ms,
		  const struct mill_ops_watch *w, struct mill_error *err);

/* ---- what people and their code need to connect ---- */
/*
 * [{"component", "title", "links": [..as in status, "password" beside a "secret"..], "secrets": {"password": "value"},
 *   "provides": {"s3": {"endpoint", "access_key", "secret_key"}}}], values in clear.  component NULL: all that have any.
 */
int mill_ops_credentials(struct mill_native *n, const char *component, json_t **ret, struct mill_error *err);
/* {"AWS_ENDPOINT_URL_S3": "value", ..} in clear, sorted by name. */
int mill_ops_env(struct mill_native *n, json_t **ret, struct mill_error *err);
enum mill_env_format { MILL_ENV_SH, MILL_ENV_DOTENV, MILL_ENV_JSON };
/* sh: export NAME='value'; dotenv: NAME="value".  Both survive any byte but NUL. */
void mill_env_print(const json_t *env, enum mill_env_format format, struct mill_strbuf *out);

/* ---- deleting ---- */
/*
 * What a deletion would take: {"services": ["minio.server" that run], "data": [{"id", "path", "bytes"}],
 * "buckets": [{"component", "name", "objects", "bytes"}], "secrets": n, "bytes": total}.  component NULL: the platform.
 * Buckets are listed through the running provider; "buckets_unknown": true when none runs.
 */
int mill_ops_inventory(struct mill_native *n, const char *component, int cancel_fd, json_t **ret, struct mill_error *err);
/*
 * Stops everything, then removes run state, configuration, secrets and the record; data folders only with delete_data,
 * else they and the secrets and the record stay (the platform can be brought up again).  Then checks that no process,
 * port or (with delete_data) file of the platform is left; what is left is the error.
 */
int mill_ops_destroy(struct mill_native *n, bool delete_data, const struct mill_ops_watch *w, struct mill_error *err);
/* Stops and forgets one component.  -EBUSY names dependants that run.  Data is kept unless purge. */
int mill_ops_uninstall(struct mill_native *n, const char *component, bool purge, const struct mill_ops_watch *w,
		       struct mill_error *err);
/* Store keys that any platform of this user names: what `store gc` must keep. */
int mill_ops_store_live(const struct mill_layout *l, struct mill_strv *ret_keys, struct mill_error *err);

/* ---- hooks on demand ---- */
/*
 * Runs a recorded hook ("smoke", "repo", "backup").  request may be NULL (borrowed).  *ret: {"component", "hook",
 * "result": "ok" "failed" "skipped", "message", "checks": [..], "values": {..}, "elapsed_ms", "log": "last lines"}.
 * -ENOENT: the component has no such hook.  A failed hook is a result, not an error.
 */
bool mill_ops_has_hook(struct mill_native *n, const char *component, const char *hook);
int mill_ops_hook(struct mill_native *n, const char *component, const char *hook, json_t *request, int cancel_fd,
		  json_t **ret, struct mill_error *err);
/*
 * The repo hook: `input` (or NULL) is copied into its temporary folder and named in request.file; what it
 * writes to request.output is moved to `output` (or NULL).
 */
int mill_ops_repo(struct mill_native *n, const char *component, json_t *request, const char *input, const char *output,
		  int cancel_fd, json_t **ret, struct mill_error *err);
/* The component that provides a capability on this platform ("versioning" -> "dvc"); owned, NULL: none. */
char *mill_ops_provider(struct mill_native *n, const char *capability);
/* The resolved values of a provided capability ({"endpoint": ..}); for the lake client. */
int mill_ops_provides(struct mill_native *n, const char *component, const char *capability, json_t **ret,
		      struct mill_error *err);

/* An http address of the platform as it is reached from this machine; owned. */
int mill_ops_reach(struct mill_native *n, const char *url, char **ret, struct mill_error *err);
struct mill_logs;
int mill_ops_logs(struct mill_native *n, const struct mill_logs *l, struct mill_error *err);

/* ---- events ---- */
/* Prints history since a sequence number (< 0: none) and, with follow, what comes.  Ends 0 on cancel. */
int mill_ops_events(struct mill_native *n, int64_t since, bool follow, int cancel_fd,
		    void (*on_event)(void *arg, const json_t *event), void *arg, struct mill_error *err);

#endif
