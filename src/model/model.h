/*
 * The model: a flavour, the manifests, component configurations and the target
 * file, parsed and checked as a whole.  All problems of all files end up in
 * one mill_diags; a model with errors is never planned.
 *
 * Everything below lives in the model's arena and dies with it.  Strings are
 * never NULL unless a comment says so.  Nothing here knows ports, store paths
 * or secrets' values: values are kept as templates (struct mill_template) that
 * plan/render fills.
 */
#ifndef MILL_MODEL_MODEL_H
#define MILL_MODEL_MODEL_H

#include "base/arena.h"
#include "base/map.h"
#include "base/strbuf.h"
#include "yaml/diag.h"
#include "yaml/node.h"

/* ---- templates: a scalar with ${...} in it, parsed once ---- */
enum mill_filter { MILL_FILTER_NONE, MILL_FILTER_JSON, MILL_FILTER_URL, MILL_FILTER_YAML,
		   MILL_FILTER_INI, MILL_FILTER_PROPERTIES, MILL_FILTER_BASE64 };
struct mill_template_part {
	const char *text;  /* literal, or NULL */
	const char *group; /* "setting", "port", "s3", "store", ... when text is NULL */
	const char *name;  /* after the first dot; "" when there is none ("store", "bind") */
	enum mill_filter filter;
	struct mill_mark mark;
};
struct mill_template {
	struct mill_template_part *parts;
	size_t n;
	struct mill_mark mark;
	const char *raw;
};

enum mill_setting_type { MILL_SETTING_STRING, MILL_SETTING_INT, MILL_SETTING_NUMBER, MILL_SETTING_BOOL,
			 MILL_SETTING_SIZE, MILL_SETTING_DURATION, MILL_SETTING_ENUM, MILL_SETTING_LIST };
struct mill_setting {
	const char *name, *help;
	enum mill_setting_type type;
	const char *default_text;    /* canonical text; list: JSON array */
	/* In force, canonical text.  size: bytes in decimal; duration: as written (30s); list: JSON array. */
	const char *value;
	const char *value_origin;    /* "default", or file:line of who set it */
	const char *pattern, *min, *max; /* NULL when absent */
	const char **values; size_t n_values; /* enum, or what a list may hold */
	enum mill_setting_type items;         /* of a list: string, int or number */
	/*
	 * secret: true.  `value` is "" and the text comes, when it is used, from a file (absolute
	 * path) or a variable that the flavour names; one of the two, or neither when unset.
	 */
	bool secret;
	const char *from_file, *from_variable;
	const struct mill_node *default_node; /* NULL: none */
	struct mill_mark mark;
};
struct mill_secret_spec { const char *name; unsigned length; const char *alphabet; struct mill_mark mark; };

/* None of the three: always. */
struct mill_when { const char *capability, *setting; bool kubernetes, negated; struct mill_mark mark; };

struct mill_entry { const char *key; struct mill_template value; struct mill_when when; struct mill_mark mark; };

struct mill_capability { /* a provides entry */
	const char *name;
	struct mill_entry *values; size_t n_values;
	struct mill_mark mark;
};
struct mill_requirement {
	const char *capability;
	struct mill_entry *parameters; size_t n_parameters; /* {bucket: mlflow}; empty: none */
	bool optional;
	struct mill_mark mark;
	struct mill_component *provider; /* set by resolve; NULL: not bound */
};

enum mill_format { MILL_FORMAT_TEXT, MILL_FORMAT_JSON, MILL_FORMAT_YAML, MILL_FORMAT_INI, MILL_FORMAT_PROPERTIES };
struct mill_file {
	const char *name;          /* relative to dir.config */
	enum mill_format format;
	struct mill_template content; /* of `template:` or `content:`; marks point into the template's file */
	const struct mill_node *value; /* or a tree (templates inside its scalars), NULL otherwise */
	bool reload;
	struct mill_when when;
	struct mill_mark mark;
};
/* open: why anybody who reaches it is served without a password; NULL: it asks for one. */
struct mill_port { const char *name, *open; uint16_t preferred; bool udp; uint16_t pinned; /* 0: none */ struct mill_mark mark, pin_mark; };

