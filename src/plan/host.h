/*
 * What a plan needs to know about the machine and about what runs on it, and
 * nothing else does: with a host of constants a plan is a pure function, which
 * is how its tests run.
 *
 * mill_plan_host_init() fills in all that is read from the machine and the
 * platform's folder.  The native runtime (runtime/native/host.c) adds the
 * store, the tool chains and the live state of services; where it adds
 * nothing, there is no store and nothing runs.
 *
 *	struct mill_plan_host host;
 *	mill_plan_host_init(&host, platform);
 *	host.arg = ...;  host.store_key = ...;  host.observe = ...;
 *	mill_plan_make(model, platform, &host, &options, &plan, err);
 *
 * No function changes anything.  Returned strings and JSON are the caller's.
 */
#ifndef MILL_PLAN_HOST_H
#define MILL_PLAN_HOST_H

#include <jansson.h>

#include "platform/platform.h"

/* What a service is doing now; a zeroed one means that it does not run. */
struct mill_observed {
	char state[16];           /* a state of the control protocol, "" = stopped */
	char fingerprint[65];     /* of the spec that the running process was started from */
	char reason[160];         /* of backoff, failed, stopped: "exit code 1"; may be empty */
};

struct mill_toolchain_at {
	char *dir;      /* absolute; dir/bin holds its programs; owned */
	char *key;      /* store entry, owned; NULL: the machine's own is used */
	json_t *recipe; /* how to install the entry; NULL with key NULL */
};

struct mill_plan_host {
	void *arg;                 /* handed to the functions of the runtime */
	struct mill_platform *platform;
	bool pods;                 /* services run in pods of a cluster, one a pod, not on this machine (spec/place.h) */

	/* ---- the machine: set by init ---- */
	uint64_t memory_total;     /* RAM, or the cgroup's limit where that is lower; bytes */
	uint64_t memory_available; /* now, without swapping */
	unsigned cpus;
	uint64_t nofile_max;       /* hard limit of open files that a service can be given; 0: unknown */
	uint64_t inotify_instances; /* fs.inotify.max_user_instances; 0: unknown */

	/* ---- the store: set by the runtime ---- */
	const char *store;         /* absolute folder; NULL: no software can be had */
	int (*store_key)(void *arg, const json_t *recipe, char **ret_key, struct mill_error *err);
	bool (*store_has)(void *arg, const char *key);
	/* `want` as in manifests: "java>=17".  -ENOENT: there is none for this machine. */
	int (*toolchain)(void *arg, const char *want, struct mill_toolchain_at *ret, struct mill_error *err);
	/* Recipe of the environment that hooks run in (`${tools}`); NULL when none is shipped. */
	json_t *(*tools_recipe)(void *arg);

	/*
	 * ---- images, instead of a store, where services run in pods; NULL elsewhere ----
	 * The tag of the image made of `source` (mill_render_image) and whether its registry has it; ret_tag 32 bytes.
	 */
	int (*image)(void *arg, const json_t *source, char *ret_tag, bool *ret_exists, struct mill_error *err);
	const char *registry;      /* "127.0.0.1:5000": before /NAME:TAG, where pods pull from */
	const char *pull_secret;   /* the Secret that they need for it; NULL: none */

	/*
	 * What the volume of the data folder is, where pods mount one: {"storage": "10Gi", "digest": of what it was filled with (absent:
	 * not yet)}, owned; NULL: there is none.
	 */
	json_t *(*data_volume)(void *arg);

	/* ---- what runs: set by the runtime; id is "component.service" ---- */
	void (*observe)(void *arg, const char *id, struct mill_observed *ret);
	/* What of the component was changed behind our back, one line, owned; NULL: nothing.  May be NULL itself. */
	char *(*drift)(void *arg, const char *component);

	/* ---- the platform's folder: set by init; a test replaces them ---- */
	/* spec.json, a new reference; NULL: none.  `wanted` itself (may be NULL) when it is what the file holds. */
	json_t *(*spec)(const struct mill_plan_host *h, const char *id, json_t *wanted);
	json_t *(*applied)(const struct mill_plan_host *h, const char *id); /* applied.json */
	json_t *(*data)(const struct mill_plan_host *h, const char *id);    /* data.json */
	json_t *(*record)(const struct mill_plan_host *h, const char *component); /* manifest.json */
	unsigned (*secret_version)(const struct mill_plan_host *h, const char *component, const char *name);
	int (*port)(const struct mill_plan_host *h, const char *key, uint16_t preferred, uint16_t pinned,
		    uint16_t *ret_port, bool *ret_moved, struct mill_error *err);
	/* Who listens on a TCP port ("pid 12 (nginx)"), owned; NULL: nobody. */
	char *(*port_holder)(const struct mill_plan_host *h, uint16_t port);
	/* Hex digest over (path, size, mtime) of all files below a folder; -ENOENT. */
	int (*folder_digest)(const struct mill_plan_host *h, const char *folder, char ret[65], struct mill_error *err);
	/* Hex digest of a file's content; -ENOENT. */
	int (*file_digest)(const struct mill_plan_host *h, const char *path, char ret[65], struct mill_error *err);
	/* For preflight: free bytes below path (or its nearest parent), and which file system that is. */
	int (*disk)(const struct mill_plan_host *h, const char *path, uint64_t *ret_free, uint64_t *ret_id,
		    struct mill_error *err);
	bool (*writable)(const struct mill_plan_host *h, const char *path); /* it, or its nearest parent */
	bool (*has_program)(const struct mill_plan_host *h, const char *name); /* in PATH */
	bool (*has_gpu)(const struct mill_plan_host *h); /* an NVIDIA one that programs can reach; NULL: none */
};

/* Whether this machine shows an NVIDIA GPU: its driver, or its device. */
bool mill_gpu_seen(void);
void mill_plan_host_init(struct mill_plan_host *h, struct mill_platform *p);

#endif
