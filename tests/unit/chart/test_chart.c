/* src/chart: places in values, Secrets' text, packages, words for helm; which names charts are served by. */
#include "cmocka_all.h"

#include <sys/stat.h>

#include "base/hash.h"
#include "base/io.h"
#include "base/json.h"
#include "chart/chart.h"
#include "net/serve.h"

static json_t *parse(const char *text)
{
	json_t *j = NULL;

	assert_int_equal(mill_json_parse("test", text, strlen(text), &j, NULL), 0);
	return j;
}

static void assert_json(const json_t *got, const char *wanted)
{
	_cleanup_json_ json_t *w = parse(wanted);
	_cleanup_free_ char *text = json_dumps(got, JSON_COMPACT);

	if (!json_equal(got, w))
		fail_msg("got %s, wanted %s", text, wanted);
}

static void test_set(void **state)
{
	_cleanup_json_ json_t *v = parse("{\"a\": {\"b\": 1}, \"n\": null, \"text\": \"x\"}");
	static const char *const misplaced[] = {"", ".", "a..b", "text.x", "a[0]", "a.b.c", "list[64]", "list[x]", "list[", "list[]"};

	assert_int_equal(mill_chart_set(v, "a.c", json_true(), NULL), 0);
	assert_int_equal(mill_chart_set(v, "n.deep.er", json_integer(2), NULL), 0);
	assert_int_equal(mill_chart_set(v, "list[1].size", json_string("1Gi"), NULL), 0);
	assert_int_equal(mill_chart_set(v, "list[0]", json_string("first"), NULL), 0);
	assert_int_equal(mill_chart_set(v, "kubernetes\\.io/os", json_string("linux"), NULL), 0);
	assert_json(v, "{\"a\": {\"b\": 1, \"c\": true}, \"n\": {\"deep\": {\"er\": 2}}, \"text\": \"x\","
		       "\"list\": [\"first\", {\"size\": \"1Gi\"}], \"kubernetes.io/os\": \"linux\"}");
	for (size_t i = 0; i < MILL_ARRAY_LEN(misplaced); i++) {
		_cleanup_error_ struct mill_error err = {0};

		assert_int_equal(mill_chart_set(v, misplaced[i], json_string("y"), &err), -EINVAL);
		assert_non_null(strstr(err.message, "no place"));
	}
}

static void test_merge(void **state)
{
	_cleanup_json_ json_t *into = parse("{\"a\": {\"b\": 1, \"c\": [1]}, \"d\": 1}");
	_cleanup_json_ json_t *over = parse("{\"a\": {\"c\": [2, 3], \"e\": {}}, \"d\": {\"f\": null}}");

	mill_chart_merge(into, over);
	mill_chart_merge(into, NULL);
	assert_json(into, "{\"a\": {\"b\": 1, \"c\": [2, 3], \"e\": {}}, \"d\": {\"f\": null}}");
}

/* ---- Secrets ---- */

static int resolve(void *arg, const json_t *value, struct mill_strbuf *out, struct mill_error *err)
{
	if (arg)
		return mill_fail(err, ENOENT, "there is no such secret");
	mill_strbuf_addstr(out, json_is_string(value) ? json_string_value(value) : "s\"3cret\n");
	return 0;
}

static void test_secrets(void **state)
{
	static const struct mill_component c = {.name = "minio"};
	_cleanup_json_ json_t *secrets = parse("[{\"name\": \"lake-auth\", \"keys\": {\"user\": \"me\", \"password\": "
					       "[{\"secret\": \"minio/password\", \"version\": 1}]}}]");
	struct mill_chart_release rel = {.component = &c, .name = (char *)"lake", .secrets = secrets};
	struct mill_chart_where where = {.platform = "data-mill", .name_space = "ns"};
	struct mill_strbuf text = MILL_STRBUF_INIT;
	_cleanup_error_ struct mill_error err = {0};

	assert_int_equal(mill_chart_secrets_text(&rel, &where, resolve, NULL, &text, &err), 0);
	_cleanup_json_ json_t *list = parse(text.data);
	assert_json(list, "{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [{\"apiVersion\": \"v1\", \"kind\": \"Secret\","
			  "\"type\": \"Opaque\", \"metadata\": {\"name\": \"lake-auth\", \"namespace\": \"ns\", \"labels\": {"
			  "\"app.kubernetes.io/managed-by\": \"data-mill\", \"app.kubernetes.io/component\": \"minio\","
			  "\"app.kubernetes.io/instance\": \"lake\", \"app.kubernetes.io/part-of\": \"data-mill\"}},"
			  "\"data\": {\"user\": \"bWU=\", \"password\": \"cyIzY3JldAo=\"}}]}");
	mill_chart_text_wipe(&text);
	assert_int_equal(text.len, 0);

	assert_int_equal(mill_chart_secrets_text(&rel, &where, resolve, &rel, &text, &err), -ENOENT);
	assert_string_equal(err.message, "Secret lake-auth: there is no such secret");
	mill_chart_text_wipe(&text);
}

