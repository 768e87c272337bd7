/*
 * What the drivers share (private to this folder).  A driver is a table of
 * functions over `struct mill_cluster`; it builds command lines, and reads the
 * vendor's answers.  Everything else (order, asking, records, kubeconfig files,
 * messages) is cluster.c's, access.c's and call.c's.
 */
#ifndef MILL_CLUSTER_INTERNAL_H
#define MILL_CLUSTER_INTERNAL_H

#include "base/arena.h"
#include "base/proc.h"
#include "cluster/cluster.h"

#define MILL_CLUSTER_RECORD_VERSION 1
#define MILL_KUBECONFIG_MAX ((size_t)1 << 20)

/* Time limits of the vendors' commands. */
enum {
	MILL_CALL_ASK_MS = 60 * 1000,        /* status, lists, versions */
	MILL_CALL_CHANGE_MS = 15 * 60 * 1000, /* start, stop, delete of something local */
	MILL_CALL_CREATE_MS = 30 * 60 * 1000,
	MILL_CALL_CLOUD_MS = 60 * 60 * 1000,
};

/* ---- recognised failures (symptom.c) ---- */
enum mill_symptom_kind {
	MILL_SYMPTOM_NONE,
	MILL_SYMPTOM_ABSENT, /* "not found": an answer, not a failure, to a driver that asked */
	MILL_SYMPTOM_EXISTS,
	MILL_SYMPTOM_HALF_MADE,
	MILL_SYMPTOM_QUOTA,
	MILL_SYMPTOM_NO_CREDENTIALS,
	MILL_SYMPTOM_BAD_CREDENTIALS,
	MILL_SYMPTOM_EXPIRED,
	MILL_SYMPTOM_FORBIDDEN,
	MILL_SYMPTOM_VIRTUALISATION,
	MILL_SYMPTOM_DOCKER_SOCKET,
	MILL_SYMPTOM_DOCKER_DOWN,
	MILL_SYMPTOM_ROOT,
	MILL_SYMPTOM_NETWORK,
	MILL_SYMPTOM_REFUSED, /* nobody listens */
	MILL_SYMPTOM_CERTIFICATE,
	MILL_SYMPTOM_DISK,
	MILL_SYMPTOM_PLUGIN,
	MILL_SYMPTOM_OPTION, /* an option that this version of the tool does not know */
	MILL_SYMPTOM_TIMEOUT,
};
struct mill_symptom {
	enum mill_symptom_kind kind;
	const char *tool;   /* NULL: any */
	const char *needle; /* found in what the tool said, without regard to case */
	const char *cause;  /* "the project's quota is used up" */
	const char *next;   /* the next step; NULL: none */
};
/* The first that matches; NULL: nothing known. */
const struct mill_symptom *mill_symptom_find(const char *tool, const char *output);
/* The program of an argv without folders, and of `sudo X` X. */
const char *mill_symptom_tool(char *const *argv);

/* ---- a vendor's command (call.c) ---- */
struct mill_call {
	const char *what; /* a progress line "making the cluster"; NULL: none */
	struct mill_strv *argv; /* argv[0]: absolute, or looked up in PATH */
	int timeout_ms;
	const char *input;   /* standard input, or NULL */
	size_t input_len;
	bool quiet;          /* its output is an answer: it is not handed to `output` */
	struct mill_strbuf *out;  /* its standard output, or NULL */
	struct mill_strbuf *said; /* its standard error, or NULL */
	enum mill_symptom_kind *ret_kind; /* set on failure; NULL: not wanted */
	int *ret_exit;       /* its exit code: any is taken; NULL: not 0 is an error */
};
struct mill_cluster;
/*
 * KUBECONFIG names the cluster's own file in the child's environment.  -ETIMEDOUT, -ECANCELED, -EIO: it failed (the
 * cause in the message, the last lines as detail).
 */
int mill_call(struct mill_cluster *c, const struct mill_call *call, struct mill_error *err);
void mill_cluster_note(const struct mill_cluster *c, const char *fmt, ...) MILL_PRINTF(2, 3);
int mill_cluster_confirm(const struct mill_cluster *c, const char *question, const char *expected,
			 struct mill_error *err);
/* Appends words; ends with NULL. */
void mill_argv(struct mill_strv *argv, ...) __attribute__((sentinel));
/* The text of an argv for people, quoted where a shell would need it; owned. */
char *mill_call_text(const struct mill_strv *argv);
/* Shows the exact command, asks, and runs it (with sudo unless root). */
int mill_call_as_root(struct mill_cluster *c, struct mill_call *call, const char *why,
		      struct mill_error *err);

/* ---- the cluster ---- */
struct mill_cluster_driver {
	const char *provider;
	const char *title; /* "kops cluster" */
	const char *tool;  /* its vendor's; NULL: none */
	const char *default_name; /* when the target says no cluster_name */
	bool cloud;
	bool foreign; /* not ours to make, start, stop, delete */
	bool installed_is_made; /* its tool is the cluster: not installed means absent (microk8s) */

