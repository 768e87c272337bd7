/* A cluster from what a platform's record holds; no program is run. */
#include "../cmocka_all.h"

#include "base/json.h"
#include "cluster/internal.h"

static struct mill_layout layout = {.state = (char *)"/s", .resources = (char *)"/r"};
static const struct mill_cluster_host host = {.layout = &layout, .cancel_fd = -1};

static int open_text(const char *text, struct mill_cluster **ret, struct mill_error *err)
{
	_cleanup_json_ json_t *d = json_loads(text, 0, NULL);

	assert_non_null(d);
	return mill_cluster_open(d, &host, ret, err);
}

static void test_settings(void **state)
{
	_cleanup_cluster_ struct mill_cluster *c = NULL;
	_cleanup_free_ char *zones = NULL;

	assert_int_equal(open_text("{\"v\":1,\"provider\":\"aws\",\"location\":\"remote\",\"section\":{\"bucket_name\":\"b-1\",\"zones\":\"x-1a, x-1b\","
				   "\"node_size\":\"m5.large\",\"no_nodes\":4,\"storage\":\"80Gi\",\"images\":{\"registry\":\"ghcr.io/team\"}}}",
				   &c, NULL), 0);
	assert_string_equal(mill_cluster_name(c), "data-mill.k8s.local");
	assert_string_equal(mill_cluster_title(c), "the kops cluster 'data-mill.k8s.local'");
	assert_true(mill_cluster_is_cloud(c));
	assert_string_equal(c->dir, "/s/clusters/aws.data-mill.k8s.local");
	zones = mill_cluster_zones(c);
	assert_string_equal(zones, "x-1a,x-1b");
	assert_int_equal(c->nodes, 4);
	assert_int_equal(c->storage_mib, 80 * 1024);
	assert_null(c->registry); /* it has TLS of its own */
}

static void test_sizes_and_registries(void **state)
{
	static const struct {
		const char *registry, *plain;
		bool loopback;
	} cases[] = {
		{"127.0.0.1:5000/team", "127.0.0.1:5000", true}, {"localhost:5000", "localhost:5000", true},
		{"10.0.0.5:5000", "10.0.0.5:5000", false},	 {"10.0.0.5", NULL, false},
		{"registry.example.com:5000", NULL, false},	 {"ghcr.io", NULL, false},
	};

	for (size_t i = 0; i < MILL_ARRAY_LEN(cases); i++) {
		_cleanup_cluster_ struct mill_cluster *c = NULL;
		_cleanup_free_ char *text = mill_xasprintf("{\"provider\":\"kind\",\"location\":\"local\",\"section\":{\"memory\":8192,\"storage\":\"60G\","
							   "\"images\":{\"registry\":\"%s\"}}}", cases[i].registry);

		assert_int_equal(open_text(text, &c, NULL), 0);
		assert_true(mill_streq(c->registry, cases[i].plain));
		assert_int_equal(c->loopback, cases[i].loopback);
		assert_int_equal(c->memory_mib, 8192); /* a number is MiB */
		assert_int_equal(c->storage_mib, 57220); /* G is 10^9 */
	}
}

/* The file's current context may have changed since the platform was made: the recorded one counts. */
static void test_recorded_context(void **state)
{
	_cleanup_cluster_ struct mill_cluster *c = NULL, *again = NULL;
	_cleanup_json_ json_t *d = NULL;

	assert_int_equal(open_text("{\"v\":1,\"provider\":\"kubeconfig\",\"location\":\"hybrid\",\"kubeconfig\":\"/k\",\"context\":\"one\",\"section\":{}}",
				   &c, NULL), 0);
	d = mill_cluster_describe(c);
	assert_string_equal(mill_json_get_string(d, "context", ""), "one");
	assert_string_equal(mill_json_get_string(d, "kubeconfig", ""), "/k");
	assert_int_equal(mill_cluster_open(d, &host, &again, NULL), 0);
	assert_string_equal(again->context, "one");
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *said;
	} cases[] = {
		{"{\"provider\":\"moon\"}", "there is no cluster driver 'moon'"},
		{"{\"v\":2,\"provider\":\"kind\"}", "newer data-mill"},
		{"{\"provider\":\"kind\",\"section\":{\"cluster_name\":\"../x\"}}", "is not a cluster's name"},
		{"{\"provider\":\"multipass\",\"section\":{\"cluster_name\":\"a.b\"}}", "cannot be called 'a.b'"},
		{"{\"provider\":\"aws\",\"section\":{\"bucket_name\":\"b-1\",\"zones\":\"x-1a\"}}", "`node_size` is missing"},
		{"{\"provider\":\"gke\",\"section\":{\"node_size\":\"e2-small\"}}", "`zones` is missing"},
	};

	for (size_t i = 0; i < MILL_ARRAY_LEN(cases); i++) {
		_cleanup_error_ struct mill_error err = {0};
		struct mill_cluster *c = NULL;

		assert_true(open_text(cases[i].text, &c, &err) < 0);
		assert_null(c);
		assert_true(err.usage);
		assert_non_null(strstr(err.message, cases[i].said));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_sizes_and_registries),
		cmocka_unit_test(test_recorded_context),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
