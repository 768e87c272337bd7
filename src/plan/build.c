#include "plan/build.h"

#include "base/json.h"

void mill_ids_add(struct mill_ids *set, unsigned id)
{
	for (size_t i = 0; i < set->n; i++)
		if (set->items[i] == id)
			return;
	MILL_GROW(set->items, set->n, set->cap);
	set->items[set->n++] = id;
}

void mill_ids_union(struct mill_ids *set, const struct mill_ids *other)
{
	for (size_t i = 0; i < other->n; i++)
		mill_ids_add(set, other->items[i]);
}

struct mill_planned *mill_build_planned(struct mill_build *b, const char *component)
{
	struct mill_rendered *r = mill_render_find(b->r, component);

	return r ? &b->components[r - b->r->components] : NULL;
}

unsigned mill_build_action(struct mill_build *b, enum mill_action_kind kind, const char *component, const char *name,
			   const struct mill_ids *after, json_t *data, const char *reason, ...)
{
	struct mill_plan *plan = b->plan;
	struct mill_action *a;
	va_list ap;
	char *text;
	unsigned *ids;

	va_start(ap, reason);
	text = mill_xvasprintf(reason, ap);
	va_end(ap);
	MILL_GROW(plan->actions, plan->n_actions, b->cap_actions);
	a = &plan->actions[plan->n_actions];
	*a = (struct mill_action){.id = (unsigned)plan->n_actions, .kind = kind};
	a->component = component ? mill_arena_strdup(&plan->arena, component) : NULL;
	a->name = name ? mill_arena_strdup(&plan->arena, name) : NULL;
	a->reason = mill_arena_strdup(&plan->arena, text);
	free(text);
	ids = MILL_ARENA_ARRAY(&plan->arena, (after ? after->n : 0) + 1, unsigned);
	if (after && after->n)
		memcpy(ids, after->items, after->n * sizeof(*ids));
	a->after = ids;
	a->n_after = after ? after->n : 0;
	a->data = data ? data : json_object();
	json_array_append_new(plan->json, a->data);
	plan->n_actions++;
	return a->id;
}

void mill_build_note(struct mill_build *b, const char *kind, const char *fmt, ...)
{
	struct mill_plan *plan = b->plan;
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = mill_xvasprintf(fmt, ap);
	va_end(ap);
	MILL_GROW(plan->notes, plan->n_notes, b->cap_notes);
	plan->notes[plan->n_notes++] = (struct mill_plan_note){
		.kind = kind, .text = mill_arena_strdup(&plan->arena, text)};
	free(text);
}

bool mill_build_is_done(const struct mill_build *b, const char *id, const char *fingerprint, bool *ret_known)
{
	const char *done = mill_json_get_string(json_object_get(b->tasks, id), "fingerprint", "");

	*ret_known = *done != '\0';
	return mill_streq(done, fingerprint);
}
