/*
 * What the files of the native runtime share: the context, the components'
 * records, resolving values, and folders that belong to the services' user.
 */
#ifndef MILL_NATIVE_CONTEXT_H
#define MILL_NATIVE_CONTEXT_H

#include <pthread.h>

#include "daemon/client.h"
#include "runtime/native/native.h"
#include "runtime/native/store.h"

struct mill_remote;

struct mill_native {
	struct mill_layout *layout;
	struct mill_platform *p;
	struct mill_store *store; /* opened at the first need */
	char *daemon, *shim;      /* copies in libexec; found at the first need */
	json_t *records;          /* component -> record; of the plan that runs, else read from manifest.json */
	json_t *live;             /* id -> {state, fingerprint, reason} as the daemon or the shims say; NULL: not asked */
	const struct mill_plan *plan; /* while it runs */
	bool offline;
	const struct mill_remote *remote; /* NULL: services run on this machine (remote.h) */
	void *remote_arg;
	pthread_mutex_t lock;     /* desired, records and store while threads run */
	pthread_mutex_t daemon_lock; /* starting the daemon */
};

struct mill_observed;
/* What live.h says of a service, for a plan. */
void mill_native_observe(struct mill_native *n, const char *id, struct mill_observed *ret);
/* components/_tools/recipe.json, with the folder that its locks are in; NULL: none. */
json_t *mill_native_tools_recipe(const struct mill_layout *l);
/* Recorded before it was installed, or its software was removed since. */
bool mill_native_lacks_software(struct mill_native *n, const json_t *record);
int mill_native_store(struct mill_native *n, struct mill_store **ret, struct mill_error *err); /* borrowed */
/* Forgets the opened store: its installers' user has just been made. */
void mill_native_forget_store(struct mill_native *n);
/* A new connection; start: a daemon is started when none answers. */
int mill_native_client(struct mill_native *n, bool start, int cancel_fd, struct mill_client **ret,
		       struct mill_error *err);

/* ---- records ---- */
/* Borrowed; -ENOENT usage error with a "did you mean" when the platform has no such component. */
int mill_native_record(struct mill_native *n, const char *component, const json_t **ret, struct mill_error *err);
/* Names of the platform's components, sorted. */
int mill_native_components(struct mill_native *n, struct mill_strv *ret, struct mill_error *err);
void mill_native_forget_records(struct mill_native *n);
/* <platform>/components/<component>[/<below>]; owned. */
char *mill_native_component_path(const struct mill_native *n, const char *component, const char *below);
char *mill_native_service_path(const struct mill_native *n, const char *id, const char *below);

/* ---- values ---- */
/* A tree with every value in it resolved: secrets in clear.  Wipe with mill_native_wipe(). */
int mill_native_resolve(const struct mill_native *n, const json_t *tree, json_t **ret, struct mill_error *err);
/* One value as text; owned, to be freed with mill_secret_free(). */
int mill_native_resolve_text(const struct mill_native *n, const json_t *value, char **ret, struct mill_error *err);
/* Drops a reference after overwriting the strings in it. */
void mill_native_wipe(json_t *tree);
static inline void mill_cleanup_wipe(json_t **j)
{
	mill_native_wipe(*j);
}
#define _cleanup_wipe_ __attribute__((cleanup(mill_cleanup_wipe)))

/* ---- folders ---- */
/* Makes it (0700) and, as root, gives it to the services' user. */
int mill_native_owned_dir(const struct mill_native *n, const char *path, struct mill_error *err);
/* A folder of root's that the services' user passes (0711), else 0700. */
int mill_native_passage(const struct mill_native *n, const char *path, struct mill_error *err);
/* A durable file of the services' user. */
int mill_native_owned_file(const struct mill_native *n, const char *path, const void *data, size_t len, mode_t mode,
			   struct mill_error *err);

/* As it is, durable, 0600 and ours; not written when the file says so already. */
int mill_native_save_json(const char *path, const json_t *o, struct mill_error *err);

/* ---- desired.json, safe among threads ---- */
int mill_native_want(struct mill_native *n, const char *id, bool up, const json_t *after, struct mill_error *err);
int mill_native_task_done(struct mill_native *n, const char *id, const char *fingerprint, struct mill_error *err);
/* The entry of a service in desired.json, or NULL; borrowed. */
json_t *mill_native_wanted(const struct mill_native *n, const char *id);

#endif