enum mill_probe_type { MILL_PROBE_NONE, MILL_PROBE_HTTP, MILL_PROBE_TCP, MILL_PROBE_EXEC, MILL_PROBE_LOG, MILL_PROBE_NOTIFY };
struct mill_probe {
	enum mill_probe_type type;
	const char *port;              /* http, tcp: a port's name */
	struct mill_template path;     /* http */
	int status_min, status_max;    /* http */
	struct mill_template *command; size_t n_command; /* exec */
	const char *pattern;           /* log */
	uint64_t period_ns, timeout_ns, initial_delay_ns;
	unsigned failures, successes;
	struct mill_mark mark;
};
struct mill_service {
	const char *name, *summary;
	struct mill_component *component;
	struct mill_template *command; size_t n_command;
	struct mill_when *command_when; /* one for each word */
	struct mill_entry *environment; size_t n_environment;
	struct mill_file *files; size_t n_files;
	struct mill_port *ports; size_t n_ports;
	struct mill_probe readiness, liveness, startup; /* startup.type NONE: readiness is used */
	uint64_t start_deadline_ns;
	uint64_t memory, memory_min, disk, disk_max; /* bytes; 0: not said */
	double heap;                       /* share of memory, 0..1 */
	uint64_t nofile;
	const char *restart_policy;
	uint64_t restart_delay_ns, restart_max_delay_ns, restart_window_ns;
	unsigned restart_limit;
	int stop_signal; uint64_t stop_grace_ns;
	int reload_signal; /* 0: none */
	const char **after; size_t n_after;
	const char **folders; size_t n_folders; /* below dir.data, made before the first start */
	struct mill_template *writes; size_t n_writes;
	bool landlock;
	struct mill_template cwd; /* n == 0: dir.data */
	bool data_folder; /* it runs people's code, which finds the data folder by MILL_DATA_FOLDER */
	const struct mill_node *rules; /* kubernetes: what its pods may do at the API server; NULL: nothing */
	struct mill_when when;
	struct mill_mark mark;
};
struct mill_hook {
	struct mill_template *command; size_t n_command; /* n == 0: no such hook */
	uint64_t timeout_ns;
	struct mill_mark mark;
};
struct mill_task {
	const char *name, *service; /* whose folder it shares */
	bool after;                 /* runs once the service is ready instead of before it starts */
	struct mill_hook hook;      /* contract of docs/internals/hooks.md when it names a file, else a plain command */
	bool plain;
	struct mill_entry *environment; size_t n_environment;
	struct mill_file *files; size_t n_files; /* rendered to the service's config folder first */
	struct mill_mark mark;
};
struct mill_link { const char *title, *service, *port, *secret; struct mill_template path, user; struct mill_mark mark; };
/* secret: the name of the password with which `user` reads them; NULL: nobody asks for one. */
struct mill_metric { const char *service, *port, *secret; struct mill_template path, user; struct mill_entry *labels; size_t n_labels; struct mill_mark mark; };
/* An item that collectors of `kind` get. */
struct mill_export { const char *kind; struct mill_entry *values; size_t n_values; struct mill_mark mark; };
/* user_key and password_key (may be NULL) name the provides keys that the consumer's own user name
 * and generated password replace: s3's access_key and secret_key. user_suffix (may be NULL) follows its name and a dash. */
struct mill_provision { const char *capability; struct mill_hook hook; const char *user_key, *user_suffix, *password_key; struct mill_mark mark; };

