/*
 * Data-driven cases: tests/cases/plan/<case>/, described in its README.md.
 * MILL_UPDATE_CASES=1 writes what came out as what is expected.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_host.h"

#include "base/io.h"
#include "base/json.h"
#include "spec/render.h"
#include "yaml/diag.h"

struct run {
	char *dir;      /* the case */
	char *shared;   /* tests/cases/plan */
	struct mill_layout layout;
	struct mill_platform platform;
	struct fake_host host;
	char *preflight; /* of the flavour planned last */
};

static bool updating(void)
{
	return getenv("MILL_UPDATE_CASES") != NULL;
}

static json_t *load_json(const char *dir, const char *name)
{
	_cleanup_free_ char *path = mill_path_join(dir, name);
	_cleanup_error_ struct mill_error err = {0};
	json_t *j = NULL;
	int r = mill_json_load(path, MILL_JSON_FILE_MAX, &j, &err);

	if (r < 0 && r != -ENOENT)
		fail_msg("%s", err.message);
	return j;
}

/* Absolute paths of this machine become names. */
static char *portable(const struct run *run, const char *text)
{
	const struct {
		const char *from, *to;
	} names[] = {{run->dir, "CASE"}, {run->shared, "CASES"}};
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;

	while (*text) {
		bool found = false;

		for (size_t i = 0; i < MILL_ARRAY_LEN(names) && !found; i++)
			if (mill_starts_with(text, names[i].from)) {
				mill_strbuf_addstr(&out, names[i].to);
				text += strlen(names[i].from);
				found = true;
			}
		if (!found)
			mill_strbuf_addch(&out, *text++);
	}
	return mill_strbuf_steal(&out);
}

static void expect(const struct run *run, const char *name, const char *got)
{
	_cleanup_free_ char *path = mill_path_join(run->dir, name);
	_cleanup_free_ char *text = portable(run, got);
	_cleanup_free_ char *wanted = NULL;
	size_t len;

	if (updating()) {
		assert_int_equal(mill_write_file(path, text, strlen(text), 0644, 0, NULL), 0);
		return;
	}
	if (mill_read_file(path, (size_t)1 << 20, &wanted, &len, NULL) < 0)
		fail_msg("%s is missing; got:\n%s", path, text);
	if (strcmp(wanted, text) != 0)
		fail_msg("%s differs; got:\n%s", path, text);
}

static bool has_file(const struct run *run, const char *name)
{
	_cleanup_free_ char *path = mill_path_join(run->dir, name);

	return mill_is_file(path);
}

struct args {
	const char *items[16];
};

static const char *const *list(const json_t *options, const char *key, struct args *a)
{
	const json_t *names = json_object_get(options, key), *v;
	size_t i;

	if (!names)
		return NULL;
	*a = (struct args){0};
	json_array_foreach((json_t *)names, i, v)
		a->items[i] = json_string_value(v);
	return a->items;
}

static void look_ahead(struct run *run, const struct mill_model *model, const struct mill_plan *plan)
{
	_cleanup_strbuf_ struct mill_strbuf text = MILL_STRBUF_INIT;
	struct mill_preflight *f = NULL;

	assert_int_equal(mill_preflight(model, &run->platform, &run->host.host, plan, &f, NULL), 0);
	for (size_t i = 0; i < f->n; i++) {
		const struct mill_check *c = &f->checks[i];

		mill_strbuf_printf(&text, "%s %s: %s\n", c->level, c->name, c->text);
		if (c->hint)
			mill_strbuf_printf(&text, "   %s\n", c->hint);
	}
	mill_strbuf_printf(&text, "%zu errors (%zu that --force does not pass), %zu warnings\n", f->n_errors, f->n_hard, f->n_warnings);
	mill_preflight_free(f);
	free(run->preflight);
	run->preflight = mill_strbuf_steal(&text);
}

