/* image build, push, list, sbom, gc. */
#include "cmd/image.h"

#include "base/json.h"
#include "base/parse.h"
#include "cmd/commands.h"

/* ---- build, push ---- */

static int run_build(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_image_work_ struct mill_image_work w;
	char size[32];
	int r = mill_image_work_begin(&w, inv, err);

	for (size_t i = 0; i < w.n && r == 0; i++) {
		struct mill_image image;

		r = mill_image_work_build(&w, w.components[i], &image, err);
		if (r < 0)
			break;
		mill_view_status(w.view, NULL, 0);
		mill_outf("%s:%s  %s, %zu layers%s\n", image.name, image.tag, mill_format_size(image.bytes, size, sizeof(size)),
			  image.n_layers, image.existed ? ", was there" : "");
		mill_image_release(&image);
	}
	return mill_context_end(&w.ctx, r, err);
}

static int run_push(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_image_work_ struct mill_image_work w;
	_cleanup_free_ char *host = NULL;
	struct mill_image_registry to;
	int r = mill_image_work_begin(&w, inv, err);

	if (r == 0)
		r = mill_image_registry_of(&w.ctx, &to, &host, err);
	for (size_t i = 0; i < w.n && r == 0; i++)
		r = mill_image_work_push(&w, NULL, &to, w.components[i], err);
	return mill_context_end(&w.ctx, r, err);
}

/* ---- list, sbom, gc ---- */

static int open_images(struct mill_context *ctx, struct mill_images **ret, struct mill_error *err)
{
	int r = mill_context_layout(ctx, err);

	return r < 0 ? r : mill_images_open(&ctx->layout, ret, err);
}

/* "yes", "no", or "unknown" when the registry does not answer. */
static const char *is_pushed(const struct mill_image_registry *registry, const struct mill_image *image)
{
	int has = mill_image_exists(registry, image->name, image->tag, NULL);

	return has < 0 ? "unknown" : has ? "yes" : "no";
}

static void show_list(const struct mill_ui *ui, const struct mill_image_list *list, const struct mill_image_registry *registry)
{
	static const char *const headers[] = {"IMAGE", "TAG", "KIND", "SIZE", "LAYERS", "PUSHED", "DIGEST", NULL};
	_cleanup_table_ struct mill_table t = {0};
	_cleanup_json_ json_t *all = json_array();
	char size[32];

	mill_table_init(&t, headers);
	for (size_t i = 0; i < list->n; i++) {
		const struct mill_image *m = &list->items[i];
		const char *pushed = registry ? is_pushed(registry, m) : NULL;

		mill_table_add(&t, MILL_LOOK_NAME, m->name);
		mill_table_add(&t, MILL_LOOK_PLAIN, m->tag);
		mill_table_add(&t, MILL_LOOK_PLAIN, m->kind);
		mill_table_add(&t, MILL_LOOK_PLAIN, mill_format_size(m->bytes, size, sizeof(size)));
		mill_table_addf(&t, MILL_LOOK_PLAIN, "%zu", m->n_layers);
		mill_table_add(&t, MILL_LOOK_PLAIN, pushed);
		mill_table_add(&t, MILL_LOOK_DIM, m->digest);
		json_array_append_new(all, json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:s?}", "name", m->name, "tag", m->tag,
						     "kind", m->kind, "digest", m->digest, "layout", m->layout, "size",
						     (json_int_t)m->bytes, "layers", (json_int_t)m->n_layers, "when_ms",
						     (json_int_t)m->when_ms, "pushed", pushed));
	}
	if (ui->json) {
		char *text = json_dumps(all, JSON_INDENT(2));

		mill_outf("%s\n", text);
		free(text);
	} else {
		mill_table_show(&t, ui);
	}
}

static int run_list(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	_cleanup_free_ char *host = NULL;
	struct mill_images *im = NULL;
	struct mill_image_list list = {0};
	struct mill_image_registry registry;
	bool asked = mill_opt(inv, "registry") != NULL, known = false;
	int r = open_images(&ctx, &im, err);

	if (r == 0) {
		known = mill_image_registry_of(&ctx, &registry, &host, asked ? err : NULL) == 0;
		r = asked && !known ? -EINVAL : mill_image_list(im, &list, err);
	}
	if (r == 0)
		show_list(inv->ui, &list, known ? &registry : NULL);
	mill_image_list_release(&list);
	mill_images_close(im);
	return r < 0 ? r : MILL_EXIT_OK;
}

