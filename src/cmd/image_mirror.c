/* image mirror: what a flavour runs, and upstream images that charts name, into another registry. */
#include "cmd/image.h"

#include "base/io.h"

#define LIST_MAX ((size_t)1 << 20)

/* One image a line; `#` begins a comment. */
static int mirror_list(struct mill_image_work *w, const char *path, const struct mill_image_registry *to, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv lines = {0};
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r = mill_read_file(path, LIST_MAX, &text, &len, err);

	if (r < 0)
		return r;
	mill_strv_split(&lines, text, "\n");
	for (size_t i = 0; i < lines.n && r == 0; i++) {
		_cleanup_free_ char *image = mill_xstrndup(lines.items[i], strcspn(lines.items[i], " \t#")), *reference = NULL;

		if (!*image)
			continue;
		reference = mill_image_mirrored(to, image, err);
		r = reference ? mill_image_copy(NULL, image, to, reference, &w->options, err) : -EINVAL;
		if (r < 0)
			return mill_error_wrap(err, "%s", path);
		mill_view_status(w->view, NULL, 0);
		mill_outf("%s  of %s\n", reference, image);
	}
	return r;
}

static int run(struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_image_work_ struct mill_image_work w = {.ctx = MILL_CONTEXT_INIT(inv)};
	_cleanup_free_ char *host = NULL;
	const char *list = mill_opt(inv, "list");
	struct mill_image_registry to = {.host = mill_opt(inv, "to"), .authfile = mill_opt(inv, "authfile"),
					 .cert_dir = mill_opt(inv, "cert-dir")}, from;
	bool known;
	int r;

	if (!to.host || strstr(to.host, "://") || strchr(to.host, ' '))
		return mill_fail_usage(err, "image mirror: --to HOST[:PORT][/PATH] says where the images go");
	r = mill_image_work_begin(&w, inv, err);
	if (r < 0)
		return mill_context_end(&w.ctx, r, err);
	known = mill_image_registry_of(&w.ctx, &from, &host, NULL) == 0;
	for (size_t i = 0; i < w.n && r == 0; i++)
		r = mill_image_work_push(&w, known ? &from : NULL, &to, w.components[i], err);
	if (r == 0 && list)
		r = mirror_list(&w, list, &to, err);
	return mill_context_end(&w.ctx, r, err);
}

static const struct mill_option options[] = {
	{.name = "to", .arg = "HOST[/PATH]", .help = "the registry that gets them"},
	{.name = "list", .arg = "FILE", .word = MILL_WORD_FILE, .help = "also these upstream images, one a line"},
	{.name = "environments", .help = "also every data-science environment that needs no GPU"},
	MILL_OPTION_REGISTRY,
	{0},
};

const struct mill_command mill_cmd_image_mirror = {
	.name = "mirror", .summary = "copy all images of a flavour to another registry", .usage = "[NAME...]",
	.description = "Copies from --registry what it has, builds the rest, and pushes it to --to. Upstream images of --list "
		       "keep their path: docker.io/library/busybox:1 becomes HOST/library/busybox:1, with its digest.",
	.examples = "data-mill image mirror -f datalake --to registry.example.com/mirror\n"
		    "data-mill image mirror minio --to 127.0.0.1:5000 --list images.txt",
	.options = options, .word = MILL_WORD_COMPONENT, .max_args = -1, .run = run,
};