/* A record is all that a later run has: nothing of what is installed by it may be lost on the way. */
static void test_recorded(void **state)
{
	static const struct mill_component c = {.name = "kafka"};
	static const char *needs[] = {"strimzi"};
	static const struct mill_chart chart = {.repository = "https://x.io", .name = "kafka", .version = "1.2.3", .digest = "ab", .needs = needs, .n_needs = 1};
	struct mill_chart_ready_item ready[] = {{.what = (char *)"kafka.k.io/a", .condition = (char *)"Ready", .timeout_ns = 90000000000}, {.what = (char *)"deployment/b", .timeout_ns = 600000000000}};
	_cleanup_json_ json_t *values = parse("{\"a\": 1}"), *secrets = parse("[{\"name\": \"s\", \"keys\": {}}]"), *places = parse("{\"a.b\": \"x\"}");
	_cleanup_json_ json_t *objects = parse("[{\"kind\": \"K\"}]"), *stop = parse("[{\"delete\": \"pod/x\"}]");
	struct mill_chart_release rel = {.component = &c, .chart = &chart, .name = (char *)"lake", .values = values, .secrets = secrets, .secret_values = places,
					 .objects = objects, .stop = stop, .selector = (char *)"a=b", .ready = ready, .n_ready = 2, .fingerprint = "f00"};
	_cleanup_json_ json_t *one = mill_chart_release_json(&rel), *again;
	_cleanup_chart_recorded_ struct mill_chart_recorded back;

	assert_json(json_object_get(one, "needs"), "[\"strimzi\"]");
	mill_chart_recorded_open(one, "kafka", &back);
	back.chart.needs = needs; /* only a preflight asks for them, of the JSON */
	back.chart.n_needs = 1;
	again = mill_chart_release_json(&back.release);
	assert_true(json_equal(one, again));
	assert_string_equal(back.release.component->name, "kafka");

	_cleanup_json_ json_t *little = parse("{\"release\": \"r\"}");
	_cleanup_chart_recorded_ struct mill_chart_recorded least;
	mill_chart_recorded_open(little, "x", &least); /* what is not said is empty, not missing */
	assert_null(least.chart.name);
	assert_int_equal(json_array_size(least.release.objects) + json_array_size(least.release.secrets) + least.release.n_ready, 0);
}

static void test_handed_over(void **state)
{
	_cleanup_json_ json_t *places = parse("{\"a.key\": [{\"secret\": \"x/y\", \"version\": 1}], \"a.id\": \"me\"}"), *values = parse("{\"b\": 1}");
	_cleanup_json_ json_t *plain = NULL, *secret = NULL;
	struct mill_chart_release rel = {.values = values, .secret_values = places};
	struct mill_chart_handed handed;

	assert_int_equal(mill_chart_hand_over(&rel, resolve, &rel, &handed, NULL), -ENOENT);
	assert_null(rel.secret_values_path);
	mill_chart_handed_release(&handed);
	assert_int_equal(mill_chart_hand_over(&rel, resolve, NULL, &handed, NULL), 0);
	assert_int_equal(handed.n_fds, 2);
	for (int i = 0; i < 2; i++) { /* helm may read them again */
		json_decref(plain);
		json_decref(secret);
		assert_int_equal(mill_json_load(handed.path, MILL_JSON_FILE_MAX, &plain, NULL), 0);
		assert_int_equal(mill_json_load(rel.secret_values_path, MILL_JSON_FILE_MAX, &secret, NULL), 0);
	}
	assert_json(plain, "{\"b\": 1}");
	assert_json(secret, "{\"a\": {\"key\": \"s\\\"3cret\\n\", \"id\": \"me\"}}");
	mill_chart_handed_release(&handed);
	assert_int_equal(mill_json_load(rel.secret_values_path, MILL_JSON_FILE_MAX, &secret, NULL), -ENOENT);
	free(rel.secret_values_path);
}

/* ---- packages ---- */

static void test_package(void **state)
{
	char dir[] = "/tmp/mill-chart-XXXXXX", digest[MILL_SHA256_HEX];
	struct mill_chart k = {.repository = "https://example.org", .name = "minio", .version = "1.2.3"};
	_cleanup_error_ struct mill_error err = {0};
	_cleanup_free_ char *found = NULL, *again = NULL, *ours = NULL;

	assert_non_null(mkdtemp(dir));
	_cleanup_free_ char *path = mill_path_join(dir, "minio-1.2.3.tgz");
	assert_int_equal(mill_chart_package_find(dir, &k, &found, &err), -ENOENT);
	mill_write_file(path, "chart", 5, 0644, 0, NULL);
	assert_int_equal(mill_chart_package_find(dir, &k, &found, &err), 0);
	assert_string_equal(found, path);

	mill_sha256("chart", 5, digest);
	k.digest = digest;
	assert_int_equal(mill_chart_package_find(dir, &k, &again, &err), 0);
	mill_write_file(path, "other", 5, 0644, 0, NULL);
	k.digest = digest;
	assert_int_equal(mill_chart_package_find(dir, &k, &ours, &err), -EBADMSG);
	assert_non_null(strstr(err.message, "is not the chart that the manifest names"));
	assert_null(ours);

	struct mill_chart own = {.path = "/x/helm-charts/ksqldb", .name = "ksqldb"};
	assert_int_equal(mill_chart_package_find(dir, &own, &ours, &err), 0);
	assert_string_equal(ours, "/x/helm-charts/ksqldb");
	mill_rm_rf(dir, NULL);
}

