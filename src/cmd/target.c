#include "base/base.h"
#include "base/io.h"
#include "base/json.h"
#include "cmd/commands.h"
#include "cmd/context.h"
#include "cmd/words.h"
#include "yaml/node.h"

/* A name of k8s/configs/ in the project or among the shipped ones, or a path; owned, NULL when absent. */
static char *find(const struct mill_context *ctx, const char *name)
{
	const char *const roots[] = {ctx->layout.project, ctx->layout.resources};

	if (mill_is_file(name))
		return mill_xstrdup(name);
	for (size_t i = 0; i < MILL_ARRAY_LEN(roots); i++) {
		static const char *const endings[] = {".yaml", ""};

		for (size_t e = 0; roots[i] && e < MILL_ARRAY_LEN(endings); e++) {
			char *path = mill_xasprintf("%s/k8s/configs/%s%s", roots[i], name, endings[e]);

			if (mill_is_file(path))
				return path;
			free(path);
		}
	}
	return NULL;
}

static int load(struct mill_context *ctx, const char *name, struct mill_document **ret,
		struct mill_error *err)
{
	_cleanup_free_ char *path = find(ctx, name);

	if (!path) {
		_cleanup_strv_ struct mill_strv names = {0};
		_cleanup_free_ char *list = NULL;

		mill_words_list(MILL_WORD_TARGET, &names);
		list = mill_strv_join(&names, ", ");
		mill_fail_usage(err, "there is no target file '%s'", name);
		return mill_error_hint(err, "there are: %s", list);
	}
	if (mill_document_load(path, path, &ctx->diags, ret) < 0 || ctx->diags.n_errors) {
		mill_context_print_diags(ctx);
		return mill_diags_fail(&ctx->diags, err);
	}
	return 0;
}

/* "native", "microk8s in multipass", "kubeconfig": what a section stands for. */
static const char *provider_of(const char *location, const struct mill_node *section)
{
	const char *provider = mill_node_text(mill_node_get(section, "provider"));
	const char *multipass = mill_node_text(mill_node_get(section, "use_multipass"));

	if (strcmp(location, "hybrid") == 0)
		return "kubeconfig";
	if (mill_streq(provider, "microk8s") && mill_streq(multipass, "true"))
		return "microk8s in multipass";
	return provider ? provider : "native";
}

static const char *const locations[] = {"local", "remote", "hybrid"};

static json_t *describe(const char *name, const struct mill_document *doc)
{
	json_t *o = json_pack("{s:s, s:s}", "name", name, "file", doc->source->path);

	for (size_t i = 0; i < MILL_ARRAY_LEN(locations); i++) {
		const struct mill_node *section = mill_node_get(doc->root, locations[i]);
		const char *provider = section ? provider_of(locations[i], section) : NULL;

		if (!section)
			continue;
		json_object_set_new(o, locations[i], mill_node_to_json(section));
		json_object_set_new(json_object_get(o, locations[i]), "runtime",
				    json_string(strcmp(provider, "native") == 0 ? "native" : "kubernetes"));
	}
	return o;
}

static void print_json(const json_t *v)
{
	_cleanup_free_ char *text = json_dumps(v, JSON_INDENT(2));

	mill_outf("%s\n", text);
}

static int run_list(struct mill_invocation *inv, struct mill_error *err)
{
	static const char *const headers[] = {"TARGET", "LOCAL (-l)", "REMOTE (-r)", "HYBRID (-h)", NULL};
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	_cleanup_table_ struct mill_table t = {0};
	_cleanup_strv_ struct mill_strv names = {0};
	_cleanup_json_ json_t *all = json_array();
	int r = mill_context_layout(&ctx, err);

	if (r < 0)
		return r;
	mill_table_init(&t, headers);
	mill_words_list(MILL_WORD_TARGET, &names);
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_document_ struct mill_document *doc = NULL;

		r = load(&ctx, names.items[i], &doc, err);
		if (r < 0)
			return r;
		json_array_append_new(all, describe(names.items[i], doc));
		mill_table_add(&t, MILL_LOOK_NAME, names.items[i]);
		for (size_t k = 0; k < MILL_ARRAY_LEN(locations); k++) {
			const struct mill_node *section = mill_node_get(doc->root, locations[k]);

			mill_table_add(&t, MILL_LOOK_PLAIN, section ? provider_of(locations[k], section) : NULL);
		}
	}
	if (inv->ui->json)
		print_json(all);
	else
		mill_table_show(&t, inv->ui);
	return MILL_EXIT_OK;
}

static int run_show(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	_cleanup_document_ struct mill_document *doc = NULL;
	_cleanup_json_ json_t *o = NULL;
	const char *name = mill_arg(inv, 0) ? mill_arg(inv, 0) : mill_opt(inv, "target");
	int r = mill_context_layout(&ctx, err);

	if (r == 0)
		r = load(&ctx, name ? name : "native", &doc, err);
	if (r < 0)
		return r;
	o = describe(name ? name : "native", doc);
	if (inv->ui->json) {
		print_json(o);
		return MILL_EXIT_OK;
	}
	mill_outf("%s\n", doc->source->path);
	for (size_t i = 0; i < MILL_ARRAY_LEN(locations); i++) {
		const struct mill_node *section = mill_node_get(doc->root, locations[i]);

		if (!section)
			continue;
		mill_outf("\n%s (-%c): %s\n", locations[i], locations[i][0], provider_of(locations[i], section));
		MILL_MAP_EACH (pair, section) {
			_cleanup_json_ json_t *value = mill_node_to_json(pair->value);
			_cleanup_free_ char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);

			mill_outf("  %-16s %s\n", pair->key, json_is_string(value) ? json_string_value(value) : text);
		}
		if (strcmp(provider_of(locations[i], section), "native") != 0)
			mill_outf("  (data-mill cluster create -%c -t %s)\n", locations[i][0], name ? name : "native");
	}
	return MILL_EXIT_OK;
}

static const struct mill_command list = {
	.name = "list", .summary = "list the target files", .usage = "", .run = run_list,
};
static const struct mill_command show = {
	.name = "show", .summary = "show one target file", .usage = "[TARGET]", .word = MILL_WORD_TARGET,
	.max_args = 1, .run = run_show,
};
static const struct mill_command *const subcommands[] = {&list, &show, NULL};

const struct mill_command mill_cmd_target = {
	.name = "target",
	.group = "Project",
	.summary = "where platforms can run",
	.usage = "",
	.description = "Target files say where a platform runs, for each location: local (-l), remote (-r), hybrid (-h). "
		       "`provider: native` is this machine without Kubernetes; `data-mill cluster` makes, stops and deletes the others.",
	.examples = "data-mill target list\n"
		    "data-mill target show default_mc",
	.subcommands = subcommands,
};
