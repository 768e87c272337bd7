/* The original's flags: argv -> subcommand line, or a usage error that names the flag. */
#include "../cmocka_all.h"

#include "cmd/cmd.h"

struct example {
	const char *in;    /* words of the command line */
	const char *out;   /* words of the subcommand line; NULL: not the original's; "!": an error */
	const char *error; /* part of the message */
};

static const struct example examples[] = {
	/* the post's example, in every order and combination */
	{"-l -s -i", "up --start-cluster -l", NULL},
	{"-i -l -s", "up --start-cluster -l", NULL},
	{"-s -i -l", "up --start-cluster -l", NULL},
	{"-lsi", "up --start-cluster -l", NULL},
	{"-isl", "up --start-cluster -l", NULL},
	{"-l -si", "up --start-cluster -l", NULL},
	{"-l -i", "up -l", NULL},
	{"-l -s", "start -l", NULL},
	{"-l -s -s", "start -l", NULL},
	{"-l -l -s", "start -l", NULL},
	{"-l -u", "uninstall -l --all", NULL},
	{"-l -x", "destroy -l", NULL},
	{"-l -a", "down -l", NULL},
	{"-r -i", "up -r", NULL},
	{"-h -i", "up -h", NULL},
	{"-ih", "up -h", NULL},
	/* options with values */
	{"-l -i -f flavours/datalake.yaml", "up -l -f flavours/datalake.yaml", NULL},
	{"-f x.yaml -l -i -t native.yaml", "up -l -f x.yaml -t native.yaml", NULL},
	{"-lsif x.yaml", "up --start-cluster -l -f x.yaml", NULL},
	{"-lsifx.yaml", "up --start-cluster -l -f x.yaml", NULL},
	{"-lsif=x.yaml", "up --start-cluster -l -f x.yaml", NULL},
	{"-f x.yaml -lsi -c minio -c dvc", "up --start-cluster -l -f x.yaml -c minio -c dvc", NULL},
	{"-l -i --flavour x.yaml", "up -l --flavour x.yaml", NULL},
	{"-l -i --flavour=x.yaml", "up -l --flavour=x.yaml", NULL},
	{"-hi --kubeconfig /k -f datalake", "up -h --kubeconfig /k -f datalake", NULL},
	{"--local -i", "up -l --local", NULL},
	{"-l --remote -i", "!", "two locations: -l (local) and -r (remote)"},
	/* one component */
	{"-l -s -c minio", "start -l -c minio", NULL},
	{"-l -u -c minio", "uninstall -l -c minio", NULL},
	{"-l -a -c minio", "stop -l -c minio", NULL},
	{"-l -x -c minio", "!", "-c:"},
	/* options of the commands come along */
	{"-l -x --yes --delete-data", "destroy -l --yes --delete-data", NULL},
	{"-l -u --delete-data", "uninstall -l --delete-data --all", NULL},
	{"-l -i --without prometheus --prune", "up -l --without prometheus --prune", NULL},
	{"-l -i --help", "up -l --help", NULL},
	/* the debug environment */
	{"-d", "shell", NULL},
	{"-d net", "shell net", NULL},
	{"-d app", "shell app", NULL},
	{"-dnet", "shell net", NULL},
	{"-ld net", "shell -l net", NULL},
	{"-d app -l", "shell -l app", NULL},
	{"-d -l", "shell -l", NULL},
	{"-d -f x", "shell -f x", NULL},
	{"-d other", "!", "unexpected word 'other'"},
	{"-dl net", "!", "unexpected word 'net'"},
	{"-d -i -l", "!", "-i and -d contradict"},
	{"-p", "proxy", NULL},
	{"-l -p", "proxy -l", NULL},
	/* help */
	{"-h", "help", NULL},
	{"-h -f x", "help", NULL},
	/* mistakes */
	{"-i", "!", "-i: no location given"},
	{"-s", "!", "-s: no location given"},
	{"-u -f x", "!", "-u: no location given"},
	{"-x", "!", "-x: no location given"},
	{"-a", "!", "-a: no location given"},
	{"-l", "!", "-l: no action given"},
	{"-f x", "!", "-f: no action given"},
	{"-l -z", "!", "unknown flag -z"},
	{"-lzi", "!", "unknown flag -z"},
	{"-l -r -i", "!", "two locations: -l (local) and -r (remote)"},
	{"-l -h", "!", "two locations: -l (local) and -h (hybrid)"},
	{"-rhi", "!", "two locations: -r (remote) and -h (hybrid)"},
	{"-l -i -u", "!", "-i and -u contradict"},
	{"-l -u -i", "!", "-i and -u contradict"},
	{"-l -s -a", "!", "-s and -a contradict"},
	{"-lax", "!", "-x and -a contradict"},
	{"-l -s -i -x", "!", "-i and -x contradict"},
	{"-l -i -f", "!", "-f: FILE is missing"},
	{"-l -i -t", "!", "-t: FILE is missing"},
	{"-l -i -c", "!", "-c: NAME is missing"},
	{"-f -l -i", "!", "-f: FILE is missing"},
	{"-l -i minio", "!", "unexpected word 'minio'"},
	{"-l -i status", "!", "unexpected word 'status'"},
	/* not the original's */
	{"status", NULL, NULL},
	{"-l status", NULL, NULL},
	{"-f x up", NULL, NULL},
	{"--json status", NULL, NULL},
	{"status -l -s", NULL, NULL},
	{"--help", NULL, NULL},
	{"--version", NULL, NULL},
	{"-l --help", NULL, NULL},
	{"", NULL, NULL},
};

