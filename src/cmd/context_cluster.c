/* Platforms on a cluster: which cluster, how it is reached, and its runtime. */
#include <ctype.h>

#include "base/base.h"
#include "base/io.h"
#include "base/json.h"
#include "cmd/context.h"
#include "cmd/interrupt.h"
#include "image/image.h"
#include "runtime/native/context.h"

#define TARGET_MAX 50

bool mill_context_is_cluster(const struct mill_context *ctx)
{
	return ctx->platform && !mill_streq(ctx->platform->target, "native");
}

/* "kubeconfig" and "kind-Data_Mill" -> kubeconfig-kind-data-mill: a name that folders and people can bear; owned. */
static char *target_name(const char *provider, const char *name)
{
	char *text = mill_xasprintf("%s-%s", provider, name);
	size_t n = 0;

	for (char *c = text; *c && n < TARGET_MAX; c++) {
		char now = (char)tolower((unsigned char)*c);

		if (!isalnum((unsigned char)now))
			now = '-';
		if (now != '-' || (n && text[n - 1] != '-'))
			text[n++] = now;
	}
	while (n && text[n - 1] == '-')
		n--;
	text[n] = '\0';
	return text;
}

static void on_note(void *arg, const char *line)
{
	mill_note(arg, "%s", line);
}

/* What the vendor's tool says goes by. */
static void on_output(void *arg, const char *line)
{
	_cleanup_strbuf_ struct mill_strbuf safe = MILL_STRBUF_INIT;

	mill_text_safe(&safe, line);
	mill_note(arg, "  | %s", safe.data);
}

static int on_confirm(void *arg, const char *question, const char *expected, struct mill_error *err)
{
	return mill_ui_confirm(arg, question, expected, err);
}

static struct mill_cluster_host *host_of(struct mill_context *ctx, struct mill_cluster_host *h)
{
	*h = (struct mill_cluster_host){.layout = &ctx->layout, .cancel_fd = mill_interrupt_fd(NULL), .note = on_note, .output = on_output,
				      .confirm = on_confirm, .arg = ctx->ui};
	return h;
}

static char *text_at(const json_t *section, const char *key)
{
	const char *s = mill_json_get_string(json_object_get(section, "images"), key, NULL);

	return s ? mill_xstrdup(s) : NULL;
}

/* The way in, and where images are: what the target says, else the registry of this machine. */
static int enter(struct mill_context *ctx, struct mill_error *err)
{
	_cleanup_json_ json_t *description = mill_cluster_describe(ctx->cluster);
	const json_t *section = json_object_get(description, "section");

	ctx->registry = text_at(section, "registry");
	ctx->pull_secret = text_at(section, "pull_secret");
	if (!ctx->registry && getenv("DATA_MILL_REGISTRY") && *getenv("DATA_MILL_REGISTRY"))
		ctx->registry = mill_xstrdup(getenv("DATA_MILL_REGISTRY"));
	if (!ctx->registry)
		ctx->registry = mill_registry_local(&ctx->layout);
	if (!ctx->registry) /* what it will be once it is started; a plan says when nothing answers there */
		ctx->registry = mill_xstrdup("127.0.0.1:5000");
	return mill_cluster_access(ctx->cluster, &ctx->kubeconfig, &ctx->kube_context, err);
}

/* `up --start-cluster`: a cluster that is absent is made, one that is stopped is started. */
static int start_cluster(struct mill_context *ctx, struct mill_error *err)
{
	const struct mill_command *c = ctx->inv->command;
	struct mill_cluster_status status = {0};
	int r;

	if (!mill_option_find(c->options, "start-cluster") || !mill_opt_on(ctx->inv, "start-cluster"))
		return 0;
	r = mill_cluster_status(ctx->cluster, &status, err);
	if (r < 0)
		return r;
	if (status.state == MILL_CLUSTER_STOPPED)
		r = mill_cluster_start(ctx->cluster, err);
	else if (status.state != MILL_CLUSTER_RUNNING)
		r = mill_cluster_create(ctx->cluster, err);
	mill_cluster_status_release(&status);
	return r;
}