/* Plans one flavour; NULL with the diagnostics in *ret_errors. */
static struct mill_plan *plan_flavour(struct run *run, const char *flavour, const json_t *options, char **ret_errors)
{
	_cleanup_free_ char *path = mill_path_join(run->dir, flavour);
	_cleanup_diags_ struct mill_diags diags = MILL_DIAGS_INIT;
	_cleanup_error_ struct mill_error err = {0};
	_cleanup_strbuf_ struct mill_strbuf text = MILL_STRBUF_INIT;
	struct args components, without, only;
	struct mill_model_request q = {.resources = run->shared, .project = run->dir, .flavour = path, .needed_only = true,
				       .location = mill_json_get_string(options, "location", NULL),
				       .components = list(options, "components", &components),
				       .without = list(options, "without", &without)};
	struct mill_plan_options o = {
		.prune = mill_json_get_bool(options, "prune", false), .start_only = mill_json_get_bool(options, "start_only", false),
		.install_only = mill_json_get_bool(options, "install_only", false),
		.no_data = mill_json_get_bool(options, "no_data", false),
		.move_ports = mill_json_get_bool(options, "move_ports", false), .only = list(options, "only", &only)};
	struct mill_model *model = NULL;
	struct mill_plan *plan = NULL;
	int r = mill_model_load(&q, &diags, &model, &err);

	if (r == 0 && !diags.n_errors && mill_resolve(model, NULL) == 0)
		mill_plan_make(model, &run->platform, &run->host.host, &o, &plan, &err);
	if (plan)
		look_ahead(run, model, plan);
	else {
		mill_diags_render(&diags, &text, false);
		if (!diags.n_errors)
			mill_strbuf_printf(&text, "%s\n", err.message ? err.message : "no message");
		*ret_errors = mill_strbuf_steal(&text);
	}
	mill_model_free(model);
	return plan;
}

static void expect_specs(struct run *run, const struct mill_plan *plan)
{
	const char *id;
	json_t *spec;

	json_object_foreach(plan->specs, id, spec) {
		_cleanup_free_ char *name = mill_xasprintf("spec.%s.json", id);
		char *text;

		if (!has_file(run, name))
			continue;
		spec = json_deep_copy(spec);
		/* they depend on where the tree lies */
		json_object_del(spec, "fingerprint");
		json_object_del(spec, "reload_fingerprint");
		text = json_dumps(spec, JSON_INDENT(1) | JSON_SORT_KEYS);
		expect(run, name, text);
		free(text);
		json_decref(spec);
	}
}

static void expect_records(struct run *run, const struct mill_plan *plan)
{
	const char *component;
	json_t *record;

	json_object_foreach(plan->records, component, record) {
		_cleanup_free_ char *name = mill_xasprintf("record.%s.json", component);

		if (has_file(run, name)) {
			char *text = json_dumps(record, JSON_INDENT(1) | JSON_SORT_KEYS);

			expect(run, name, text);
			free(text);
		}
	}
}

static void expect_plan(struct run *run, const struct mill_plan *plan)
{
	_cleanup_strbuf_ struct mill_strbuf text = MILL_STRBUF_INIT;

	mill_plan_print(plan, &text);
	if (mill_plan_is_empty(plan) != (strstr(text.data, "nothing to do") != NULL))
		fail_msg("%s: empty plan and its text disagree", run->dir);
	expect(run, "plan.txt", text.data);
	if (has_file(run, "plan.json")) {
		mill_strbuf_reset(&text);
		mill_plan_to_json(plan, &text);
		expect(run, "plan.json", text.data);
	}
	if (has_file(run, "environment.json")) {
		char *env = json_dumps(plan->environment, JSON_INDENT(1) | JSON_SORT_KEYS);

		expect(run, "environment.json", env);
		free(env);
	}
	if (has_file(run, "preflight.txt"))
		expect(run, "preflight.txt", run->preflight);
	expect_specs(run, plan);
	expect_records(run, plan);
}