static void check(const struct example *e)
{
	_cleanup_strv_ struct mill_strv in = {0}, out = {0};
	_cleanup_error_ struct mill_error err = {0};
	_cleanup_free_ char *got = NULL;
	int r;

	mill_strv_split(&in, e->in, " ");
	r = mill_legacy_translate((int)in.n, mill_strv_argv(&in), &out, &err);
	got = mill_strv_join(&out, " ");
	if (mill_streq(e->out, "!")) {
		if (r != -EINVAL || !err.usage || !strstr(err.message, e->error))
			fail_msg("%s: %d, '%s', message '%s'", e->in, r, got, err.message);
	} else if (r != (e->out ? 1 : 0) || !mill_streq(got, e->out ? e->out : "")) {
		fail_msg("%s: %d, '%s', message '%s'", e->in, r, got, err.message);
	}
}

static void test_table(void **state)
{
	for (size_t i = 0; i < MILL_ARRAY_LEN(examples); i++)
		check(&examples[i]);
}

/* Every pair of actions: only -s with -i is no contradiction. */
static void test_pairs(void **state)
{
	static const char letters[] = "siuxadp";

	for (const char *a = letters; *a; a++)
		for (const char *b = letters; *b; b++) {
			_cleanup_strv_ struct mill_strv out = {0};
			_cleanup_error_ struct mill_error err = {0};
			char word[] = {'-', 'l', *a, *b, 0};
			char *argv[] = {word, NULL};
			bool fine = *a == *b || (*a == 's' && *b == 'i') || (*a == 'i' && *b == 's');
			int r = mill_legacy_translate(1, argv, &out, &err);

			if (r != (fine ? 1 : -EINVAL))
				fail_msg("%s: %d", word, r);
			if (!fine)
				assert_non_null(strstr(err.message, "contradict"));
		}
}

/* Where the flags stand does not matter. */
static void test_orders(void **state)
{
	static const char *const parts[4] = {"-l", "-s", "-i", "-f x"};
	static const int orders[24][4] = {
		{0, 1, 2, 3}, {0, 1, 3, 2}, {0, 2, 1, 3}, {0, 2, 3, 1}, {0, 3, 1, 2}, {0, 3, 2, 1},
		{1, 0, 2, 3}, {1, 0, 3, 2}, {1, 2, 0, 3}, {1, 2, 3, 0}, {1, 3, 0, 2}, {1, 3, 2, 0},
		{2, 0, 1, 3}, {2, 0, 3, 1}, {2, 1, 0, 3}, {2, 1, 3, 0}, {2, 3, 0, 1}, {2, 3, 1, 0},
		{3, 0, 1, 2}, {3, 0, 2, 1}, {3, 1, 0, 2}, {3, 1, 2, 0}, {3, 2, 0, 1}, {3, 2, 1, 0}};

	for (size_t i = 0; i < MILL_ARRAY_LEN(orders); i++) {
		_cleanup_free_ char *line =
			mill_xasprintf("%s %s %s %s", parts[orders[i][0]], parts[orders[i][1]],
				       parts[orders[i][2]], parts[orders[i][3]]);
		struct example e = {line, "up --start-cluster -l -f x", NULL};

		check(&e);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_orders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