/* ---- charts: how a component runs by somebody else's Helm chart (docs/charts.md) ---- */
/* A template file of <component>/kubernetes/: values, or one object. */
struct mill_chart_file { const char *name; struct mill_when when; struct mill_mark mark; };
/* A Secret that must exist before the chart; without a key whose `when` holds there is none. */
struct mill_chart_secret { struct mill_template name; struct mill_entry *keys; size_t n_keys; struct mill_mark mark; };
/* Files of a component's folder as a ConfigMap: Grafana's dashboards. */
struct mill_chart_config_map {
	struct mill_template name;
	const char *component; /* whose folder; NULL: its own */
	const char *folder;
	const char **labels; size_t n_labels; /* key, value, key, value, ... */
	struct mill_mark mark;
};
/* What is waited for: deployment/NAME, crd/NAME, kafka.kafka.strimzi.io/NAME. */
struct mill_chart_ready { struct mill_template what; const char *condition; /* NULL: by its kind */ uint64_t timeout_ns; struct mill_when when; struct mill_mark mark; };
/* Where one of the component's services is found when the chart made it. */
struct mill_chart_port { const char *name; uint16_t number; struct mill_mark mark; };
struct mill_chart_service { const char *service; struct mill_template name; struct mill_chart_port *ports; size_t n_ports; struct mill_mark mark; };
/* Dotted places in the chart's values for what a platform may set: storage_class, storage, ... */
struct mill_chart_path { const char *what; const char **places; size_t n_places; struct mill_mark mark; };
/* What `down` does beside scaling workloads: part of an object to apply, or something to delete that the operator makes again. */
struct mill_chart_stop { struct mill_chart_file file; struct mill_template remove /* n 0: the file */, selector /* n 0: by name */; struct mill_mark mark; };
struct mill_chart {
	const char *repository, *name, *version, *app_version; /* all NULL: objects alone, or kustomize */
	const char *path;       /* or a chart of ours: its folder, absolute; NULL: none */
	const char *digest;     /* hex SHA-256 of the package; NULL: not verified yet */
	bool cluster;           /* of the cluster's layer: once, by an admin */
	struct mill_template release;       /* n 0: the component's release */
	struct mill_template own_namespace; /* n 0: the platform's; of the cluster's layer: data-mill-<component> */
	const char **kustomize; size_t n_kustomize; /* roots, in order, instead of a chart */
	const char **needs; size_t n_needs;         /* components of the cluster's layer */
	struct mill_chart_file *values; size_t n_values;
	struct mill_chart_file *objects; size_t n_objects;
	struct mill_chart_secret *secrets; size_t n_secrets;
	/* place in the values: a secret for which the chart knows no existing Secret; Helm stores it in its own */
	struct mill_entry *secret_values; size_t n_secret_values;
	struct mill_chart_config_map *config_maps; size_t n_config_maps;
	struct mill_chart_ready *ready; size_t n_ready;
	struct mill_chart_service *services; size_t n_services;
	struct mill_chart_path *paths; size_t n_paths;
	struct mill_chart_stop *stop; size_t n_stop;
	struct mill_template selector; /* of what an operator makes of `objects`: pods, claims; n 0: none */
	bool crds;              /* it brings CRDs, which Helm installs once and never upgrades */
	struct mill_mark mark;
};