/* ---- words for helm ---- */

static void assert_words(const struct mill_strv *argv, const char *wanted)
{
	_cleanup_free_ char *got = mill_strv_join(argv, " ");

	assert_string_equal(got, wanted);
}

static void test_argv(void **state)
{
	struct mill_chart web = {.repository = "https://example.org/charts", .name = "minio", .version = "1.2.3"};
	struct mill_chart oci = {.repository = "oci://quay.io/x", .name = "kafka", .version = "1.2.3"};
	struct mill_chart_helm h = {.helm = "helm", .kubectl = "kubectl", .kubeconfig = "/k", .context = "c", .name_space = "ns", .wait = true};
	struct mill_chart_release rel = {.chart = &web, .name = (char *)"lake", .secret_values_path = (char *)"/s"};
	_cleanup_strv_ struct mill_strv pull = {0}, pull_oci = {0}, up = {0}, cluster = {0}, tmpl = {0}, off = {0}, kust = {0};

	mill_chart_argv_pull(&h, &web, "/d", &pull);
	assert_words(&pull, "helm pull minio --repo https://example.org/charts --version 1.2.3 --destination /d");
	mill_chart_argv_pull(&h, &oci, "/d", &pull_oci);
	assert_words(&pull_oci, "helm pull oci://quay.io/x/kafka --version 1.2.3 --destination /d");
	mill_chart_argv_upgrade(&h, &rel, "/p.tgz", "/v", &up);
	assert_words(&up, "helm upgrade lake /p.tgz --install --namespace ns --values /v --values /s --reset-values --history-max 5 "
			  "--timeout=600s --wait --wait-for-jobs --atomic --kubeconfig /k --kube-context c");
	rel.own_namespace = (char *)"kafka";
	h.wait = false;
	h.skip_crds = true;
	h.timeout_s = 60;
	mill_chart_argv_upgrade(&h, &rel, "/p.tgz", NULL, &cluster);
	assert_words(&cluster, "helm upgrade lake /p.tgz --install --namespace kafka --values /s --reset-values --history-max 5 --timeout=60s "
			       "--skip-crds --create-namespace --kubeconfig /k --kube-context c");
	rel.secret_values_path = NULL;
	mill_chart_argv_template(&h, &rel, "/p.tgz", "/v", &tmpl);
	assert_words(&tmpl, "helm template lake /p.tgz --namespace kafka --values /v --skip-crds");
	mill_chart_argv_uninstall(&h, &rel, &off);
	assert_words(&off, "helm uninstall lake --ignore-not-found --wait --namespace kafka --timeout=60s --kubeconfig /k --kube-context c");
	mill_chart_argv_kustomize(&h, "https://github.com/x//y?ref=1", &kust);
	assert_words(&kust, "kubectl kustomize https://github.com/x//y?ref=1");
}

static void test_reason(void **state)
{
	_cleanup_free_ char *last = mill_chart_reason("coalesce.go: warning\nError: UPGRADE FAILED: context deadline exceeded\n");
	_cleanup_free_ char *whole = mill_chart_reason("killed");

	assert_string_equal(last, "UPGRADE FAILED: context deadline exceeded");
	assert_string_equal(whole, "killed");
}

static void test_served_names(void **state)
{
	static const char *const good[] = {"index.yaml", "a.tgz", "dvc-0.1.0.tgz", "x-1.0.0+build_2.tgz.prov"};
	static const char *const bad[] = {"", ".", "..", ".tgz", "-a.tgz", "index.yml", "a/b.tgz", "../a.tgz", "a..tgz", "a%2e.tgz", "a.tar", "a b.tgz", "notes.txt"};

	for (size_t i = 0; i < MILL_ARRAY_LEN(good); i++)
		assert_true(mill_net_serve_name(good[i]));
	for (size_t i = 0; i < MILL_ARRAY_LEN(bad); i++)
		assert_false(mill_net_serve_name(bad[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set), cmocka_unit_test(test_merge), cmocka_unit_test(test_secrets),
		cmocka_unit_test(test_handed_over), cmocka_unit_test(test_recorded), cmocka_unit_test(test_package), cmocka_unit_test(test_argv),
		cmocka_unit_test(test_reason), cmocka_unit_test(test_served_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
