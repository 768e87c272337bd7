/* Coordinates, lock lines and the poms made from them. */
#include "../cmocka_all.h"

#include "runtime/native/maven.h"

#define SHA "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void test_coordinates(void **state)
{
	static const struct {
		const char *text, *file; /* NULL: refused */
	} cases[] = {
		{"org.slf4j:slf4j-api:2.0.17", "slf4j-api-2.0.17.jar"},
		{"g:a:1:tar.gz:all", "a-1-all.tar.gz"},
		{"g:a:1:zip", "a-1.zip"},
		{"g:a", NULL},
		{"g:a:1:jar:x:y", NULL},
		{"g:../a:1", NULL},
		{"g:a</artifactId>:1", NULL},
		{"g:.a:1", NULL},
	};
	for (size_t i = 0; i < MILL_ARRAY_LEN(cases); i++) {
		struct mill_artifact a;
		int r = mill_artifact_parse(cases[i].text, &a);
		assert_int_equal(r, cases[i].file ? 0 : -EINVAL);
		if (r < 0)
			continue;
		_cleanup_free_ char *file = mill_artifact_file(&a);
		assert_string_equal(file, cases[i].file);
		mill_artifact_release(&a);
	}
}

static void test_locked(void **state)
{
	struct mill_artifact a;
	assert_int_equal(mill_artifact_parse_locked("g:a:tar.gz:all:1.2 sha256:" SHA, &a), 0);
	assert_string_equal(a.version, "1.2");
	assert_string_equal(a.classifier, "all");
	assert_string_equal(a.sha256, SHA);
	mill_artifact_release(&a);
	assert_int_equal(mill_artifact_parse_locked("g:a:jar:1.2", &a), -EINVAL);
	assert_int_equal(mill_artifact_parse_locked("g:a:jar:1.2 sha256:abc", &a), -EINVAL);
	assert_int_equal(mill_artifact_parse_locked("g:a:1.2 sha256:" SHA, &a), -EINVAL);
}

static void test_pom(void **state)
{
	_cleanup_(mill_artifacts_release) struct mill_artifacts l = {0};
	_cleanup_strv_ struct mill_strv exclude = {0};
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	MILL_GROW(l.items, l.n, l.cap);
	assert_int_equal(mill_artifact_parse("g:a:1", &l.items[l.n++]), 0);
	mill_strv_add(&exclude, "x:y");
	mill_strv_add(&exclude, "x:<y>");
	mill_pom_write(&(struct mill_pom){.items = &l, .exclude = &exclude, .transitive = true}, &out);
	assert_non_null(strstr(out.data, "<groupId>g</groupId><artifactId>a</artifactId><version>1</version>"));
	assert_non_null(strstr(out.data, "<exclusion><groupId>x</groupId><artifactId>y</artifactId></exclusion>"));
	assert_null(strstr(out.data, "<y>"));
	mill_strbuf_reset(&out);
	mill_pom_write(&(struct mill_pom){.items = &l, .copy_to = "/a & <b>"}, &out);
	assert_non_null(strstr(out.data, "<outputDirectory>/a &amp; &lt;b></outputDirectory>"));
	assert_null(strstr(out.data, "<dependencies>"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_coordinates), cmocka_unit_test(test_locked),
					   cmocka_unit_test(test_pom)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