struct mill_component {
	/* the manifest */
	const char *name, *title, *category, *summary, *homepage, *license, *version;
	const char *upstream_status, *upstream_note; /* NULL: maintained */
	const char *tested;     /* NULL: yes; else why not */
	bool native, kubernetes, alternative;
	bool is_environment;    /* a data-science environment, of environments/ */
	bool gpu;               /* of use only with a GPU */
	/* kubernetes: */
	const struct mill_node *kubernetes_node; /* NULL: says nothing */
	const char *deployment;    /* generic or chart: by default, or as the flavour says */
	const char *tested_generic, *tested_chart; /* started, dry-run, rendered; NULL: neither */
	const char *note_generic, *note_chart;     /* on what, and what was not tried; NULL: nothing to say */
	const char *main_service;  /* the Service with the release's name; NULL: not said */
	struct mill_entry *release_secret; size_t n_release_secret; /* keys of the Secret with the release's name */
	const struct mill_node *pod_options; /* the block's `kubernetes`, NULL: none */
	bool in_pods;           /* set by resolve: the target is a cluster */
	const char **kernels; size_t n_kernels; /* of an environment */
	const char *extends;    /* the environment that it builds on; NULL: none */
	struct mill_component *base; /* that one; NULL also when it is not known */
	const char *stands_in;  /* NULL: none */
	const char **includes; size_t n_includes;
	const char **default_for; size_t n_default_for;
	const char **collects; size_t n_collects;
	const char **toolchains; size_t n_toolchains;
	bool path_spaces;       /* its software bears spaces in paths */
	const struct mill_node *install; /* NULL: nothing to install */
	const struct mill_node *node;    /* whole manifest */
	const char *dir;        /* its folder, absolute */
	struct mill_capability *provides; size_t n_provides;
	struct mill_entry *environment; size_t n_environment;
	struct mill_requirement *requires; size_t n_requires; /* required and optional */
	struct mill_setting *settings; size_t n_settings;
	struct mill_secret_spec *secrets; size_t n_secrets;
	int data_format; int *data_accepts; size_t n_data_accepts; /* 0: none declared */
	struct mill_service *services; size_t n_services;
	struct mill_task *tasks; size_t n_tasks;
	struct mill_file *files; size_t n_files;
	struct mill_link *links; size_t n_links;
	struct mill_metric *metrics; size_t n_metrics;
	struct mill_export *exports; size_t n_exports;
	struct mill_provision *provisions; size_t n_provisions;
	struct mill_hook smoke, repo, backup, configure;
	struct mill_chart *charts; size_t n_charts; /* in order */
	uint64_t size_download, size_installed; double size_minutes; /* 0: unknown */
	/* from the flavour */
	const char *release;
	uint64_t memory_override; /* bytes, 0: none */
	const char *config_path;  /* configuration file in force, NULL: none */
	/* from selection and resolve */
	bool selected;
	const char *stands_for;   /* "pachyderm" when this is dvc in its place; NULL */
	const char *why;          /* "flavour", "-c", "needed by X (s3)", "in group Y" */
	struct mill_mark mark;    /* where it was named */
};

struct mill_budget { uint64_t bytes; double share; }; /* one of both, the other is 0 */
struct mill_project {
	const char *name;            /* k8s_namespace */
	int proxy_port;
	const char *flavour_path;    /* absolute; NULL when none */
	const char *flavour_name;    /* "datalake" */
	const char *data_folder, *data_bucket; /* absolute path or NULL: nothing to mirror */
	bool all;                    /* flavour: all; resolve selects, `selected` is empty after load */
	const char **only; size_t n_only;       /* -c: these and what they need; n 0: the whole flavour */
	const char **without; size_t n_without; /* project.without and --without; all of them known names */
	struct mill_map use;         /* capability or stood-in name -> component name */
	struct mill_budget memory, disk; /* unless said: 75 % of the machine's memory, half of the free disk */
	const char *target_path;     /* NULL: native by default */
	const char *location;        /* local remote hybrid */
	const char *provider;        /* native minikube microk8s multipass kind k3d aws gke kubeconfig */
	const struct mill_node *pod_options; /* project.kubernetes, NULL: none */
	const struct mill_node *target; /* merged section, may be NULL */
	const char *kubeconfig;         /* absolute path, NULL: none named */
	const char *context;            /* of the kubeconfig (hybrid), NULL: its current one */
	struct { const char *registry, *pull_secret, *mirror; } images; /* of the target; each NULL unless said */
	struct {
		bool mount;                                  /* on a cluster the data folder is a volume, too */
		uint64_t bytes;
		const char *storage_class; /* NULL: the cluster's default */
		const char *access;        /* as Kubernetes writes it */
	} data;                        /* of the target */
	struct mill_mark mark;
};

