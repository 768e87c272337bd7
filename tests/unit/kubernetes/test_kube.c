/* What is pure in the Kubernetes runtime: states from what the API server says, causes from what kubectl says. */
#include "../cmocka_all.h"

#include "base/json.h"
#include "runtime/kubernetes/internal.h"

/* ---- states ---- */

/* A workload `a` of the component a's service server, with one pod (NULL: none). */
static json_t *snapshot(const char *spec, const char *status, const char *pod)
{
	_cleanup_free_ char *text = mill_xasprintf(
		"{\"workloads\": {\"a\": {\"kind\": \"Deployment\", \"metadata\": {\"name\": \"a\", \"generation\": 2}, \"spec\": {%s,"
		" \"template\": {\"metadata\": {\"annotations\": {\"data-mill.io/fingerprint\": \"f1\"}}}}, \"status\": {%s}}},"
		" \"pods\": [%s%s%s], \"claims\": []}",
		spec, status,
		pod ? "{\"metadata\": {\"name\": \"a-1\", \"labels\": {\"data-mill.io/component\": \"a\", \"data-mill.io/service\": \"server\"}}, \"status\": {" : "",
		pod ? pod : "", pod ? "}}" : "");
	json_t *o = json_loads(text, 0, NULL);

	assert_non_null(o);
	return o;
}

#define READY "\"observedGeneration\": 2, \"readyReplicas\": 1, \"updatedReplicas\": 1"
#define WAITING(reason, message) "\"phase\": \"Pending\", \"containerStatuses\": [{\"restartCount\": 5, \"state\": {\"waiting\": {\"reason\": \"" reason \
	"\", \"message\": \"" message "\"}}, \"lastState\": {\"terminated\": {\"exitCode\": 3, \"reason\": \"Error\"}}}]"

/* its metadata comes a second time: the last one counts */
#define EVICTED(fingerprint) "\"phase\": \"Failed\", \"reason\": \"Evicted\", \"message\": \"the disk is full\"}, \"metadata\": {\"name\": \"a-0\", \"uid\": \"u\", " \
	"\"labels\": {\"data-mill.io/component\": \"a\", \"data-mill.io/service\": \"server\"}, \"annotations\": {\"data-mill.io/fingerprint\": \"" fingerprint "\"}"