/* before.yaml comes up first, with before.json as the host. */
static void come_up(struct run *run)
{
	_cleanup_json_ json_t *options = load_json(run->dir, "before_options.json");
	char *errors = NULL;
	struct mill_plan *plan;

	fake_host_init(&run->host, &run->platform, load_json(run->dir, "before.json"));
	for (int i = 0; i < 2; i++) {
		plan = plan_flavour(run, "before.yaml", options, &errors);
		if (!plan)
			fail_msg("%s: before.yaml: %s", run->dir, errors);
		if (i == 1 && !mill_plan_is_empty(plan)) {
			_cleanup_strbuf_ struct mill_strbuf text = MILL_STRBUF_INIT;

			mill_plan_print(plan, &text);
			fail_msg("%s: after up the plan is not empty:\n%s", run->dir, text.data);
		}
		fake_host_carry_out(&run->host, &run->platform, plan);
		mill_plan_free(plan);
	}
}

static void run_case(const char *shared, const char *name)
{
	struct run run = {.dir = mill_path_join(shared, name), .shared = mill_xstrdup(shared)};
	_cleanup_json_ json_t *options = load_json(run.dir, "options.json"), *config = load_json(run.dir, "host.json");
	char *errors = NULL;
	struct mill_plan *plan;

	run.platform = (struct mill_platform){.layout = &run.layout, .target = (char *)"native", .name = (char *)"test",
					      .dir = (char *)"/platform", .lock_fd = -1, .record = json_object(),
					      .desired = json_object(), .ports = json_object(), .memory = json_object()};
	run.layout.store = (char *)"/store";
	if (json_object_get(options, "dir"))
		run.platform.dir = (char *)json_string_value(json_object_get(options, "dir"));
	if (has_file(&run, "before.yaml")) {
		come_up(&run);
		if (!config)
			config = json_object();
		if (!json_object_get(config, "store_has"))
			json_object_set_new(config, "store_has", json_true());
	}
	fake_host_init(&run.host, &run.platform, json_incref(config));
	plan = plan_flavour(&run, "flavour.yaml", options, &errors);
	if (plan)
		expect_plan(&run, plan);
	else
		expect(&run, "errors.txt", errors);
	if (!updating() && has_file(&run, plan ? "errors.txt" : "plan.txt"))
		fail_msg("%s: %s", run.dir, plan ? "was to fail" : errors);
	free(errors);
	mill_plan_free(plan);
	fake_host_release(&run.host);
	json_decref(run.platform.record);
	json_decref(run.platform.desired);
	json_decref(run.platform.ports);
	json_decref(run.platform.memory);
	free(run.preflight);
	free(run.dir);
	free(run.shared);
}

static void one_case(void **state)
{
	const char *const *arguments = *state;

	run_case(arguments[0], arguments[1]);
}

int main(void)
{
	const char *source = getenv("MILL_TEST_SOURCE");
	_cleanup_free_ char *shared = mill_path_join(source ? source : ".", "tests/cases/plan");
	_cleanup_strv_ struct mill_strv names = {0};
	struct CMUnitTest *tests;
	const char *(*arguments)[2];
	size_t n = 0;

	/* Messages show paths below the working folder shortened: let there be none. */
	if (chdir("/") < 0 || mill_list_dir(shared, &names, NULL) < 0)
		return 1;
	tests = mill_xcalloc(names.n + 1, sizeof(*tests));
	arguments = mill_xcalloc(names.n + 1, sizeof(*arguments));
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *flavour = mill_xasprintf("%s/%s/flavour.yaml", shared, names.items[i]);

		if (!mill_is_file(flavour))
			continue;
		arguments[n][0] = shared;
		arguments[n][1] = names.items[i];
		tests[n] = (struct CMUnitTest){.name = names.items[i], .test_func = one_case, .initial_state = arguments[n]};
		n++;
	}
	int failed = _cmocka_run_group_tests("plan cases", tests, n, NULL, NULL);
	free(tests);
	free(arguments);
	return failed;
}