struct mill_model {
	struct mill_arena arena;
	struct mill_diags *diags;       /* borrowed from the caller */
	struct mill_project project;
	/*
	 * Every manifest found, by name: providers, groups and stand-ins are chosen among them,
	 * so they are all there, whatever the flavour names.
	 */
	struct mill_component **known;
	size_t n_known;
	/*
	 * After load: what the flavour names, as it names it (pachyderm, monitoring-stack), with
	 * `mark` and `why` set; -c names join them.  After mill_resolve(): what runs, providers
	 * before their consumers.
	 */
	struct mill_component **selected;
	size_t n_selected;
	/* private: documents that own nodes */
	struct mill_model_private *priv;
};

/* What the command line asked for. */
struct mill_model_request {
	const char *resources, *project;    /* folders: shipped, user's (may be NULL) */
	const char *flavour;                /* -f: path or name; NULL: default */
	const char *flavour_from;           /* who named it, for messages: "-f"; or NULL */
	const char *target;                 /* -t or NULL */
	const char *location;               /* "local", "remote", "hybrid" or NULL */
	const char *kubeconfig;             /* or NULL */
	const char *const *components;      /* -c: these only, NULL-terminated, or NULL */
	const char *const *without;         /* NULL-terminated or NULL */
	bool needed_only;                   /* for a plan: read no manifest that this flavour cannot need */
	bool all_manifests;                 /* parse every manifest (lists, validate), not only those needed */
};

/*
 * Loads everything.  Returns 0 even when files have errors: ask
 * mill_diags_errors(diags).  A negative errno means that not even that could
 * be done (no memory is never one of them).  The caller releases with
 * mill_model_free() in any case.
 */
int mill_model_load(const struct mill_model_request *r, struct mill_diags *diags,
		    struct mill_model **ret, struct mill_error *err);
struct mill_model *mill_model_free(struct mill_model *m);
/* What an environment is called here: scipy-notebook (Jupyter's image) is scipy, python_env python-env; owned. */
char *mill_environment_name(const char *name);
struct mill_component *mill_model_find(const struct mill_model *m, const char *name);
/* The path of a file that a hook or command of the component names: its own, else the one that all hooks share; owned. */
char *mill_model_component_file(const struct mill_model *m, const struct mill_component *c, const char *name);
/* One manifest alone, as `component validate` does; NULL with errors in diags. */
struct mill_component *mill_model_load_manifest(struct mill_model *m, const char *name, const char *dir);
/* The recipe of docs/internals/install.md as JSON, a new reference; NULL when nothing is installed. */
struct json_t;
struct json_t *mill_component_recipe(const struct mill_component *c);
/* JSON Schemas for editors ("flavour", "manifest", "target", "config"), from the tables that check the files. */
int mill_schema_json(const char *which, struct mill_strbuf *out);

/*
 * The template in a scalar of a tree (struct mill_file's `value`), which was checked when it was
 * loaded: mistakes are not reported again.  Parts live in `arena`.
 */
struct mill_template mill_template_of(struct mill_arena *arena, const struct mill_node *scalar);
/*
 * After binding: every ${capability.key} must be among the keys of the bound provider (or the
 * requirement's parameters), and no secret may reach a command, probe or link through one.  Resolve
 * calls it last; problems go to the model's diags.
 */
void mill_model_check_bound(struct mill_model *m);

/* How a chart's Service for one of the component's services is called and numbered; NULL: not said, or not by chart. */
const struct mill_chart_service *mill_component_chart_service(const struct mill_component *c, const char *name);
struct mill_service *mill_component_service(const struct mill_component *c, const char *name);
struct mill_setting *mill_component_setting(const struct mill_component *c, const char *name);
struct mill_port *mill_service_port(const struct mill_service *s, const char *name);
bool mill_when_holds(const struct mill_when *w, const struct mill_component *c); /* after resolve */

#endif
