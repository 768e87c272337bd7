/*
 * Selection: stand-ins, groups, `all`, `without`, -c; then every requirement
 * is bound, which may add components, until nothing changes.
 */
#include "plan/resolve.h"

#include "base/map.h"
#include "plan/graph.h"
#include "plan/internal.h"

struct resolver {
	struct mill_model *m;
	struct mill_map known;  /* name -> component */
	struct mill_map listed; /* what the flavour means: counts as selected when a provider is chosen */
	struct mill_map active; /* what will run, in the order in which it was found */
	struct mill_map without;
	struct mill_map groups; /* being expanded or done: a group in itself is not an endless one */
};

struct mill_capability *mill_component_provides(const struct mill_component *c, const char *capability)
{
	for (size_t i = 0; i < c->n_provides; i++)
		if (mill_streq(c->provides[i].name, capability))
			return &c->provides[i];
	return NULL;
}

static bool is_default_for(const struct mill_component *c, const char *capability)
{
	for (size_t i = 0; i < c->n_default_for; i++)
		if (mill_streq(c->default_for[i], capability))
			return true;
	return false;
}

/* ---- expansion ---- */

static bool is_pure_group(const struct mill_component *c)
{
	return c->n_includes && !c->n_services && !c->install && !c->n_provides && !c->n_files;
}

/* `use: {versioning: dvc}` says it, too: where dvc is asked for what it provides, it comes for whom it stands in. */
static bool is_asked_for(const struct resolver *r, const char *name)
{
	const struct mill_component *c = mill_map_get(&r->known, name);

	for (size_t i = 0; c && i < c->n_provides; i++)
		if (mill_streq(mill_map_get(&r->m->project.use, c->provides[i].name), name))
			return true;
	return false;
}

/* On a cluster, too, the stand-in is the default where it runs there and nobody has seen the component itself run. */
static bool runs_here(struct resolver *r, const struct mill_component *c)
{
	const struct mill_component *other = mill_map_get(&r->known, c->stands_in);

	if (mill_plan_is_native(r->m))
		return c->native;
	return mill_streq(c->tested_chart, "started") || mill_streq(c->tested_generic, "started") || !other || !other->kubernetes;
}

/* Who comes in place of a component that has a stand-in; the component itself when nobody does. */
static struct mill_component *substitute(struct resolver *r, struct mill_component *c)
{
	const char *name = NULL;
	struct mill_component *other;

	if (!c->stands_in)
		return c;
	name = mill_map_get(&r->m->project.use, c->name);
	if (!name && (!runs_here(r, c) || is_asked_for(r, c->stands_in)))
		name = c->stands_in;
	if (!name || mill_streq(name, c->name))
		return c;
	other = mill_map_get(&r->known, name);
	if (!other) {
		mill_diag_error(r->m->diags, c->mark, "'%s' cannot stand in for '%s': there is no such component",
				 name, c->name);
		return NULL;
	}
	other->stands_for = c->name;
	return other;
}

static void take(struct resolver *r, struct mill_map *into, struct mill_component *c,
		 const struct mill_mark *mark, const char *why)
{
	if (mill_map_has(into, c->name))
		return;
	if (!c->selected) { /* the first one to name it explains it */
		c->selected = true;
		c->why = why;
		c->mark = *mark;
	}
	mill_map_set(into, c->name, c);
}

/* Puts what `name` means into `into`: its stand-in, the members of a group. */
static void expand(struct resolver *r, struct mill_map *into, struct mill_component *c,
		   const struct mill_mark *mark, const char *why, bool quiet)
{
	struct mill_mark at = *mark;

	if (mill_map_has(&r->without, c->name))
		return;
	c = substitute(r, c);
	if (!c || mill_map_has(&r->without, c->name))
		return;
	if (c->n_includes && !mill_map_has(&r->groups, c->name)) {
		const char *member_why = mill_arena_printf(&r->m->arena, "in group %s", c->name);

		mill_map_set(&r->groups, c->name, c);
		for (size_t i = 0; i < c->n_includes; i++) {
			struct mill_component *member = mill_map_get(&r->known, c->includes[i]);

			if (member)
				expand(r, into, member, &at, member_why, quiet);
			else
				mill_diag_error(r->m->diags, c->mark, "group '%s' includes '%s', which cannot be used",
						 c->name, c->includes[i]);
		}
		mill_map_remove(&r->groups, c->name);
	}
	if (is_pure_group(c))
		return;
	if (!mill_plan_runs_here(r->m, c)) {
		if (!quiet)
			mill_diag_error(r->m->diags, at, "'%s' does not run %s, and nothing stands in for it",
					 c->name, mill_plan_is_native(r->m) ? "natively" : "on Kubernetes");
		return;
	}
	take(r, into, c, &at, why);
}

