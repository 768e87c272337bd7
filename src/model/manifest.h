/*
 * From a checked manifest tree to struct mill_component.  Everything is
 * allocated in the reader's arena; texts are borrowed from the document.
 */
#ifndef MILL_MODEL_MANIFEST_H
#define MILL_MODEL_MANIFEST_H

#include "model/read.h"

/* Checks the tree against the table and reads it.  `folder` is the name its `name` must have. */
/* The name of the manifest in a component's or an environment's folder. */
const char *mill_manifest_file(const char *dir);
struct mill_component *mill_manifest_read(struct mill_reader *r, const struct mill_node *root,
					  const char *folder, const char *dir);

void mill_manifest_read_service(struct mill_reader *r, struct mill_component *c,
				const struct mill_pair *pair, struct mill_service *s);
void mill_manifest_read_files(struct mill_reader *r, const struct mill_component *c,
			      const struct mill_node *map, struct mill_file **ret, size_t *ret_n);
/* capabilities, settings, secrets, tasks, hooks, links, metrics */
void mill_manifest_read_parts(struct mill_reader *r, const struct mill_node *root,
			      struct mill_component *c);
/* After the services. */
void mill_manifest_read_kubernetes(struct mill_reader *r, const struct mill_node *root, struct mill_component *c);
void mill_manifest_read_settings(struct mill_reader *r, const struct mill_node *map,
				 struct mill_component *c);

/*
 * What no table says: names that must exist, secrets where none may be,
 * literal addresses, files that must be there.  `m` knows the other manifests
 * (may be NULL).  A strict reader (component validate) also reports as errors what a
 * platform can do without: a missing lock, a key that only some providers have.
 */
void mill_manifest_check(struct mill_reader *r, const struct mill_model *m,
			 const struct mill_component *c);
/* Every template of the component, in its place: check.c and mill_model_check_bound(). */
struct mill_scope;
void mill_manifest_check_templates(const struct mill_scope *scope);
/*
 * Ties an environment to the one that it extends (environment.c); what is found wrong is an error at its place.
 * All of `m` are read, or it and its bases.
 */
void mill_environment_link(struct mill_reader *r, const struct mill_model *m, struct mill_component *c);
/* Locks and hook files (check_files.c). */
void mill_manifest_check_files(struct mill_reader *r, const struct mill_component *c);

/* `kubernetes.chart` (manifest_chart.c); `kubernetes` may be NULL. */
void mill_manifest_read_charts(struct mill_reader *r, const struct mill_node *kubernetes, struct mill_component *c);
/* What no table says of them (check_chart.c); their templates, too. */
void mill_manifest_check_charts(struct mill_reader *r, const struct mill_model *m, const struct mill_component *c);
void mill_manifest_check_chart_templates(const struct mill_scope *scope);
/*
 * A template file of <component>/kubernetes/, its names checked; the document is the caller's, NULL with a
 * reason in r->diags.  Files are read when somebody needs them: `component validate`, and the chart's rendering.
 */
struct mill_document;
struct mill_document *mill_manifest_load_chart_file(struct mill_reader *r, const struct mill_model *m, const struct mill_component *c, const struct mill_chart_file *f, bool object);

#endif
