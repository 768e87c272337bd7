/* Paths in packaged texts that are led into the entry. */
#include <sys/stat.h>

#include "cmocka_all.h"

#include "base/io.h"
#include "runtime/native/step.h"

static char root[] = "/tmp/mill-rewrite-XXXXXX";

static int make_root(void **state)
{
	assert_non_null(mkdtemp(root));
	_cleanup_free_ char *dir = mill_xasprintf("%s/usr/lib/R", root);
	return mill_mkdir_p(dir, 0755, NULL);
}

static int remove_root(void **state)
{
	return mill_rm_rf(root, NULL);
}

/* Of `wanted`, each @ is the entry. */
static void rewrites(const char *text, const char *wanted)
{
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT, want = MILL_STRBUF_INIT;
	for (; *wanted; wanted++) {
		if (*wanted == '@')
			mill_strbuf_addstr(&want, root);
		else
			mill_strbuf_addch(&want, *wanted);
	}
	mill_rewrite_paths(text, root, &out);
	assert_string_equal(out.data, want.data);
}

static void test_paths(void **state)
{
	rewrites("R_HOME_DIR=/usr/lib/R\n", "R_HOME_DIR=@/usr/lib/R\n");
	rewrites("a:/usr/lib/R:/usr/lib:/opt\n", "a:@/usr/lib/R:@/usr/lib:/opt\n");
	rewrites("#!/bin/sh\n\"/usr/${lib}/R\"", "#!/bin/sh\n\"@/usr/${lib}/R\"");
	rewrites("", "");
	rewrites("/usr", "@/usr");
}

static void test_what_is_no_path(void **state)
{
	rewrites("sed 's/^-.*//' | sed -e 's/ /~+~/g'", "sed 's/^-.*//' | sed -e 's/ /~+~/g'");
	rewrites("${R_HOME}/usr/lib", "${R_HOME}/usr/lib");
	rewrites("$(pwd)/usr", "$(pwd)/usr");
	rewrites("http://usr/lib", "http://usr/lib");
	rewrites("../usr and a/usr / //", "../usr and a/usr / //");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_what_is_no_path),
	};
	return cmocka_run_group_tests(tests, make_root, remove_root);
}