static int run_sbom(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	const char *word = mill_arg(inv, 0), *colon = strchr(word, ':');
	_cleanup_free_ char *name = mill_xstrndup(word, colon ? (size_t)(colon - word) : strlen(word));
	_cleanup_free_ char *text = NULL;
	struct mill_images *im = NULL;
	int r = open_images(&ctx, &im, err);

	if (r == 0)
		r = mill_image_sbom(im, name, colon ? colon + 1 : NULL, &text, err);
	if (r == 0)
		mill_outf("%s\n", text);
	mill_images_close(im);
	return r < 0 ? r : MILL_EXIT_OK;
}

static int run_gc(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_context_ struct mill_context ctx = MILL_CONTEXT_INIT(inv);
	_cleanup_strv_ struct mill_strv removed = {0};
	bool dry_run = mill_opt_on(inv, "dry-run");
	struct mill_images *im = NULL;
	uint64_t bytes = 0;
	char size[32];
	int r = open_images(&ctx, &im, err);

	if (r == 0)
		r = mill_image_gc(im, mill_opt_count(inv, "keep", 1), dry_run, &removed, &bytes, err);
	mill_images_close(im);
	for (size_t i = 0; i < removed.n; i++)
		mill_outf("%s\n", removed.items[i]);
	if (r < 0)
		return r;
	mill_note(inv->ui, "%s%zu images and store entries, %s", dry_run ? "would remove " : "removed ", removed.n,
		  mill_format_size(bytes, size, sizeof(size)));
	return MILL_EXIT_OK;
}

/* ---- the table ---- */

static const struct mill_option build_options[] = {
	{.name = "environments", .help = "also every data-science environment that needs no GPU"},
	{0},
};
static const struct mill_option push_options[] = {
	{.name = "environments", .help = "also every data-science environment that needs no GPU"},
	MILL_OPTION_REGISTRY,
	{0},
};
static const struct mill_option list_options[] = {MILL_OPTION_REGISTRY, {0}};
static const struct mill_option gc_options[] = {
	{.name = "keep", .arg = "N", .value = MILL_VALUE_COUNT, .help = "how many images of each name stay, the newest; default: 1"},
	{.name = "dry-run", .help = "only show what would go"},
	{0},
};
static const struct mill_command build = {
	.name = "build", .summary = "build images from the locks", .usage = "[NAME...]",
	.description = "Builds what the flavour runs, or the named components and environments. The tag is a hash of what goes in: "
		       "what was built is not built again.",
	.examples = "data-mill image build minio\n"
		    "data-mill image build -f datalake",
	.options = build_options, .word = MILL_WORD_COMPONENT, .max_args = -1, .run = run_build,
};
static const struct mill_command push = {
	.name = "push", .summary = "push images to a registry", .usage = "[NAME...]",
	.description = "Builds what is missing and pushes what the registry lacks, with skopeo.",
	.examples = "data-mill image push -f datalake --registry registry.example.com/team",
	.options = push_options, .word = MILL_WORD_COMPONENT, .max_args = -1, .run = run_push,
};
static const struct mill_command list = {
	.name = "list", .summary = "what was built on this machine", .usage = "", .options = list_options, .run = run_list,
};
static const struct mill_command sbom = {
	.name = "sbom", .summary = "print an image's bill of materials (SPDX)", .usage = "NAME[:TAG]",
	.examples = "data-mill image sbom minio | jq -r '.packages[].externalRefs[].referenceLocator'",
	.word = MILL_WORD_COMPONENT, .min_args = 1, .max_args = 1, .run = run_sbom,
};
static const struct mill_command gc = {
	.name = "gc", .summary = "remove older images, and what only they needed", .usage = "", .options = gc_options, .run = run_gc,
};
static const struct mill_command *const subcommands[] = {&build, &push, &list, &sbom, &mill_cmd_image_mirror, &gc, NULL};

const struct mill_command mill_cmd_image = {
	.name = "image",
	.group = "Software",
	.summary = "container images from the locks",
	.usage = "",
	.description = "Images for clusters are made of the same locks as the software of this machine: a layer for each entry of "
		       "the store, on a minimal Debian. `up` on a cluster builds and pushes by itself what is missing; these "
		       "commands are for doing it before, and elsewhere.",
	.examples = "data-mill image build minio\n"
		    "data-mill image push minio --registry registry.example.com/team\n"
		    "data-mill image list\n"
		    "data-mill image gc",
	.subcommands = subcommands,
};
