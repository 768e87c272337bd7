/* A plan as text for people and as JSON. */
#include "plan/plan.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/parse.h"

/* What a line is about: "minio.server", "dvc", "data". */
static void add_subject(const struct mill_action *a, struct mill_strbuf *out)
{
	switch (a->kind) {
	case MILL_ACTION_INSTALL:
		mill_strbuf_addstr(out, a->component);
		return;
	case MILL_ACTION_PUBLISH:
		mill_strbuf_addstr(out, a->name);
		return;
	case MILL_ACTION_PROVISION:
		mill_strbuf_printf(out, "%s: %s", a->component, a->name);
		return;
	default:
		mill_strbuf_addstr(out, a->component);
		if (a->name)
			mill_strbuf_printf(out, ".%s", a->name);
	}
}

/* Configuring is part of starting: one line is enough for both. */
static bool is_folded(const struct mill_plan *plan, const struct mill_action *a)
{
	if (a->kind != MILL_ACTION_CONFIGURE || !a->name)
		return false;
	for (size_t i = a->id + 1; i < plan->n_actions; i++) {
		const struct mill_action *o = &plan->actions[i];

		if (o->kind == MILL_ACTION_START && mill_streq(o->component, a->component) && mill_streq(o->name, a->name))
			return true;
		if (!mill_streq(o->component, a->component))
			return false; /* a component's actions stand together */
	}
	return false;
}

static void print_totals(const struct mill_plan *plan, struct mill_strbuf *out)
{
	char a[32], b[32];
	bool any = false;

	if (plan->download_bytes || plan->install_bytes) {
		mill_strbuf_printf(out, "downloads %s, takes %s of disk",
				   mill_format_size(plan->download_bytes, a, sizeof(a)),
				   mill_format_size(plan->disk_needed, b, sizeof(b)));
		any = true;
	}
	if (plan->install_seconds > 0) {
		mill_strbuf_printf(out, "%sabout %s to install", any ? ", " : "",
				   mill_format_duration((uint64_t)plan->install_seconds * MILL_SEC, a, sizeof(a)));
		any = true;
	}
	if (plan->memory_needed)
		mill_strbuf_printf(out, "%smemory %s%s%s", any ? ", " : "",
				   mill_format_size(plan->memory_needed, a, sizeof(a)),
				   plan->memory_budget ? " of a budget of " : "",
				   plan->memory_budget ? mill_format_size(plan->memory_budget, b, sizeof(b)) : "");
	mill_strbuf_addch(out, '\n');
}

void mill_plan_print(const struct mill_plan *plan, struct mill_strbuf *out)
{
	for (size_t i = 0; i < plan->n_notes; i++)
		mill_strbuf_printf(out, "note: %s\n", plan->notes[i].text);
	if (mill_plan_is_empty(plan)) {
		mill_strbuf_addstr(out, "nothing to do\n");
		return;
	}
	for (size_t i = 0; i < plan->n_actions; i++) {
		const struct mill_action *a = &plan->actions[i];
		_cleanup_strbuf_ struct mill_strbuf subject = MILL_STRBUF_INIT;

		if (is_folded(plan, a))
			continue;
		add_subject(a, &subject);
		mill_strbuf_printf(out, "%-9s  %-28s  %s%s\n", mill_action_verb(a->kind), subject.data, a->reason,
				   a->destructive ? " (destroys data)" : "");
	}
	print_totals(plan, out);
}

static void write_action(struct mill_json_writer *w, const struct mill_action *a)
{
	mill_json_begin_object(w);
	mill_json_kv_int(w, "id", a->id);
	mill_json_kv_string(w, "action", mill_action_verb(a->kind));
	mill_json_kv_string(w, "component", a->component);
	mill_json_kv_string(w, "name", a->name);
	mill_json_kv_string(w, "reason", a->reason);
	mill_json_key(w, "after");
	mill_json_begin_array(w);
	for (size_t i = 0; i < a->n_after; i++)
		mill_json_int(w, a->after[i]);
	mill_json_end_array(w);
	mill_json_kv_bool(w, "destructive", a->destructive);
	mill_json_end_object(w);
}

void mill_plan_to_json(const struct mill_plan *plan, struct mill_strbuf *out)
{
	struct mill_json_writer w;

	mill_json_writer_init(&w, out, true);
	mill_json_begin_object(&w);
	mill_json_kv_int(&w, "v", 1);
	mill_json_kv_bool(&w, "empty", mill_plan_is_empty(plan));
	mill_json_key(&w, "actions");
	mill_json_begin_array(&w);
	for (size_t i = 0; i < plan->n_actions; i++)
		write_action(&w, &plan->actions[i]);
	mill_json_end_array(&w);
	mill_json_key(&w, "notes");
	mill_json_begin_array(&w);
	for (size_t i = 0; i < plan->n_notes; i++) {
		mill_json_begin_object(&w);
		mill_json_kv_string(&w, "kind", plan->notes[i].kind);
		mill_json_kv_string(&w, "text", plan->notes[i].text);
		mill_json_end_object(&w);
	}
	mill_json_end_array(&w);
	mill_json_key(&w, "totals");
	mill_json_begin_object(&w);
	mill_json_kv_int(&w, "memory_needed", (int64_t)plan->memory_needed);
	mill_json_kv_int(&w, "memory_min", (int64_t)plan->memory_min);
	mill_json_kv_int(&w, "memory_budget", (int64_t)plan->memory_budget);
	mill_json_kv_int(&w, "disk_needed", (int64_t)plan->disk_needed);
	mill_json_kv_int(&w, "install_bytes", (int64_t)plan->install_bytes);
	mill_json_kv_int(&w, "download_bytes", (int64_t)plan->download_bytes);
	mill_json_key(&w, "install_seconds");
	if (plan->install_seconds < 0)
		mill_json_null(&w);
	else
		mill_json_double(&w, plan->install_seconds);
	mill_json_end_object(&w);
	mill_json_end_object(&w);
	mill_strbuf_addch(out, '\n');
}
