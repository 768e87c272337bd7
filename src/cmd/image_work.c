/* Which images a command is about, and which registry. */
#include "cmd/image.h"

#include "base/io.h"
#include "cmd/component.h"
#include "cmd/interrupt.h"
#include "yaml/node.h"

static void add(struct mill_image_work *w, struct mill_component *c)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->components[i] == c)
			return;
	MILL_GROW(w->components, w->n, w->cap);
	w->components[w->n++] = c;
}

static int add_named(struct mill_image_work *w, const struct mill_strv *names, struct mill_error *err)
{
	int r = mill_component_load_all(&w->ctx, err);

	for (size_t i = 0; i < names->n && r == 0; i++) {
		_cleanup_free_ char *environment = mill_environment_name(names->items[i]);
		struct mill_component *c = mill_model_find(w->ctx.model, environment);

		if (!c)
			c = mill_component_named(&w->ctx, names->items[i], err);
		if (!c)
			return -EINVAL;
		if (!mill_image_wanted(c))
			return mill_fail_usage(err, "%s has nothing to run: there is no image of it", c->name);
		add(w, c);
	}
	return r;
}

/* Environments for which the flavour has a hub are picked there when somebody wants one: they are asked for by name. */
static int add_flavour(struct mill_image_work *w, bool environments, struct mill_error *err)
{
	int r = mill_context_model(&w->ctx, environments, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < w->ctx.model->n_selected; i++)
		if (mill_image_wanted(w->ctx.model->selected[i]))
			add(w, w->ctx.model->selected[i]);
	for (size_t i = 0; environments && i < w->ctx.model->n_known; i++)
		if (w->ctx.model->known[i]->is_environment && !w->ctx.model->known[i]->gpu)
			add(w, w->ctx.model->known[i]);
	return 0;
}

static void on_progress(void *arg, const struct mill_image_progress *p)
{
	struct mill_image_work *w = arg;
	_cleanup_free_ char *text = mill_xasprintf("%s: %s", p->name, p->text);

	mill_view_status(w->view, text, p->fraction);
}

int mill_image_work_begin(struct mill_image_work *w, struct mill_invocation *inv, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv names = {0};
	int r;

	*w = (struct mill_image_work){.ctx = MILL_CONTEXT_INIT(inv), .options = MILL_IMAGE_OPTIONS_INIT};
	if (mill_interrupt_fd(err) < 0)
		return -err->code;
	mill_context_names(&w->ctx, &names);
	r = mill_context_layout(&w->ctx, err);
	if (r == 0)
		r = mill_layout_ensure_user(&w->ctx.layout, err);
	if (r == 0)
		r = names.n ? add_named(w, &names, err) : add_flavour(w, mill_opt_on(inv, "environments"), err);
	if (r == 0)
		r = mill_images_open(&w->ctx.layout, &w->images, err);
	if (r < 0)
		return r;
	w->view = mill_view_new(w->ctx.ui);
	w->options.cancel_fd = mill_interrupt_fd(NULL);
	w->options.jobs = mill_opt_count(inv, "jobs", 0);
	w->options.on_progress = on_progress;
	w->options.arg = w;
	return 0;
}

void mill_image_work_end(struct mill_image_work *w)
{
	if (w->view)
		mill_view_free(w->view);
	mill_images_close(w->images);
	free(w->components);
	mill_context_release(&w->ctx);
}

int mill_image_work_build(struct mill_image_work *w, const struct mill_component *c, struct mill_image *ret, struct mill_error *err)
{
	struct mill_image_made made;
	int r = mill_image_source_make(w->images, &w->ctx.layout, c, &made, err);

	if (r < 0)
		return r;
	r = mill_image_build(w->images, &made.source, &w->options, ret, err);
	mill_image_source_release(&made);
	return r;
}

/* A tag names content: what the registry has is what would be pushed. */
static int bring(struct mill_image_work *w, const struct mill_image_registry *from, const struct mill_image_registry *to,
		 const struct mill_image_source *s, const char *tag, const char *reference, struct mill_error *err)
{
	int r;

	if (from && mill_image_exists(from, s->name, tag, NULL) == 1) {
		_cleanup_free_ char *there = mill_image_reference(from, s->name, tag);

		return mill_image_copy(from, there, to, reference, &w->options, err);
	}
	r = mill_image_build(w->images, s, &w->options, NULL, err);
	return r < 0 ? r : mill_image_push(w->images, to, s->name, tag, &w->options, err);
}

int mill_image_work_push(struct mill_image_work *w, const struct mill_image_registry *from, const struct mill_image_registry *to,
			 const struct mill_component *c, struct mill_error *err)
{
	_cleanup_free_ char *reference = NULL;
	struct mill_image_made made;
	char tag[MILL_IMAGE_TAG_LEN];
	int has = 0, r = mill_image_source_make(w->images, &w->ctx.layout, c, &made, err);

	if (r < 0)
		return r;
	r = mill_image_tag(w->images, &made.source, tag, err);
	if (r == 0)
		r = has = mill_image_exists(to, c->name, tag, err);
	reference = mill_image_reference(to, c->name, tag);
	if (r == 0)
		r = bring(w, from, to, &made.source, tag, reference, err);
	mill_image_source_release(&made);
	if (r < 0)
		return r;
	mill_view_status(w->view, NULL, 0);
	mill_outf("%s%s\n", reference, has ? "  was there" : "");
	return 0;
}

static const char *of_target(const struct mill_context *ctx)
{
	const struct mill_node *images = ctx->model && ctx->model->project.target
						 ? mill_node_get(ctx->model->project.target, "images")
						 : NULL;
	const struct mill_node *registry = images ? mill_node_get(images, "registry") : NULL;

	return registry ? mill_node_text(registry) : NULL;
}

int mill_image_registry_of(struct mill_context *ctx, struct mill_image_registry *ret, char **owned, struct mill_error *err)
{
	const char *host = mill_opt(ctx->inv, "registry");

	*ret = (struct mill_image_registry){.authfile = mill_opt(ctx->inv, "authfile"), .cert_dir = mill_opt(ctx->inv, "cert-dir")};
	*owned = NULL;
	if (!host)
		host = of_target(ctx);
	if (!host)
		host = getenv("DATA_MILL_REGISTRY");
	if (!host || !*host) {
		int r = mill_context_layout(ctx, err);

		if (r == 0 && !(*owned = mill_registry_local(&ctx->layout))) {
			mill_fail_usage(err, "no registry is named, and the local one was never started");
			r = mill_error_hint(err, "--registry HOST[/PATH], or: data-mill registry start");
		}
		if (r < 0)
			return r;
		host = *owned;
	}
	if (strstr(host, "://") || strchr(host, ' ') || host[strlen(host) - 1] == '/')
		return mill_fail_usage(err, "a registry is HOST[:PORT][/PATH], not '%s'", host);
	ret->host = host;
	return 0;
}