static const struct {
	const char *spec, *status, *pod, *state, *reason;
} states[] = {
	{"\"replicas\": 1", READY, "\"phase\": \"Running\"", "ready", NULL},
	{"\"replicas\": 0", READY, NULL, "stopped", NULL},
	{"\"replicas\": 0", READY, "\"phase\": \"Running\"", "stopping", NULL},
	/* the controller has not seen the newest template: what is ready is the old one */
	{"\"replicas\": 1", "\"observedGeneration\": 1, \"readyReplicas\": 1, \"updatedReplicas\": 1", "\"phase\": \"Running\"", "running", NULL},
	/* the old pod is ready, the new one is not */
	{"\"replicas\": 1", READY ", \"replicas\": 2", "\"phase\": \"Running\"", "running", NULL},
	{"\"replicas\": 2", READY, "\"phase\": \"Running\"", "running", NULL},
	{"\"replicas\": 1", "\"observedGeneration\": 2", NULL, "starting", NULL},
	{"\"replicas\": 1", "\"observedGeneration\": 2", "\"phase\": \"Pending\"", "starting", NULL},
	{"\"replicas\": 1", "\"observedGeneration\": 2", WAITING("CrashLoopBackOff", "back-off"), "backoff", "CrashLoopBackOff: exit code 3"},
	{"\"replicas\": 1", "\"observedGeneration\": 2", WAITING("ImagePullBackOff", "no such image"), "starting", "ImagePullBackOff: no such image"},
	{"\"replicas\": 1", "\"observedGeneration\": 2", WAITING("ContainerCreating", ""), "starting", NULL},
	{"\"replicas\": 1", "\"observedGeneration\": 2",
	 "\"phase\": \"Pending\", \"conditions\": [{\"type\": \"PodScheduled\", \"status\": \"False\", \"reason\": \"Unschedulable\", \"message\": \"0/1 nodes\"}]",
	 "starting", "Unschedulable: 0/1 nodes"},
	{"\"replicas\": 1",
	 "\"observedGeneration\": 2, \"conditions\": [{\"type\": \"ReplicaFailure\", \"status\": \"True\", \"reason\": \"FailedCreate\", \"message\": \"exceeded quota\"}]",
	 NULL, "starting", "FailedCreate: exceeded quota"},
	{"\"replicas\": 1", "\"observedGeneration\": 2",
	 "\"phase\": \"Running\", \"containerStatuses\": [{\"restartCount\": 1, \"state\": {\"waiting\": {\"reason\": \"CrashLoopBackOff\"}}, \"lastState\": "
	 "{\"terminated\": {\"exitCode\": 137, \"reason\": \"OOMKilled\"}}}]",
	 "backoff", "CrashLoopBackOff: OOMKilled: it was killed for using more memory than its limit"},
	/* killed a moment ago, not yet held back */
	{"\"replicas\": 1", "\"observedGeneration\": 2",
	 "\"phase\": \"Running\", \"containerStatuses\": [{\"name\": \"server\", \"state\": {\"terminated\": {\"exitCode\": 137, \"reason\": \"OOMKilled\"}}}]}, "
	 "\"spec\": {\"containers\": [{\"name\": \"server\", \"resources\": {\"requests\": {\"memory\": \"16Mi\"}, \"limits\": {\"memory\": \"160Mi\"}}}]",
	 "running", "OOMKilled: it was killed for using more memory than its limit of 160Mi (it asks for 16Mi)"},
	/* killed long ago, and fine since */
	{"\"replicas\": 1", "\"observedGeneration\": 2",
	 "\"phase\": \"Running\", \"containerStatuses\": [{\"ready\": true, \"state\": {\"running\": {}}, \"lastState\": "
	 "{\"terminated\": {\"exitCode\": 137, \"reason\": \"OOMKilled\"}}}]",
	 "running", NULL},
	/* an evicted pod stays lying there; it is none that runs or is to be waited for */
	{"\"replicas\": 1", "\"observedGeneration\": 2", EVICTED("f1"), "starting", "Evicted: the disk is full"},
	{"\"replicas\": 1", "\"observedGeneration\": 2", EVICTED("f0"), "starting", NULL},
	{"\"replicas\": 1", READY, EVICTED("f1"), "ready", NULL},
	{"\"replicas\": 0", READY, EVICTED("f1"), "stopped", NULL},
};

static void test_states(void **state)
{
	for (size_t i = 0; i < MILL_ARRAY_LEN(states); i++) {
		_cleanup_json_ json_t *all = snapshot(states[i].spec, states[i].status, states[i].pod);
		_cleanup_json_ json_t *found = mill_kube_service_state(all, "a.server", "a");

		assert_non_null(found);
		assert_string_equal(mill_json_get_string(found, "state", ""), states[i].state);
		assert_string_equal(mill_json_get_string(found, "fingerprint", ""), "f1");
		if (states[i].reason)
			assert_string_equal(mill_json_get_string(found, "reason", ""), states[i].reason);
		else
			assert_null(json_object_get(found, "reason"));
	}
}

static void test_absent(void **state)
{
	_cleanup_json_ json_t *all = snapshot("\"replicas\": 1", READY, NULL);

	assert_null(mill_kube_service_state(all, "b.server", "b"));
}

static void test_another_services_pod_does_not_count(void **state)
{
	_cleanup_json_ json_t *all = snapshot("\"replicas\": 1", "\"observedGeneration\": 2", WAITING("CrashLoopBackOff", ""));
	_cleanup_json_ json_t *found = mill_kube_service_state(all, "a.other", "a");

	assert_string_equal(mill_json_get_string(found, "state", ""), "starting");
	assert_null(json_object_get(found, "reason"));
}

/* ---- causes ---- */

