/*
 * A component by its upstream's Helm chart: what to apply before it, what to
 * hand to it, what to apply beside it, and the words for helm.  Nothing here
 * runs a program or talks to a cluster: the caller does, with what it gets.
 *
 * Order of a release
 *   1. secrets, then objects without a kind of the chart's own (ConfigMaps):
 *      kubectl apply --server-side -f -, from standard input
 *   2. the package: found in a folder, or pulled there; checked against the
 *      manifest's digest; then helm upgrade --install with the values file
 *   3. objects (they may be of kinds that the chart's CRDs define)
 *   4. what is in `ready`
 *
 *	struct mill_chart_release rel;
 *	if (mill_chart_render(r, rendered, &component->charts[i], NULL, &rel, err) < 0) ...   also: diags of the model
 *	mill_chart_secrets_text(&rel, &where, resolve, arg, &text, err);    -> kubectl's standard input, wiped after
 *	mill_chart_package_get(&helm, rel.chart, folder, run, arg, &package, err);   found there, or pulled by `run`
 *	mill_chart_hand_over(&rel, resolve, arg, &values, err);             in memory; what only a chart's values can say, too
 *	mill_chart_argv_upgrade(&helm, &rel, package, values.path, &argv);  -> run it with keep_fds
 *	mill_chart_objects_text(&rel, &where, &text, err);                  -> kubectl's standard input
 *	mill_chart_release_free(&rel);
 *
 * Invariants
 *   - No secret is in values or objects: one that would get there is an error
 *     at its place in the template.  It is in `secrets`, by name and version,
 *     until mill_chart_secrets_text() asks for its value.
 *   - Rendering the same model twice gives the same bytes; the fingerprint is
 *     of all that the release is made of.
 */
#ifndef MILL_CHART_CHART_H
#define MILL_CHART_CHART_H

#include <jansson.h>

#include "spec/render.h"

#define MILL_CHART_PACKAGE_MAX ((size_t)32 << 20) /* one packaged chart */
#define MILL_CHART_TEXT_MAX ((size_t)8 << 20)     /* values, or all objects of a release */

struct mill_chart_ready_item {
	char *what;      /* "deployment/kafka" */
	char *condition; /* NULL: what the kind calls ready */
	uint64_t timeout_ns;
};

struct mill_chart_release {
	const struct mill_component *component;
	const struct mill_chart *chart;
	char *name;           /* of Helm's release */
	char *own_namespace;  /* NULL: the platform's */
	json_t *values;       /* object; NULL where there is no chart to hand it to */
	json_t *secrets;      /* [{"name": .., "keys": {key: value}}]; values as in a spec: may name secrets */
	json_t *secret_values; /* {place: value}: for charts that know no existing Secret; never in `values` */
	char *secret_values_path; /* where mill_chart_hand_over() put them; NULL: nowhere */
	json_t *objects;      /* [object], ConfigMaps first */
	json_t *stop;         /* what `down` does where scaling is not enough: [{"apply": object} or {"delete": "KIND/NAME" or "KIND", "selector"}] */
	char *selector;       /* labels of the pods and claims that an operator makes of the objects; NULL: none */
	struct mill_chart_ready_item *ready;
	size_t n_ready;
	char fingerprint[65]; /* hex SHA-256 */
};

/*
 * What the platform lays over a manifest's values; all may be NULL.  The component's and the project's
 * `kubernetes:` of the flavour are applied to the places that the manifest's `paths` name.
 */
struct mill_chart_options {
	const json_t *values;         /* an object, merged last */
	const char *image_registry;   /* a mirror of all images */
	const char *const *pull_secrets; /* names, NULL-terminated */
};

/*
 * Renders one chart of a component.  -EINVAL when something was wrong: the model's diags say what and where.
 * The caller releases in any case.
 */
int mill_chart_render(struct mill_render *r, struct mill_rendered *c, const struct mill_chart *chart,
		      const struct mill_chart_options *o, struct mill_chart_release *ret, struct mill_error *err);
void mill_chart_release_free(struct mill_chart_release *rel);
#define _cleanup_chart_release_ __attribute__((cleanup(mill_chart_release_free)))

/*
 * A release as a record holds it (secrets by name), and what is read back from there: `release` borrows from it and from
 * the JSON.  {"release", "repository", "chart", "version", "digest", "path", "values", "secrets", "secret_values", "objects",
 * "stop", "selector", "ready": [{"what", "condition", "timeout_s"}], "needs", "fingerprint"}
 */
json_t *mill_chart_release_json(const struct mill_chart_release *rel);
struct mill_chart_recorded {
	struct mill_component component; /* only its name */
	struct mill_chart chart;         /* only where it comes from */
	struct mill_chart_release release;
};
void mill_chart_recorded_open(const json_t *one, const char *component, struct mill_chart_recorded *ret);
void mill_chart_recorded_close(struct mill_chart_recorded *c);
#define _cleanup_chart_recorded_ __attribute__((cleanup(mill_chart_recorded_close)))

/*
 * A host for rendering alone, away from any cluster: pods, ports as the manifests prefer them, every secret in its
 * first version, no store.  `charts values` and tests use it; a plan has its own.
 */
struct mill_plan_host;
void mill_chart_host_init(struct mill_plan_host *h, struct mill_platform *p);

/* What the labels on our own objects say; managed_by is "data-mill" unless set. */
struct mill_chart_where {
	const char *name_space; /* NULL: objects say none, and kubectl's --namespace counts */
	const char *platform;
	const char *managed_by;
	const json_t *labels;   /* more of them; NULL: none */
	const char *layer; /* data-mill.io/layer; NULL: of no layer */
};