	/* What the section must hold, beyond what the schema and model/target_check.c say; may be NULL. */
	int (*check)(struct mill_cluster *c, struct mill_error *err);
	/* Vendor's tool and its version; installs or asks where `install`. */
	int (*prepare)(struct mill_cluster *c, bool install, struct mill_error *err);
	int (*status)(struct mill_cluster *c, struct mill_cluster_status *ret, struct mill_error *err);
	/* What is spent, for the question; owned.  Cloud drivers only. */
	char *(*estimate)(const struct mill_cluster *c);
	int (*create)(struct mill_cluster *c, enum mill_cluster_state was, struct mill_error *err);
	int (*start)(struct mill_cluster *c, struct mill_error *err);
	int (*stop)(struct mill_cluster *c, struct mill_error *err);
	int (*remove)(struct mill_cluster *c, struct mill_error *err);
	/* Writes c->kubeconfig and sets c->context; called through mill_cluster_write_kubeconfig(). */
	int (*kubeconfig)(struct mill_cluster *c, struct mill_error *err);
	void (*gpu_plan)(struct mill_cluster *c, struct mill_cluster_gpu *ret);
	int (*gpu_enable)(struct mill_cluster *c, struct mill_error *err); /* NULL: nothing to do */
};
extern const struct mill_cluster_driver mill_driver_minikube, mill_driver_microk8s, mill_driver_multipass,
	mill_driver_kops, mill_driver_gke, mill_driver_k3d, mill_driver_kind, mill_driver_kubeconfig;

struct mill_cluster {
	struct mill_arena arena; /* every string below */
	const struct mill_cluster_driver *driver;
	struct mill_cluster_host host;
	json_t *section; /* as in the target file */
	const char *name, *location;
	const char *flags;      /* "-r -t k8s/configs/aws.yaml": what commands in hints need */
	const char *dir;        /* <state>/clusters/<provider>.<name> */
	const char *kubeconfig; /* dir/kubeconfig; of the kubeconfig driver the person's own */
	const char *context;    /* NULL: not known yet, or (kubeconfig) the current one */
	const char *tool;       /* absolute path of the vendor's, after prepare() */
	const char *kubectl;    /* absolute path, once it was needed */
	enum mill_symptom_kind last; /* why the last command that failed did */
	const char *variable, *value; /* one more of the children's environment, or NULL */
	/* of the section, 0 and NULL where it says nothing */
	int64_t cpus, nodes, gpu_nodes;
	uint64_t memory_mib, storage_mib;
	bool gpu, istio;
	bool loopback; /* the registry listens on this machine's loopback address */
	const char *vm_driver, *region, *node_size, *bucket, *project, *gpu_type, *version;
	const char *registry; /* host:port of a registry that speaks plain http; NULL: none */
	const char **zones;
	size_t n_zones;
};

/* cluster.c: the driver's kubeconfig(), with the folder that it needs. */
int mill_cluster_write_kubeconfig(struct mill_cluster *c, struct mill_error *err);

/* ---- settings.c ---- */
/* Fills the settings from c->section. */
void mill_cluster_settings(struct mill_cluster *c);
const char *mill_cluster_text(const struct mill_cluster *c, const char *key); /* of the section, or NULL */
char *mill_cluster_zones(const struct mill_cluster *c); /* "a,b"; owned */

/* ---- record.c: the cluster's folder ---- */
int mill_record_folder(const struct mill_cluster *c, struct mill_error *err);
/* "": no record; else "creating", "made". */
const char *mill_record_phase(const struct mill_cluster *c, char *buf, size_t len);
int mill_record_write(const struct mill_cluster *c, const char *phase, struct mill_error *err);
int mill_record_remove(const struct mill_cluster *c, struct mill_error *err);
/* A kubeconfig of ours, 0600. */
int mill_record_kubeconfig(const struct mill_cluster *c, const char *text, size_t len, struct mill_error *err);

/* ---- kubefile.c: what a kubeconfig says ---- */
struct mill_kubefile {
	char *current; /* current-context, or NULL */
	struct mill_strv contexts;
};
int mill_kubefile_read(const char *path, struct mill_kubefile *ret, struct mill_error *err);
void mill_kubefile_release(struct mill_kubefile *k);
/* Sets c->context: the named one, else the current one; an error lists the contexts. */
int mill_kubefile_choose(struct mill_cluster *c, const char *wanted, struct mill_error *err);

/* ---- access.c ---- */
/* Fills c->kubectl. */
int mill_cluster_kubectl(struct mill_cluster *c, struct mill_error *err);
/* Does the API server of c->kubeconfig and c->context answer?  0, or an error with the cause; *ret_kind may be NULL. */
int mill_cluster_ping(struct mill_cluster *c, enum mill_symptom_kind *ret_kind, struct mill_error *err);
/* Waits until it does; the last answer is in the error. */
int mill_cluster_await(struct mill_cluster *c, int timeout_ms, struct mill_error *err);
/* -ECANCELED when it was cut short. */
int mill_cluster_pause(const struct mill_cluster *c, int ms);
/* "v1.34.1", owned; NULL: no answer. */
char *mill_cluster_server_version(struct mill_cluster *c);

/* ---- tool.c ---- */
/* Absolute path and, unless NULL, version; both owned.  Does not install.  -ENOENT, -ENOTSUP: too old (says the minimum). */
int mill_tool_find(const struct mill_cluster_host *host, const char *name, char **ret_path, char **ret_version,
		   struct mill_error *err);
/* prepare() of drivers whose tool the store can hold; of others it only finds and checks. */
int mill_tool_prepare(struct mill_cluster *c, bool install, struct mill_error *err);
/* prepare() where the tool comes as a snap ("microk8s --classic"): it is installed after asking. */
int mill_tool_prepare_snap(struct mill_cluster *c, bool install, const char *snap, struct mill_error *err);
/* The container engine that kind and k3d need: "docker", or what vm_driver names. */
int mill_tool_engine(struct mill_cluster *c, char **ret_path, struct mill_error *err);

/* ---- microk8s.c, shared with multipass.c ---- */
/* What is enabled once microk8s runs, one a command; `prefix` comes before "microk8s". */
int mill_microk8s_settle(struct mill_cluster *c, const struct mill_strv *prefix, struct mill_error *err);
enum mill_cluster_state mill_microk8s_state(const char *answer);
char *mill_microk8s_snap(const struct mill_cluster *c); /* "microk8s --classic --channel=1.34/stable"; owned */

#endif