int mill_context_cluster_platform(struct mill_context *ctx, struct mill_error *err)
{
	const char *wanted = mill_opt(ctx->inv, "platform"), *name = ctx->model->project.name;
	_cleanup_free_ char *target = NULL, *full = NULL;
	struct mill_cluster_host host;
	int r = mill_cluster_new(&ctx->model->project, host_of(ctx, &host), &ctx->cluster, err);

	if (r == 0)
		r = start_cluster(ctx, err);
	if (r == 0)
		r = enter(ctx, err);
	if (r < 0)
		return r;
	target = target_name(mill_cluster_provider(ctx->cluster), mill_streq(mill_cluster_provider(ctx->cluster), "kubeconfig") ?
									   ctx->kube_context : mill_cluster_name(ctx->cluster));
	full = mill_xasprintf("%s.%s", target, name);
	if (wanted && !mill_streq(wanted, name) && !mill_streq(wanted, full)) {
		mill_fail_usage(err, "--platform: the flavour makes the platform '%s', not '%s'", full, wanted);
		return mill_error_hint(err, "the name is the flavour's project.k8s_namespace");
	}
	r = mill_platform_open(&ctx->layout, target, name, &ctx->platform, err);
	/* The namespace says whether the platform is there; this machine may never have seen it. */
	return r < 0 ? r : mill_context_cluster_runtime(ctx, err);
}

static char *description_path(const struct mill_context *ctx)
{
	return mill_path_join(ctx->platform->dir, "cluster.json");
}

static int open_described(struct mill_context *ctx, struct mill_error *err)
{
	_cleanup_free_ char *path = description_path(ctx);
	_cleanup_json_ json_t *description = NULL;
	struct mill_cluster_host host;
	int r = mill_json_load(path, MILL_JSON_FILE_MAX, &description, err);

	if (r < 0) {
		mill_error_hint(err, "name the cluster once more: -h --kubeconfig FILE -f FLAVOUR");
		return r;
	}
	r = mill_cluster_open(description, host_of(ctx, &host), &ctx->cluster, err);
	return r < 0 ? r : enter(ctx, err);
}

int mill_context_cluster_runtime(struct mill_context *ctx, struct mill_error *err)
{
	_cleanup_free_ char *kubectl = NULL, *helm = NULL;
	struct mill_kube_access access;
	int r = ctx->cluster ? 0 : open_described(ctx, err);

	if (r < 0 || ctx->kube)
		return r;
	r = mill_cluster_tool(&ctx->layout, "kubectl", &kubectl, err);
	if (r == 0)
		r = mill_cluster_tool(&ctx->layout, "helm", &helm, err);
	if (r < 0)
		return r;
	access = (struct mill_kube_access){.kubeconfig = ctx->kubeconfig, .context = ctx->kube_context, .kubectl = kubectl,
					   .helm = helm, .registry = ctx->registry, .pull_secret = ctx->pull_secret};
	r = mill_kube_open(&ctx->layout, &access, ctx->platform, &ctx->kube, err);
	if (r == 0 && !ctx->native)
		r = mill_native_open(&ctx->layout, ctx->platform, &ctx->native, err);
	if (r == 0)
		mill_kube_attach(ctx->kube, ctx->native);
	return r;
}

int mill_context_cluster_save(struct mill_context *ctx, struct mill_error *err)
{
	_cleanup_free_ char *path = description_path(ctx);
	_cleanup_json_ json_t *description = mill_cluster_describe(ctx->cluster);

	return mill_native_save_json(path, description, err);
}

void mill_context_cluster_release(struct mill_context *ctx)
{
	char *const texts[] = {ctx->kubeconfig, ctx->kube_context, ctx->registry, ctx->pull_secret};

	ctx->kube = mill_kube_close(ctx->kube);
	ctx->cluster = mill_cluster_free(ctx->cluster);
	for (size_t i = 0; i < MILL_ARRAY_LEN(texts); i++)
		free(texts[i]);
	ctx->kubeconfig = ctx->kube_context = ctx->registry = ctx->pull_secret = NULL;
}
