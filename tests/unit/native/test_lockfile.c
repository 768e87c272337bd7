/* Coordinates, lock lines and the poms made from them. */
#include "../cmocka_all.h"

#include "runtime/native/apt.h"
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

#define HASH "5a570d64fab14243a277771c9d5493f2b0e0e15e77a04c57caf3f28274d194bf"

static void test_debian_packages(void **state)
{
	static const char *const bad[] = {
		"", "bookworm all a=1 sha256:" HASH " 5",
		"bookworm all a sha256:" HASH " 5 pool/a.deb",
		"bookworm all a=1 sha256:" HASH " five pool/a.deb",
		"bookworm all a=1 sha256:short 5 pool/a.deb",
		"bookworm all a=1 md5:" HASH " 5 pool/a.deb",
		/* Options of apt, and ways out of its folder. */
		"bookworm all -oDir=/ sha256:" HASH " 5 pool/a.deb",
		"bookworm all ../../a=1 sha256:" HASH " 5 pool/a.deb",
		"bookworm all a=1/../../b sha256:" HASH " 5 pool/a.deb",
		"bookworm ../x a=1 sha256:" HASH " 5 pool/a.deb",
		"bookworm all a= sha256:" HASH " 5 pool/a.deb",
		"bookworm all a=1=2 sha256:" HASH " 5 pool/a.deb",
		"bookworm all a=1 sha256:" HASH " 5 ../a.deb",
		"bookworm all a=1 sha256:" HASH " 5 /etc/a.deb",
	};
	struct mill_apt_package p = {0};
	for (size_t i = 0; i < MILL_ARRAY_LEN(bad); i++)
		assert_int_equal(mill_apt_package_parse(bad[i], &p), -EINVAL);
	assert_int_equal(mill_apt_package_parse("bookworm amd64 libc++1=1:2.3~rc1+b-1 sha256:" HASH " 5 pool/main/a%7e.deb", &p), 0);
	assert_string_equal(p.name, "libc++1");
	assert_string_equal(p.version, "1:2.3~rc1+b-1");
	assert_string_equal(p.arch, "amd64");
	assert_string_equal(p.sha256, HASH);
	assert_int_equal(p.size, 5);
	mill_apt_package_release(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_coordinates), cmocka_unit_test(test_locked),
					   cmocka_unit_test(test_pom), cmocka_unit_test(test_debian_packages)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
