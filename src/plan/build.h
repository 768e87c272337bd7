/* Inside plan/ only: a plan while it is made. */
#ifndef MILL_PLAN_BUILD_H
#define MILL_PLAN_BUILD_H

#include "plan/fit.h"
#include "plan/internal.h"
#include "spec/render.h"

/* A set of action ids; small, kept in the order of arrival. */
struct mill_ids {
	unsigned *items;
	size_t n, cap;
};
void mill_ids_add(struct mill_ids *set, unsigned id);
void mill_ids_union(struct mill_ids *set, const struct mill_ids *other);

/* A component on its way into the plan; same index as model->selected. */
struct mill_planned {
	struct mill_rendered *rendered;
	bool wanted;            /* actions may be planned for it (-c, options.only) */
	bool absent;            /* start_only, and its software is not there (or a provider's is not) */
	struct mill_ids before; /* what everything of it comes after: providers, provisions, software */
	struct mill_ids ready;  /* what its consumers come after */
};

struct mill_build {
	struct mill_plan *plan;
	struct mill_model *m;
	struct mill_platform *p;
	const struct mill_plan_host *host;
	const struct mill_plan_options *o;
	struct mill_render *r;
	struct mill_planned *components;
	size_t n;
	size_t cap_actions, cap_notes;
	struct mill_map installs;  /* store key -> action id + 1 */
	struct mill_map services;  /* id of every service that the flavour runs */
	struct mill_map stops;     /* service id -> action id + 1 */
	json_t *tasks;             /* what desired.json says is done, borrowed */
	double seconds;
	bool seconds_known;
};

/* The component as it is planned; NULL: the flavour has none of that name. */
struct mill_planned *mill_build_planned(struct mill_build *b, const char *component);
/* after is copied; reason by format; data is taken over (may be NULL). */
unsigned mill_build_action(struct mill_build *b, enum mill_action_kind kind, const char *component, const char *name,
			   const struct mill_ids *after, json_t *data, const char *reason, ...) MILL_PRINTF(7, 8);
void mill_build_note(struct mill_build *b, const char *kind, const char *fmt, ...) MILL_PRINTF(3, 4);
/* Is this task, provision or hook recorded as done with this fingerprint? */
bool mill_build_is_done(const struct mill_build *b, const char *id, const char *fingerprint, bool *ret_known);

/* diff.c: all actions, components in order. */
void mill_diff(struct mill_build *b);
/* diff_service.c: one component's services and tasks; of a component by chart its unit. */
void mill_diff_services(struct mill_build *b, struct mill_planned *c);
void mill_diff_unit(struct mill_build *b, struct mill_planned *c, json_t *spec);
/* diff_chart.c: it runs by its upstream's chart, not by ours. */
bool mill_by_chart(const struct mill_build *b, const struct mill_component *c);
/* The spec of its one unit, and what of the record is otherwise for a chart; NULL: nothing of the namespace's layer. */
json_t *mill_diff_chart(struct mill_build *b, struct mill_planned *c, json_t *record);
/* STOPs, which ask, of what ran the other way (generic or chart). */
void mill_diff_deployment(struct mill_build *b, struct mill_planned *c, const json_t *record);
/* "chart minio 0.13.3 -> 0.13.4, values of minio changed" */
char *mill_change_describe_charts(const json_t *old_spec, const json_t *new_spec);
/* Services that run and that nothing wants any more; STOPs with --prune, else notes. */
void mill_diff_leftovers(struct mill_build *b);
/* diff_data.c: the data folder into the lake, and into the volume that pods mount. */
void mill_diff_data(struct mill_build *b);
/* desired.c */
json_t *mill_desired_make(const struct mill_build *b);
/* Ids recorded as wanted up whose component the flavour does not name. */
void mill_desired_kept(const struct mill_model *m, const struct mill_platform *p, struct mill_strv *ret);
/* change.c: "port api 9000 -> 9002, environment X changed"; "" when nothing that restarts differs. */
char *mill_change_describe(const json_t *old_spec, const json_t *new_spec);
/* What differs beside that ("readiness, stop changed"); "" when nothing. */
char *mill_change_describe_rest(const json_t *old_spec, const json_t *new_spec);
/* Which files that reload covers differ. */
char *mill_change_describe_reload(const json_t *old_spec, const json_t *new_spec);
/* version.c: <0, 0, >0; numbers as numbers, "1.10" after "1.9". */
int mill_version_compare(const char *a, const char *b);
/* Refuses data that this version of the component must not touch; reports to the model's diags. */
void mill_version_check_data(struct mill_build *b, const struct mill_component *c, const char *id);

#endif