static const struct {
	const char *said;
	int code;
	const char *hint;
} causes[] = {
	{"Error from server (Forbidden): secrets is forbidden: User \"x\" cannot list resource \"secrets\" in API group \"\"", EPERM, "--layer role"},
	{"error: You must be logged in to the server (Unauthorized)", EACCES, "log in again"},
	{"Unable to connect to the server: tls: failed to verify certificate: x509: certificate has expired or is not yet valid", EACCES, "too old"},
	{"The connection to the server 127.0.0.1:1 was refused - did you specify the right host or port?\nUnable to connect to the server: dial tcp: connection refused",
	 ECONNREFUSED, "cluster status"},
	{"Unable to connect to the server: dial tcp: lookup nowhere: no such host", EHOSTUNREACH, "cannot be found"},
	{"Error: pods \"a-0\" is forbidden: exceeded quota: small, requested: pods=1", ENOSPC, "ResourceQuota"},
	{"Error: UPGRADE FAILED: failed calling webhook \"x.example\": no endpoints", EAGAIN, "operator"},
	{"Error from server (Forbidden): unable to create new content in namespace x because it is being terminated", EBUSY, "wait until it is gone"},
	{"The PersistentVolumeClaim \"d\" is invalid: spec: Forbidden: spec is immutable after creation except resources.requests\n  ... // 2 fields\n  \"Resources\": {\n",
	 EINVAL, "delete the claim"},
	{"The PersistentVolumeClaim \"d\" is invalid: spec.resources.requests.storage: Forbidden: field can not be less than previous value", EINVAL, "never shrinks"},
	{"Error from server (Forbidden): persistentvolumeclaims \"d\" is forbidden: only dynamically provisioned pvc can be resized", EINVAL, "lets no volume grow"},
	{"something that nobody knows", EIO, NULL},
	{"", EIO, NULL},
};

static void test_causes(void **state)
{
	struct mill_kube k = {.namespace = (char *)"lake"};

	for (size_t i = 0; i < MILL_ARRAY_LEN(causes); i++) {
		_cleanup_error_ struct mill_error err = {0};

		assert_int_equal(mill_kube_explain(&k, "try", causes[i].said, &err), -causes[i].code);
		assert_non_null(strstr(err.message, "try (namespace lake): "));
		if (causes[i].hint)
			assert_non_null(strstr(err.hint, causes[i].hint));
		else
			assert_null(err.hint);
	}
}

/* Of many lines the one that says why. */
static void test_the_line_of_the_cause(void **state)
{
	struct mill_kube k = {.namespace = (char *)"lake"};
	_cleanup_error_ struct mill_error err = {0};

	mill_kube_explain(&k, "try", "Warning: old\nthe claim: spec is immutable after creation except\n  \"Resources\": {\n", &err);
	assert_string_equal(err.message, "try (namespace lake): the claim: spec is immutable after creation except");
}

static void test_decode(void **state)
{
	char *text = NULL;
	size_t len = 0;

	assert_int_equal(mill_kube_decode("aGVsbG8=", &text, &len), 0);
	assert_int_equal(len, 5);
	assert_string_equal(text, "hello");
	free(text);
	assert_int_equal(mill_kube_decode("", &text, &len), 0);
	assert_int_equal(len, 0);
	free(text);
	assert_int_equal(mill_kube_decode("!!", &text, &len), -EBADMSG);
}

static void test_a_secret_is_encoded(void **state)
{
	struct mill_kube k = {.namespace = (char *)"lake"};
	_cleanup_json_ json_t *data = json_pack("{s:s, s:[]}", "a", "hello", "b");
	_cleanup_json_ json_t *o = mill_kube_secret(&k, "x", "minio", "server", data);

	assert_string_equal(mill_json_get_string(json_object_get(o, "data"), "a", ""), "aGVsbG8=");
	assert_string_equal(mill_json_get_string(json_object_get(o, "data"), "b", "?"), "");
	assert_string_equal(mill_json_get_string(json_object_get(json_object_get(o, "metadata"), "labels"), "data-mill.io/service", ""), "server");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_absent),
		cmocka_unit_test(test_another_services_pod_does_not_count),
		cmocka_unit_test(test_causes),
		cmocka_unit_test(test_the_line_of_the_cause),
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_a_secret_is_encoded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
