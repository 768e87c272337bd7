/* States of a component by chart, from what the API server says of its workloads, pods and objects. */
#include "../cmocka_all.h"

#include "base/json.h"
#include "runtime/kubernetes/chart.h"

#define OURS "\"labels\": {\"data-mill.io/component\": \"box\", \"data-mill.io/service\": \"chart\"}"
#define DEPLOYMENT(spec, status) "\"web\": {\"kind\": \"Deployment\", \"metadata\": {\"generation\": 2, " OURS "}, \"spec\": {" spec "}, \"status\": {" status "}}"
#define DAEMON(status) "\"agent\": {\"kind\": \"DaemonSet\", \"metadata\": {\"generation\": 1, " OURS "}, \"spec\": {}, \"status\": {" status "}}"
#define THEIRS "\"x\": {\"kind\": \"Deployment\", \"metadata\": {\"generation\": 1}, \"spec\": {\"replicas\": 3}, \"status\": {}}"
#define POD(status) "{\"metadata\": {\"name\": \"web-1\", " OURS "}, \"status\": {" status "}}"
#define RUNNING "\"phase\": \"Running\""
#define CRASH RUNNING ", \"containerStatuses\": [{\"restartCount\": 2, \"state\": {\"waiting\": {\"reason\": \"CrashLoopBackOff\"}}, \"lastState\": {\"terminated\": {\"exitCode\": 3, \"reason\": \"Error\"}}}]"
#define BOX(generation, status) "{\"kind\": \"Box\", \"metadata\": {\"name\": \"box\", \"generation\": " generation "}, \"status\": {" status "}}"
#define READY(is) "\"observedGeneration\": 1, \"conditions\": [{\"type\": \"Other\", \"status\": \"True\"}, {\"type\": \"Ready\", \"status\": \"" is "\", \"reason\": \"Why\", \"message\": \"so\"}]"
#define CHART "[{\"release\": \"box\", \"chart\": \"box\"}]"
#define OBJECT "[{\"release\": \"box\", \"selector\": \"op=box\", \"ready\": [{\"what\": \"crd/boxes.t.io\"}, {\"what\": \"box.t.io/box\", \"condition\": \"Ready\"}]}]"

static const struct {
	const char *charts, *workloads, *pods, *others, *state, *reason;
} table[] = {
	{CHART, DEPLOYMENT("\"replicas\": 1", "\"observedGeneration\": 2, \"replicas\": 1, \"readyReplicas\": 1, \"updatedReplicas\": 1"), POD(RUNNING), "", "ready", NULL},
	/* the old pod is ready, the new one is not */
	{CHART, DEPLOYMENT("\"replicas\": 1", "\"observedGeneration\": 2, \"replicas\": 2, \"readyReplicas\": 1, \"updatedReplicas\": 1"), POD(RUNNING), "", "running", NULL},
	{CHART, DEPLOYMENT("\"replicas\": 1", "\"observedGeneration\": 1, \"replicas\": 1, \"readyReplicas\": 1, \"updatedReplicas\": 1"), POD(RUNNING), "", "running", NULL},
	{CHART, DEPLOYMENT("\"replicas\": 1", "\"observedGeneration\": 2, \"replicas\": 1, \"updatedReplicas\": 1"), POD(CRASH), "", "backoff", "CrashLoopBackOff: exit code 3"},
	/* one of two is not there yet; another's workload does not count */
	{CHART, DEPLOYMENT("\"replicas\": 1", "\"observedGeneration\": 2, \"replicas\": 1, \"readyReplicas\": 1, \"updatedReplicas\": 1") ", " DAEMON("\"observedGeneration\": 1, \"desiredNumberScheduled\": 2, \"numberReady\": 1, \"updatedNumberScheduled\": 2"), POD(RUNNING), "", "running", NULL},
	{CHART, DEPLOYMENT("\"replicas\": 1", "\"observedGeneration\": 2, \"replicas\": 1, \"readyReplicas\": 1, \"updatedReplicas\": 1") ", " THEIRS, POD(RUNNING), "", "ready", NULL},
	{CHART, DEPLOYMENT("\"replicas\": 0", "\"observedGeneration\": 2") ", " DAEMON("\"observedGeneration\": 1, \"desiredNumberScheduled\": 0"), "", "", "stopped", NULL},
	{CHART, DEPLOYMENT("\"replicas\": 0", "\"observedGeneration\": 2"), POD(RUNNING), "", "stopping", NULL},
	{CHART, DEPLOYMENT("\"replicas\": 0", "\"observedGeneration\": 2"), POD("\"phase\": \"Succeeded\""), "", "stopped", NULL},
	/* what an operator answers for */
	{OBJECT, "", "", BOX("1", READY("True")), "ready", NULL},
	{OBJECT, "", "", BOX("2", READY("True")), "stopped", "box.t.io/box: its operator has not looked at it yet"},
	{OBJECT, "", POD(RUNNING), BOX("1", READY("False")), "running", "box.t.io/box: Why: so"},
	{OBJECT, "", "", BOX("1", ""), "stopped", "box.t.io/box: its operator says nothing of Ready: is it running?"},
	{OBJECT, "", "", "", "stopped", "box.t.io/box is not there"},
	{OBJECT, "", "", "{\"kind\": \"Boxer\", \"metadata\": {\"name\": \"box\", \"generation\": 1}, \"status\": {" READY("True") "}}", "stopped", "box.t.io/box is not there"},
	{OBJECT, "", "{\"selected\": \"op=box\", \"metadata\": {\"name\": \"o-1\"}, \"status\": {" CRASH "}}", BOX("1", READY("False")), "backoff", "CrashLoopBackOff: exit code 3"},
};