static void expand_all(struct resolver *r, struct mill_map *into)
{
	struct mill_model *m = r->m;

	for (size_t i = 0; i < m->n_known; i++) {
		struct mill_component *c = m->known[i];

		if (!c->alternative && !c->is_environment && !is_pure_group(c))
			expand(r, into, c, &m->project.mark, "flavour", true);
	}
	/* What the user chose as a provider is wanted, alternative or not. */
	for (size_t i = 0; i < m->project.use.n; i++) {
		struct mill_component *c = mill_map_get(&r->known, m->project.use.entries[i].value);

		if (c)
			expand(r, into, c, &m->project.mark, "flavour", true);
	}
}

/* ---- binding ---- */

static bool in_selection(const struct resolver *r, const struct mill_component *c)
{
	return mill_map_has(&r->active, c->name) || mill_map_has(&r->listed, c->name);
}

struct choice {
	struct mill_component *provider;
	bool missing;     /* the one that project.use names does not do */
	size_t n_selected; /* selected providers */
	char *candidates; /* "a, b" of those that could; owned */
};

/* Counts and lists providers; picks by: use, selected default, only selected, known default. */
static struct choice choose(struct resolver *r, const struct mill_component *consumer, const char *capability)
{
	struct choice ch = {0};
	struct mill_model *m = r->m;
	struct mill_component *only = NULL, *known_default = NULL, *selected_default = NULL;
	const char *use = mill_map_get(&m->project.use, capability);
	_cleanup_strbuf_ struct mill_strbuf names = MILL_STRBUF_INIT;

	for (size_t i = 0; i < m->n_known; i++) {
		struct mill_component *c = m->known[i];
		bool selected;

		if (c == consumer || !mill_component_provides(c, capability) ||
		    mill_map_has(&r->without, c->name) || !mill_plan_runs_here(m, c))
			continue;
		mill_strbuf_printf(&names, "%s%s", names.len ? ", " : "", c->name);
		if (use && mill_streq(use, c->name))
			ch.provider = c;
		selected = in_selection(r, c);
		if (selected) {
			ch.n_selected++;
			only = c;
		}
		if (is_default_for(c, capability)) {
			known_default = known_default ? known_default : c;
			if (selected && !selected_default)
				selected_default = c;
		}
	}
	ch.candidates = mill_strbuf_steal(&names);
	if (use) {
		ch.missing = !ch.provider;
		return ch;
	}
	ch.provider = selected_default ? selected_default : ch.n_selected == 1 ? only : known_default;
	return ch;
}

static void explain_unbound(struct resolver *r, const struct mill_component *c,
			    const struct mill_requirement *q, const struct choice *ch)
{
	struct mill_diags *d = r->m->diags;
	const char *use = mill_map_get(&r->m->project.use, q->capability);
	const char *left_out = NULL;

	for (size_t i = 0; i < r->m->n_known; i++)
		if (mill_component_provides(r->m->known[i], q->capability) &&
		    mill_map_has(&r->without, r->m->known[i]->name))
			left_out = r->m->known[i]->name;
	if (ch->missing)
		mill_diag_error(d, r->m->project.mark,
				 "project.use: '%s' does not provide %s, which '%s' needs (%s)", use,
				 q->capability, c->name,
				 ch->candidates[0] ? ch->candidates : "nobody does");
	else if (strchr(ch->candidates, ','))
		mill_diag_hint(mill_diag_error(d, c->mark, "'%s' needs %s, and nothing decides between %s", c->name,
					       q->capability, ch->candidates),
			       "choose with project.use: {%s: NAME}", q->capability);
	else if (ch->candidates[0])
		mill_diag_hint(mill_diag_error(d, c->mark, "'%s' needs %s, which only '%s' provides, and not by default",
					       c->name, q->capability, ch->candidates),
			       "add %s to the flavour, or say project.use: {%s: %s}", ch->candidates, q->capability,
			       ch->candidates);
	else if (left_out)
		mill_diag_error(d, c->mark, "'%s' needs %s, and its provider '%s' is left out (without)",
				 c->name, q->capability, left_out);
	else
		mill_diag_error(d, q->mark, "'%s' needs %s, which no component provides here", c->name,
				 q->capability);
}

