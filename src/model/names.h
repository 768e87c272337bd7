/*
 * What ${group.name} may name in which place, and which values are tainted by
 * a secret.  Used by the checks of a manifest and, once providers are bound,
 * by mill_model_check_bound().
 */
#ifndef MILL_MODEL_NAMES_H
#define MILL_MODEL_NAMES_H

#include "model/read.h"

enum mill_place {
	MILL_PLACE_COMMAND,
	MILL_PLACE_PATH, /* cwd, writes */
	MILL_PLACE_ENVIRONMENT,
	MILL_PLACE_FILE,
	MILL_PLACE_PROVIDES,
	MILL_PLACE_PROBE,
	MILL_PLACE_LINK,
	MILL_PLACE_METRIC,
	MILL_PLACE_PARAMETER,
	MILL_PLACE_HOOK,
	MILL_PLACE_CHART,  /* values, objects, names of a chart */
	MILL_PLACE_SECRET, /* what a Secret holds */
};

/* Where a template stands. */
struct mill_scope {
	struct mill_reader *r;
	const struct mill_model *model; /* whose known manifests tell a capability's keys; may be NULL */
	const struct mill_component *component;
	const struct mill_service *service; /* NULL: none */
	enum mill_place place;
	const struct mill_when *guards[3]; /* conditions that hold here; NULL ends them */
	bool strict; /* a key that only some providers have is an error */
	bool bound;  /* only capabilities, against their bound provider */
};

void mill_names_check(const struct mill_scope *scope, const struct mill_template *t);
/* All scalars of a tree. */
void mill_names_check_tree(const struct mill_scope *scope, const struct mill_node *node);
void mill_names_check_when(const struct mill_scope *scope, const struct mill_when *w);
/* True when the value holds a secret, also through what it takes from others. */
bool mill_names_tainted(const struct mill_model *m, const struct mill_component *provider,
			const char *capability, const char *key);
/* A word that no capability may have as its name: it is a group of its own. */
bool mill_names_is_group(const char *word);

#endif