static void test_states(void **state)
{
	for (size_t i = 0; i < MILL_ARRAY_LEN(table); i++) {
		_cleanup_free_ char *text = mill_xasprintf("{\"workloads\": {%s}, \"pods\": [%s], \"others\": [%s]}", table[i].workloads, table[i].pods, table[i].others);
		_cleanup_json_ json_t *snapshot = json_loads(text, 0, NULL), *charts = json_loads(table[i].charts, 0, NULL), *found;

		assert_non_null(snapshot);
		assert_non_null(charts);
		found = mill_kube_chart_state(snapshot, "box", charts);
		assert_string_equal(mill_json_get_string(found, "id", ""), "box.chart");
		if (strcmp(mill_json_get_string(found, "state", ""), table[i].state) != 0)
			fail_msg("%zu: %s, expected %s", i, mill_json_get_string(found, "state", ""), table[i].state);
		assert_string_equal(mill_json_get_string(found, "reason", "-"), table[i].reason ? table[i].reason : "-");
	}
	assert_null(mill_kube_chart_state(NULL, "box", NULL));
}

/* Only an old pod that is not ready is in a StatefulSet's way. */
static void test_stuck(void **state)
{
	static const struct {
		const char *seen, *revision, *ready;
		bool stuck;
	} cases[] = {
		{"2", "old", "False", true},
		{"2", "old", "True", false},
		{"2", "new", "False", false},
		{"1", "old", "False", false}, /* the set has not been looked at since */
	};

	for (size_t i = 0; i < MILL_ARRAY_LEN(cases); i++) {
		_cleanup_free_ char *text = mill_xasprintf(
			"{\"workloads\": {\"s\": {\"kind\": \"StatefulSet\", \"metadata\": {\"generation\": 2}, \"status\": {\"updateRevision\": \"new\", \"observedGeneration\": %s}}},"
			" \"pods\": [{\"metadata\": {\"labels\": {\"controller-revision-hash\": \"%s\"}, \"ownerReferences\": [{\"name\": \"s\"}]},"
			" \"status\": {\"conditions\": [{\"type\": \"Ready\", \"status\": \"%s\"}]}}]}",
			cases[i].seen, cases[i].revision, cases[i].ready);
		_cleanup_json_ json_t *snapshot = json_loads(text, 0, NULL);

		assert_int_equal(mill_kube_chart_is_stuck(snapshot, json_array_get(json_object_get(snapshot, "pods"), 0)), cases[i].stuck);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_states), cmocka_unit_test(test_stuck)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