static void bring(struct resolver *r, struct mill_component *provider, const struct mill_component *consumer,
		  const char *capability)
{
	const char *why = mill_arena_printf(&r->m->arena, "needed by %s (%s)", consumer->name, capability);

	take(r, &r->active, provider, &consumer->mark, why);
	provider->why = why; /* with -c also what the flavour names */
}

/* One pass over everything active.  True when a component was added. */
static bool bind_all(struct resolver *r, bool explain)
{
	bool added = false;

	for (size_t i = 0; i < r->active.n; i++) {
		struct mill_component *c = r->active.entries[i].value;

		for (size_t k = 0; k < c->n_requires; k++) {
			struct mill_requirement *q = &c->requires[k];
			struct choice ch = choose(r, c, q->capability);
			bool ambiguous = q->optional && ch.n_selected > 1;

			/* An optional one brings nobody in. */
			if (q->optional && ch.provider && !in_selection(r, ch.provider))
				ch.provider = NULL;
			q->provider = ch.provider;
			if (ch.provider && !mill_map_has(&r->active, ch.provider->name)) {
				bring(r, ch.provider, c, q->capability);
				added = true;
			}
			if (explain && !ch.provider && (!q->optional || ambiguous || ch.missing))
				explain_unbound(r, c, q, &ch);
			free(ch.candidates);
		}
	}
	return added;
}

struct mill_component *mill_resolve_provider(const struct mill_model *m, const char *capability)
{
	struct mill_component *only = NULL;
	const char *use = mill_map_get(&m->project.use, capability);
	size_t n = 0;

	for (size_t i = 0; i < m->n_selected; i++) {
		struct mill_component *c = m->selected[i];

		if (!mill_component_provides(c, capability))
			continue;
		if (use ? mill_streq(use, c->name) : is_default_for(c, capability))
			return c;
		only = c;
		n++;
	}
	return !use && n == 1 ? only : NULL;
}

/* ---- the way in ---- */

static void read_request(struct resolver *r)
{
	struct mill_model *m = r->m;
	struct mill_map *flavour = m->project.n_only ? &r->listed : &r->active;

	for (size_t i = 0; i < m->n_known; i++) {
		m->known[i]->selected = false;
		m->known[i]->stands_for = NULL;
		m->known[i]->in_pods = !mill_plan_is_native(m);
		mill_map_set(&r->known, m->known[i]->name, m->known[i]);
	}
	for (size_t i = 0; i < m->project.n_without; i++)
		mill_map_set(&r->without, m->project.without[i], r);
	for (size_t i = 0; i < m->project.n_only; i++) {
		struct mill_component *c = mill_map_get(&r->known, m->project.only[i]);

		if (c)
			expand(r, &r->active, c, &c->mark, "-c", false);
	}
	if (m->project.all)
		expand_all(r, flavour);
	for (size_t i = 0; i < m->n_selected; i++)
		expand(r, flavour, m->selected[i], &m->selected[i]->mark,
		       m->project.n_only ? "flavour" : m->selected[i]->why, m->project.n_only > 0);
}

/* A stand-in that is merely listed beside another that is asked for does not run. */
static void select_active(struct resolver *r)
{
	struct mill_model *m = r->m;

	for (size_t i = 0; i < m->n_known; i++)
		m->known[i]->selected = mill_map_has(&r->active, m->known[i]->name);
	m->n_selected = r->active.n;
	m->selected = MILL_ARENA_ARRAY(&m->arena, r->active.n + 1, struct mill_component *);
	for (size_t i = 0; i < r->active.n; i++)
		m->selected[i] = r->active.entries[i].value;
}

int mill_resolve(struct mill_model *m, const struct mill_platform *p_or_null)
{
	struct resolver r = {.m = m};

	read_request(&r);
	while (bind_all(&r, false))
		;
	bind_all(&r, true);
	select_active(&r);
	mill_graph_sort(m);
	if (!m->diags->n_errors) /* names of capabilities mean something only once everything is bound */
		mill_model_check_bound(m);
	mill_map_release(&r.known);
	mill_map_release(&r.listed);
	mill_map_release(&r.active);
	mill_map_release(&r.without);
	mill_map_release(&r.groups);
	return m->diags->n_errors ? -EINVAL : 0;
}