/* Text of a value that may name secrets, appended.  Used where a Secret's text is made, nowhere else. */
typedef int mill_chart_resolve_fn(void *arg, const json_t *value, struct mill_strbuf *out, struct mill_error *err);

/* One JSON List of Secrets; empty text when there are none.  The caller wipes it (mill_chart_text_wipe). */
int mill_chart_secrets_text(const struct mill_chart_release *rel, const struct mill_chart_where *w,
			    mill_chart_resolve_fn *resolve, void *arg, struct mill_strbuf *out, struct mill_error *err);
void mill_chart_text_wipe(struct mill_strbuf *text);
/* The objects with labels, a new list. */
json_t *mill_chart_objects(const struct mill_chart_release *rel, const struct mill_chart_where *w);
/* One JSON List of objects; empty text when there are none. */
int mill_chart_objects_text(const struct mill_chart_release *rel, const struct mill_chart_where *w, struct mill_strbuf *out,
			    struct mill_error *err);
/* Values as JSON, which Helm reads as the YAML that it is. */
void mill_chart_values_text(const struct mill_chart_release *rel, struct mill_strbuf *out);
/*
 * Values, and a second file of what is in `secret_values`, in memory, for helm alone: fds that it inherits (keep_fds) and opens
 * as /dev/fd/N, as often as it likes.  Nothing of them is left when both processes have ended, in whatever way.
 * rel->secret_values_path is set where there are such; the argv of template and upgrade then name it.
 */
struct mill_chart_handed {
	int fds[2]; /* owned, CLOEXEC */
	size_t n_fds;
	char *path; /* of the values */
};
#define MILL_CHART_HANDED_INIT {.fds = {-1, -1}}
int mill_chart_hand_over(struct mill_chart_release *rel, mill_chart_resolve_fn *resolve, void *arg, struct mill_chart_handed *ret,
			 struct mill_error *err);
void mill_chart_handed_release(struct mill_chart_handed *h);

/* ---- places in values (paths.c) ---- */
/* Sets a.b[0].c, making what is missing; a dot in a key is "\.".  Takes `value`.  -EINVAL: the place is of another kind. */
int mill_chart_set(json_t *values, const char *place, json_t *value, struct mill_error *err);
/* Objects key by key; anything else of `over` replaces. */
void mill_chart_merge(json_t *into, const json_t *over);

/* ---- packages (package.c) ---- */
/*
 * NAME-VERSION.tgz in a folder, compared with the manifest's digest; owned.  -ENOENT: not there; -EBADMSG: it is
 * another one than the manifest says.
 */
int mill_chart_package_find(const char *folder, const struct mill_chart *chart, char **ret, struct mill_error *err);
/* Runs helm with these words to its end. */
typedef int mill_chart_run_fn(void *arg, struct mill_strv *argv, struct mill_error *err);
struct mill_chart_helm;
/* helm pull: NAME-VERSION.tgz in `folder`, whole or not at all. */
int mill_chart_package_pull(const struct mill_chart_helm *h, const struct mill_chart *chart, const char *folder,
			    mill_chart_run_fn *run, void *arg, struct mill_error *err);
/* Found in the folder, or pulled there; owned. */
int mill_chart_package_get(const struct mill_chart_helm *h, const struct mill_chart *chart, const char *folder,
			   mill_chart_run_fn *run, void *arg, char **ret, struct mill_error *err);
/* ---- digests in manifests (lock.c) ---- */
/* Writes the digest (hex) of the component's chart `index` into its component.yaml; where several change, the last one first. */
int mill_chart_lock(const struct mill_component *c, size_t index, const char *digest, struct mill_error *err);

/* ---- words for helm and kubectl (helm.c) ---- */
struct mill_chart_helm {
	const char *helm, *kubectl;      /* programs */
	const char *kubeconfig, *context; /* NULL: theirs */
	const char *name_space;          /* of the platform */
	unsigned timeout_s;              /* of an upgrade; 0: 600 */
	bool wait;                       /* --wait and rollback on failure; else the caller waits */
	bool skip_crds;                  /* the cluster's layer has them */
};
/* Each fills an empty argv, ready for mill_run. */
/* helm pull into a folder: from a repository's URL or a registry, nothing added to the user's own list. */
void mill_chart_argv_pull(const struct mill_chart_helm *h, const struct mill_chart *chart, const char *folder,
			  struct mill_strv *argv);
/* What would be applied, CRDs too unless skip_crds.  (`helm show crds` runs files together without a separator.) */
void mill_chart_argv_template(const struct mill_chart_helm *h, const struct mill_chart_release *rel, const char *package,
			      const char *values, struct mill_strv *argv);
void mill_chart_argv_upgrade(const struct mill_chart_helm *h, const struct mill_chart_release *rel, const char *package,
			     const char *values, struct mill_strv *argv);
void mill_chart_argv_uninstall(const struct mill_chart_helm *h, const struct mill_chart_release *rel, struct mill_strv *argv);
/* What the release's hooks make: helm prints it, and never removes what a hook left. */
void mill_chart_argv_hooks(const struct mill_chart_helm *h, const struct mill_chart_release *rel, struct mill_strv *argv);
/* kubectl kustomize ROOT: prints what to apply. */
void mill_chart_argv_kustomize(const struct mill_chart_helm *h, const char *root, struct mill_strv *argv);
/* "helm upgrade minio: ..." cut to what helps: the line after "Error:"; owned. */
char *mill_chart_reason(const char *output);

#endif
