/* Any line as a coordinate or a lock entry of Maven artefacts (and the pom made of them), and as a Debian package's. */
#include "base/io.h"
#include "fuzz.h"
#include "runtime/native/apt.h"
#include "runtime/native/maven.h"

static void check(const struct mill_artifact *a)
{
	static const char bad[] = "<>&\"'/\\ \n";
	const char *const words[] = {a->group, a->artifact, a->version, a->type, a->classifier};
	for (size_t i = 0; i < MILL_ARRAY_LEN(words); i++) {
		FUZZ_CHECK(strpbrk(words[i], bad) == NULL);
		FUZZ_CHECK(words[i][0] != '.');
	}
	_cleanup_free_ char *file = mill_artifact_file(a);
	FUZZ_CHECK(strchr(file, '/') == NULL);
}

/* apt gets name=version as an argument, and the file's path is made of them. */
static void check_package(const char *text)
{
	struct mill_apt_package p = {0};
	if (mill_apt_package_parse(text, &p) < 0) {
		FUZZ_CHECK(!p.name && !p.version && !p.pool);
		return;
	}
	const char *const words[] = {p.suite, p.arch, p.name, p.version};
	for (size_t i = 0; i < MILL_ARRAY_LEN(words); i++)
		FUZZ_CHECK(words[i][0] && words[i][0] != '-' && words[i][0] != '.' && !strpbrk(words[i], "/= \t\n'"));
	FUZZ_CHECK(strlen(p.sha256) == 64 && mill_path_is_inside(p.pool));
	const struct mill_apt apt = {.archives = (char *)"/a"};
	_cleanup_free_ char *file = mill_apt_file(&apt, &p);
	FUZZ_CHECK(mill_starts_with(file, "/a/") && !strchr(file + 3, '/'));
	mill_apt_package_release(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = fuzz_string(data, size);
	struct mill_artifacts list = {0};
	struct mill_artifact a;
	check_package(text);
	if (mill_artifact_parse(text, &a) == 0) {
		check(&a);
		MILL_GROW(list.items, list.n, list.cap);
		list.items[list.n++] = a;
	}
	if (mill_artifact_parse_locked(text, &a) == 0) {
		check(&a);
		FUZZ_CHECK(strlen(a.sha256) == 64);
		MILL_GROW(list.items, list.n, list.cap);
		list.items[list.n++] = a;
	}
	if (list.n) {
		struct mill_strbuf out = MILL_STRBUF_INIT;
		mill_pom_write(&(struct mill_pom){.items = &list}, &out);
		FUZZ_CHECK(out.len);
		mill_strbuf_release(&out);
	}
	mill_artifacts_release(&list);
	return 0;
}
