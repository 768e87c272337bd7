/*
 * Rendering: a resolved model becomes values (docs/internals/state.md): every
 * ${group.name} is replaced, secrets stay names.
 *
 * Order matters and is the model's: providers are rendered before those who
 * read `${s3.endpoint}`.  mill_render_new() settles what is shared (store
 * entries, ports, what everybody provides and requires, what is collected); the
 * rest is asked for one thing at a time.  Mistakes that only show here (a
 * capability's key that the provider lacks, a secret that would land in a
 * command) go to the model's diags, at their place.
 *
 *	struct mill_render *r;
 *	if (mill_render_new(model, platform, host, &r, err) < 0) ...
 *	json_t *spec = mill_render_service(r, component, service);
 *	mill_render_free(r);
 *
 * Everything lives on the model's arena or in JSON; returned JSON is the
 * caller's unless a comment says borrowed.
 */
#ifndef MILL_SPEC_RENDER_H
#define MILL_SPEC_RENDER_H

#include "plan/host.h"
#include "model/model.h"

struct mill_bound { /* a requirement of a component, rendered */
	const struct mill_requirement *requirement;
	json_t *parameters;  /* {key: value} */
	json_t *values;      /* {key: value}: what ${capability.key} gives */
	json_t *credentials; /* {key: value} that the provider is to set up for it; NULL: none */
	const struct mill_provision *provision; /* the provider's, NULL: nothing to make */
};

struct mill_rendered { /* a component */
	struct mill_component *component;
	const char *folder;      /* <platform>/components/<name> */
	json_t *recipe;          /* NULL: nothing to install */
	const char *key, *store; /* store entry and its path; NULL with recipe */
	json_t *entries;         /* array: the store entries that its processes use */
	const char *path;        /* PATH of its processes */
	json_t *provides;        /* {capability: {key: value}} */
	struct mill_bound *bound;
	size_t n_bound;          /* only those that have a provider */
	const char *image;       /* "name:tag"; NULL: it has none, or nothing runs in pods */
	json_t *exports;         /* {kind: [..]}: what it offers to collectors; its values may hold secrets */
	json_t *collected;       /* {name: [..]} */
};

struct mill_render_install { /* a store entry that the flavour needs */
	const char *name, *key;
	const struct mill_component *component; /* NULL: shared (a tool chain, the hooks' tools) */
	json_t *recipe;
};

struct mill_render_options {
	json_t *kept;    /* {component: record} of what runs outside the flavour, or NULL: what it exports is still collected */
	bool move_ports; /* a recorded port that a stranger holds is given up */
};

struct mill_render {
	struct mill_model *model;
	struct mill_platform *platform;
	const struct mill_plan_host *host;
	struct mill_rendered *components; /* as model->selected */
	size_t n;
	struct mill_map by_name;
	struct mill_render_install *installs; /* each key once */
	size_t n_installs, cap_installs;
	struct mill_map install_keys, toolchains;
	const char *tools;                    /* path of the hooks' Python; NULL: none */
	const char *tools_key;
	struct mill_render_options options;
	json_t *ports_moved;                  /* [{key, from, to}] */
};

/* Assigns ports into p->ports; p->memory must be fitted already. */
int mill_render_new(struct mill_model *m, struct mill_platform *p, const struct mill_plan_host *host,
		    const struct mill_render_options *o, struct mill_render **ret, struct mill_error *err);
struct mill_render *mill_render_free(struct mill_render *r);
struct mill_rendered *mill_render_find(const struct mill_render *r, const char *component);

#define MILL_CHART_UNIT "chart" /* what the whole of a component by chart is called where services are: "kafka.chart" */

/* Ids of what comes before: own siblings (s; NULL: none), and every service of every provider. */
json_t *mill_render_after(struct mill_render *r, struct mill_rendered *c, const struct mill_service *s);
/* The service spec with its fingerprints. */
json_t *mill_render_service(struct mill_render *r, struct mill_rendered *c, const struct mill_service *s);
/* The component's record (docs/internals/engine.md). */
json_t *mill_render_record(struct mill_render *r, struct mill_rendered *c);
/* {"command": [..], "timeout_ms": n, "digest": hex of its file}; NULL when there is no such hook. */
json_t *mill_render_hook(struct mill_render *r, struct mill_rendered *c, const struct mill_hook *h);
/* What pods need beside (render_pod.c): the spec's `pod`, and what a component's image is made of. */
json_t *mill_render_pod(struct mill_render *r, struct mill_rendered *c, const struct mill_service *s);
/* Bytes of the volume that its pod gets; what the cluster makes may be larger. */
uint64_t mill_render_volume(const struct mill_render *r, const struct mill_component *c, const struct mill_service *s);
json_t *mill_render_image(struct mill_render *r, struct mill_rendered *c);
/* Do its hooks or services run in the tools' environment? */
bool mill_render_uses_tools(const struct mill_component *c);
/* A TASK's data (docs/internals/engine.md) with its fingerprint. */
json_t *mill_render_task(struct mill_render *r, struct mill_rendered *c, const struct mill_task *t);
/* {file, ..} as in a spec: path "config/NAME", content a value. */
json_t *mill_render_files(struct mill_render *r, struct mill_rendered *c, const struct mill_service *s,
			  const struct mill_file *files, size_t n);
/*
 * What users' code gets, of all selected components; where several set a
 * name, the one that the flavour would bind wins.
 */
json_t *mill_render_environment(struct mill_render *r);

#endif
