/* What vendors' words are taken for. */
#include "../cmocka_all.h"

#include "cluster/internal.h"

static void test_kinds(void **state)
{
	static const struct {
		const char *tool, *said;
		enum mill_symptom_kind kind;
	} cases[] = {
		{"kops", "Error: cluster not found \"a.k8s.local\"", MILL_SYMPTOM_ABSENT},
		{"aws", "An error occurred (404) when calling the HeadBucket operation: Not Found", MILL_SYMPTOM_ABSENT},
		{"kops", "error (404) somewhere else", MILL_SYMPTOM_NONE}, /* aws' word only */
		{"gcloud", "ResponseError: code=403, message=Insufficient regional quota to satisfy request", MILL_SYMPTOM_QUOTA},
		{"gcloud", "WARNING: credentials without a quota project", MILL_SYMPTOM_NONE},
		{"gcloud", "ResponseError: code=403, message=Required \"container.clusters.create\" permission(s)", MILL_SYMPTOM_FORBIDDEN},
		{"kubectl", "error: You must be logged in to the server (Unauthorized)", MILL_SYMPTOM_BAD_CREDENTIALS},
		{"kubectl", "x509: certificate has expired or is not yet valid", MILL_SYMPTOM_EXPIRED},
		{"kubectl", "x509: certificate signed by unknown authority", MILL_SYMPTOM_CERTIFICATE},
		{"minikube", "PERMISSION DENIED while trying to connect to the Docker daemon socket", MILL_SYMPTOM_DOCKER_SOCKET},
		{"k3d", "open /var/lib: no space left on device", MILL_SYMPTOM_DISK},
		{"helm", "all is well", MILL_SYMPTOM_NONE},
		{"kind", "", MILL_SYMPTOM_NONE},
	};

	for (size_t i = 0; i < MILL_ARRAY_LEN(cases); i++) {
		const struct mill_symptom *s = mill_symptom_find(cases[i].tool, cases[i].said);

		assert_int_equal(s ? s->kind : MILL_SYMPTOM_NONE, cases[i].kind);
	}
}

/* A warning long before the end is not the cause. */
static void test_only_the_end_counts(void **state)
{
	_cleanup_strbuf_ struct mill_strbuf said = MILL_STRBUF_INIT;

	mill_strbuf_addstr(&said, "AccessDenied: while looking for tags, going on\n");
	for (int i = 0; i < 2000; i++)
		mill_strbuf_addstr(&said, "I1128 task done\n");
	mill_strbuf_addstr(&said, "VcpuLimitExceeded: You have requested more\n");
	assert_int_equal(mill_symptom_find("kops", said.data)->kind, MILL_SYMPTOM_QUOTA);
}

static void test_tool(void **state)
{
	char *plain[] = {(char *)"/usr/bin/kops", (char *)"get", NULL}, *sudo[] = {(char *)"sudo", (char *)"snap", NULL};

	assert_string_equal(mill_symptom_tool(plain), "kops");
	assert_string_equal(mill_symptom_tool(sudo), "snap");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_only_the_end_counts),
		cmocka_unit_test(test_tool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
