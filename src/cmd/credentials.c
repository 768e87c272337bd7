#include "base/base.h"
#include "base/json.h"
#include "cmd/commands.h"
#include "cmd/context.h"

static void add_row(struct mill_table *t, const char *component, const char *what, const char *user,
		    const char *value, const char *where)
{
	mill_table_add(t, MILL_LOOK_NAME, component);
	mill_table_add(t, MILL_LOOK_PLAIN, what);
	mill_table_add(t, MILL_LOOK_PLAIN, user);
	mill_table_add(t, MILL_LOOK_BOLD, value);
	mill_table_add(t, MILL_LOOK_PLAIN, where);
}

/* A row a page that wants a password, then the secrets that no page uses. */
static void add_component(struct mill_table *t, const json_t *c)
{
	const char *name = mill_json_get_string(c, "component", "?"), *secret;
	const json_t *links = json_object_get(c, "links"), *link;
	json_t *value;
	size_t i;

	json_array_foreach(links, i, link)
	{
		if (mill_json_get_string(link, "password", NULL))
			add_row(t, name, mill_json_get_string(link, "title", NULL),
				mill_json_get_string(link, "user", NULL),
				mill_json_get_string(link, "password", NULL),
				mill_json_get_string(link, "url", NULL));
	}
	json_object_foreach(json_object_get(c, "secrets"), secret, value)
	{
		bool shown = false;

		json_array_foreach(links, i, link)
			shown = shown || mill_streq(mill_json_get_string(link, "secret", NULL), secret);
		if (!shown)
			add_row(t, name, secret, NULL, json_string_value(value), NULL);
	}
}

/* What serves whoever reaches it: the machine's other users should be few, and known. */
static void show_open(const json_t *all, struct mill_invocation *inv)
{
	static const char *const headers[] = {"NO PASSWORD", "PORT", "WHY", NULL};
	_cleanup_table_ struct mill_table t = {0};
	const json_t *c, *port;
	size_t i, k, n = 0;

	mill_table_init(&t, headers);
	json_array_foreach(all, i, c)
		json_array_foreach(json_object_get(c, "open"), k, port) {
			_cleanup_free_ char *name = mill_xasprintf("%s.%s", mill_json_get_string(c, "component", "?"),
								   mill_json_get_string(port, "service", "?"));
			_cleanup_free_ char *number = mill_xasprintf("%lld (%s)", (long long)mill_json_get_int(port, "number", 0),
								     mill_json_get_string(port, "port", "?"));

			mill_table_add(&t, MILL_LOOK_NAME, name);
			mill_table_add(&t, MILL_LOOK_PLAIN, number);
			mill_table_add(&t, MILL_LOOK_PLAIN, mill_json_get_string(port, "why", ""));
			n++;
		}
	if (!n)
		return;
	mill_outf("\n");
	mill_table_show(&t, inv->ui);
}

static int append(json_t *all, struct mill_context *ctx, const char *component,
		  struct mill_error *err)
{
	_cleanup_json_ json_t *some = NULL;
	int r = mill_ops_credentials(ctx->native, component, &some, err);

	if (r == 0)
		json_array_extend(all, some);
	return r;
}

static int run(struct mill_invocation *inv, struct mill_error *err)
{
	static const char *const headers[] = {"COMPONENT", "FOR", "USER", "PASSWORD", "WHERE", NULL};
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	_cleanup_table_ struct mill_table t = {0};
	_cleanup_strv_ struct mill_strv names = {0};
	_cleanup_json_ json_t *all = json_array();
	const json_t *c;
	size_t i;
	int r = mill_context_platform(&ctx, err);

	if (r == 0)
		r = mill_context_runtime(&ctx, err);
	if (r < 0)
		return r;
	mill_context_names(&ctx, &names);
	if (names.n == 0)
		r = append(all, &ctx, NULL, err);
	for (size_t k = 0; k < names.n && r == 0; k++)
		r = append(all, &ctx, names.items[k], err);
	if (r < 0)
		return r;
	if (inv->ui->json) {
		_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
		struct mill_json_writer w;

		mill_json_writer_init(&w, &out, true);
		mill_json_value(&w, all);
		mill_outf("%s\n", out.data);
		return MILL_EXIT_OK;
	}
	mill_table_init(&t, headers);
	json_array_foreach(all, i, c)
		add_component(&t, c);
	mill_table_show(&t, inv->ui);
	show_open(all, inv);
	return MILL_EXIT_OK;
}

const struct mill_command mill_cmd_credentials = {
	.name = "credentials",
	.group = "Use",
	.summary = "print generated users and passwords",
	.usage = "[COMPONENT...]",
	.description = "Prints the generated secrets of the named components, or of all, in clear, with the user and "
		       "the page they belong to. Nothing else prints them, but `env`, `exec` and `shell`. Then come the ports that "
		       "ask for no password, because their server has none to ask for.",
	.examples = "data-mill credentials minio\n"
		    "data-mill credentials --json",
	.word = MILL_WORD_COMPONENT,
	.max_args = -1,
	.run = run,
};
