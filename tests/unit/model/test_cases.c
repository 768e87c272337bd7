/*
 * Each folder of tests/cases/model and tests/cases/errors is loaded as a
 * project of its own (with a folder `shipped`, that one stands for what is
 * shipped).  `request` holds what the command line would say, one
 * "key: value" a line (flavour, target, location, kubeconfig, components,
 * without, all); what comes out (usage error, diagnostics, and the model when
 * there is no error) must be that of `expected`.  MILL_TEST_UPDATE=1 writes
 * these (then read the diff).
 */
#include "../cmocka_all.h"

#include "dump.h"

struct request {
	struct mill_model_request q;
	struct mill_strv components, without;
	struct mill_map texts;
};

static void read_request(struct request *r)
{
	_cleanup_free_ char *text = mill_exists("request") ? test_read("request") : mill_xstrdup("");
	_cleanup_strv_ struct mill_strv lines = {0};
	r->texts.free_value = free;
	mill_strv_split(&lines, text, "\n");
	for (size_t i = 0; i < lines.n; i++) {
		char *colon = strchr(lines.items[i], ':');
		assert_non_null(colon);
		*colon = '\0';
		mill_map_set(&r->texts, lines.items[i], mill_xstrdup(colon + 2));
	}
	r->q.flavour = mill_map_get(&r->texts, "flavour");
	r->q.target = mill_map_get(&r->texts, "target");
	r->q.location = mill_map_get(&r->texts, "location");
	r->q.kubeconfig = mill_map_get(&r->texts, "kubeconfig");
	r->q.all_manifests = mill_map_has(&r->texts, "all");
	if (mill_map_has(&r->texts, "components")) {
		mill_strv_split(&r->components, mill_map_get(&r->texts, "components"), ",");
		r->q.components = (const char *const *)r->components.items;
	}
	if (mill_map_has(&r->texts, "without")) {
		mill_strv_split(&r->without, mill_map_get(&r->texts, "without"), ",");
		r->q.without = (const char *const *)r->without.items;
	}
}

static void describe(struct mill_strbuf *out)
{
	_cleanup_diags_ struct mill_diags diags = MILL_DIAGS_INIT;
	_cleanup_error_ struct mill_error err = {0};
	struct request r = {0};
	struct mill_model *m = NULL;
	char cwd[4096];
	assert_non_null(getcwd(cwd, sizeof(cwd)));
	read_request(&r);
	_cleanup_free_ char *shipped = mill_path_join(cwd, "shipped");
	r.q.resources = mill_is_dir(shipped) ? shipped : cwd;
	r.q.project = mill_is_dir(shipped) ? cwd : NULL;
	int rc = mill_model_load(&r.q, &diags, &m, &err);
	assert_non_null(m);
	assert_true(rc <= 0);
	if (rc < 0)
		mill_strbuf_printf(out, "%s: %s\n%s%s", err.usage ? "usage" : "error", err.message,
				   err.hint ? err.hint : "", err.hint ? "\n" : "");
	mill_diags_render(&diags, out, false);
	if (rc == 0 && !diags.n_errors)
		dump_model(m, out);
	mill_model_free(m);
	mill_map_release(&r.texts);
	mill_strv_release(&r.components);
	mill_strv_release(&r.without);
}

/* What is named absolutely must not depend on where the tree is. */
static char *relative(const char *text, const char *top)
{
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	const char *hit;
	for (; (hit = strstr(text, top)); text = hit + strlen(top)) {
		mill_strbuf_add(&out, text, (size_t)(hit - text));
		mill_strbuf_addstr(&out, "TOP");
	}
	mill_strbuf_addstr(&out, text);
	return mill_strbuf_steal(&out);
}

static unsigned run_folder(const char *folder, unsigned *n)
{
	_cleanup_free_ char *top = mill_path_join(getenv("MILL_TEST_SOURCE"), folder);
	_cleanup_strv_ struct mill_strv names = {0};
	unsigned failed = 0;
	if (mill_list_dir(top, &names, NULL) < 0)
		return 0;
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *dir = mill_path_join(top, names.items[i]);
		_cleanup_strbuf_ struct mill_strbuf raw = MILL_STRBUF_INIT;
		if (!mill_is_dir(dir) || (getenv("CASE") && strcmp(getenv("CASE"), names.items[i]) != 0))
			continue;
		assert_int_equal(chdir(dir), 0);
		describe(&raw);
		_cleanup_free_ char *got = relative(raw.data, dir);
		(*n)++;
		if (getenv("MILL_TEST_UPDATE")) {
			test_write("expected", got);
			continue;
		}
		_cleanup_free_ char *expected =
			mill_exists("expected") ? test_read("expected") : mill_xstrdup("");
		if (strcmp(expected, got) != 0) {
			print_error("%s: expected\n%s\ngot\n%s\n", names.items[i], expected, got);
			failed++;
		}
	}
	return failed;
}

static void test_cases(void **state)
{
	unsigned n = 0, failed = 0;
	failed += run_folder("tests/cases/model", &n);
	failed += run_folder("tests/cases/errors", &n);
	assert_true(n > 0);
	assert_int_equal(failed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases)};
	unsetenv("DATA_MILL_FLAVOUR");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
