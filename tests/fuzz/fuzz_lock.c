/* Any line as a coordinate or a lock entry of Maven artefacts, and the pom that is made of them. */
#include "fuzz.h"
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = fuzz_string(data, size);
	struct mill_artifacts list = {0};
	struct mill_artifact a;
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
