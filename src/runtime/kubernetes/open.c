#include "runtime/kubernetes/data.h"

#include <poll.h>

#include "base/hash.h"
#include "base/io.h"
#include "base/json.h"
#include "runtime/native/recipe.h"
#include "runtime/native/remote.h"
#include "runtime/native/toolchain.h"

bool mill_kube_pause(int fd, unsigned ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, (int)ms) > 0;
}

static char *copy(const char *s)
{
	return s ? mill_xstrdup(s) : NULL;
}

#define BY_AUTHORITY "ca-"

/* Who may look into one namespace alone: every namespace has the authority that its cluster's API server is signed by. */
static int identify_by_authority(struct mill_kube *k, struct mill_error *err)
{
	_cleanup_json_ json_t *map = NULL;
	struct mill_kube_call c = {.what = "reach the cluster", .cancel_fd = -1, .timeout_ms = 20000};
	const char *certificate;
	char digest[MILL_SHA256_HEX];
	int r = mill_kube_json(k, &c, &map, err, "get", "configmap", "kube-root-ca.crt", NULL);

	if (r < 0)
		return r;
	certificate = mill_json_get_string(json_object_get(map, "data"), "ca.crt", "");
	mill_sha256(certificate, strlen(certificate), digest);
	k->uid = mill_xasprintf(BY_AUTHORITY "%.32s", digest);
	return 0;
}

/* The cluster is told apart by the uid of a namespace that each has and nobody deletes; by its authority where we may not look. */
static int identify(struct mill_kube *k, struct mill_error *err)
{
	_cleanup_json_ json_t *ns = NULL;
	struct mill_kube_call c = {.what = "reach the cluster", .cancel_fd = -1, .cluster = true, .timeout_ms = 20000};
	const char *known = mill_json_get_string(k->p->record, "cluster_uid", NULL);
	int r = mill_kube_json(k, &c, &ns, err, "get", "namespace", "kube-system", NULL);

	if (r == -EPERM) {
		mill_error_release(err);
		r = identify_by_authority(k, err);
	} else if (r == 0) {
		k->uid = mill_xstrdup(mill_json_get_string(json_object_get(ns, "metadata"), "uid", ""));
	}
	if (r < 0)
		return r;
	/* What somebody with other rights wrote down cannot be compared; it is in this cluster's namespace. */
	if (!known || mill_streq(known, k->uid) || mill_starts_with(known, BY_AUTHORITY) != mill_starts_with(k->uid, BY_AUTHORITY))
		return 0;
	mill_fail_usage(err, "platform %s.%s lives on another cluster than the one that the kubeconfig leads to now", k->p->target, k->p->name);
	if (err)
		err->code = EPERM;
	mill_error_hint(err, "give the kubeconfig or context of that cluster; if it is gone for good: rm -r %s", k->p->dir);
	return -EPERM;
}

int mill_kube_open(struct mill_layout *l, const struct mill_kube_access *a, struct mill_platform *p, struct mill_kube **ret,
		   struct mill_error *err)
{
	struct mill_kube *k = mill_xcalloc(1, sizeof(*k));
	int r;

	*k = (struct mill_kube){.layout = l, .p = p, .kubeconfig = copy(a->kubeconfig), .context = copy(a->context),
				.namespace = mill_xstrdup(p->name), .kubectl = copy(a->kubectl), .helm = copy(a->helm),
				.registry = copy(a->registry), .pull_secret = copy(a->pull_secret)};
	k->pushed = json_object();
	pthread_mutex_init(&k->snapshot_lock, NULL);
	pthread_mutex_init(&k->lock, NULL);
	pthread_mutex_init(&k->lease_lock, NULL);
	pthread_cond_init(&k->lease_end, NULL);
	r = identify(k, err);
	if (r == 0)
		r = mill_kube_pull_if_free(k, err);
	if (r < 0) {
		mill_kube_close(k);
		return r;
	}
	*ret = k;
	return 0;
}

struct mill_kube *mill_kube_close(struct mill_kube *k)
{
	char *texts[8];

	if (!k)
		return NULL;
	mill_kube_end_forwards(k);
	mill_kube_end_pods(k);
	mill_kube_unlock(k);
	mill_kube_forget_deploys(k);
	mill_images_close(k->images);
	mill_native_wipe(k->pushed);
	json_decref(k->snapshot);
	json_decref(k->drift);
	memcpy(texts, (char *[]){k->kubeconfig, k->context, k->namespace, k->kubectl, k->helm, k->registry, k->pull_secret, k->uid}, sizeof(texts));
	for (size_t i = 0; i < MILL_ARRAY_LEN(texts); i++)
		free(texts[i]);
	free(k->holder);
	pthread_mutex_destroy(&k->snapshot_lock);
	pthread_mutex_destroy(&k->lock);
	pthread_mutex_destroy(&k->lease_lock);
	pthread_cond_destroy(&k->lease_end);
	free(k);
	return NULL;
}

void mill_kube_attach(struct mill_kube *k, struct mill_native *n)
{
	k->n = n;
	n->remote = &mill_kube_remote;
	n->remote_arg = k;
}

/* ---- what a plan asks ---- */

static int images(struct mill_kube *k, struct mill_error *err)
{
	return k->images ? 0 : mill_images_open(k->layout, &k->images, err);
}

static int store_key(void *arg, const json_t *recipe, char **ret_key, struct mill_error *err)
{
	struct mill_kube *k = arg;
	struct mill_recipe *r = NULL;
	int rv = images(k, err);

	if (rv == 0)
		rv = mill_recipe_from_json(recipe, &r, err);
	if (rv == 0)
		rv = mill_recipe_key(mill_images_store(k->images), r, ret_key, err);
	mill_recipe_free(r);
	return rv;
}

static int toolchain(void *arg, const char *want, struct mill_toolchain_at *ret, struct mill_error *err)
{
	struct mill_kube *k = arg;
	_cleanup_toolchain_ struct mill_toolchain t = {0};
	int r = images(k, err);

	if (r == 0)
		r = mill_toolchain_find(mill_images_store(k->images), want, &t, err);
	if (r < 0)
		return r;
	ret->dir = MILL_TAKE(t.dir);
	ret->key = MILL_TAKE(t.key);
	ret->recipe = MILL_TAKE(t.recipe);
	return 0;
}

static json_t *tools_recipe(void *arg)
{
	const struct mill_kube *k = arg;

	return mill_native_tools_recipe(k->layout);
}

static int image(void *arg, const json_t *source, char *ret_tag, bool *ret_exists, struct mill_error *err)
{
	struct mill_kube *k = arg;
	struct mill_image_source s;
	const struct mill_image_registry registry = {.host = k->registry};
	char tag[MILL_IMAGE_TAG_LEN];
	int r = images(k, err);

	if (r < 0)
		return r;
	mill_kube_image_source(k, source, &s);
	r = mill_image_tag(k->images, &s, tag, err);
	if (r < 0)
		return r;
	snprintf(ret_tag, 32, "%s", tag);
	r = mill_image_exists(&registry, s.name, tag, err);
	*ret_exists = r > 0;
	return r < 0 ? r : 0;
}

static void observe(void *arg, const char *id, struct mill_observed *ret)
{
	struct mill_kube *k = arg;

	mill_native_observe(k->n, id, ret);
}

/* A node that the device plugin gave GPUs to.  Who may not look at nodes is told that there is none. */
static bool has_gpu(const struct mill_plan_host *h)
{
	struct mill_kube_call c = {.what = "look for GPUs", .cancel_fd = -1, .cluster = true, .raw = true};
	_cleanup_json_ json_t *nodes = NULL;
	const json_t *node;
	size_t i;

	if (mill_kube_json(h->arg, &c, &nodes, NULL, "get", "nodes", NULL) < 0 || c.status)
		return false;
	json_array_foreach(json_object_get(nodes, "items"), i, node) {
		const json_t *room = json_object_get(json_object_get(node, "status"), "allocatable");

		if (!mill_streq(mill_json_get_string(room, "nvidia.com/gpu", "0"), "0"))
			return true;
	}
	return false;
}

static int port(const struct mill_plan_host *h, const char *key, uint16_t preferred, uint16_t pinned, uint16_t *ret_port, bool *ret_moved,
		struct mill_error *err)
{
	*ret_port = pinned ? pinned : preferred;
	*ret_moved = false;
	return 0;
}

void mill_kube_host(struct mill_kube *k, struct mill_plan_host *h)
{
	h->arg = k;
	h->pods = true;
	h->store = MILL_IMAGE_STORE;
	h->store_key = store_key;
	h->toolchain = toolchain;
	h->tools_recipe = tools_recipe;
	h->image = image;
	h->registry = k->registry;
	h->pull_secret = k->pull_secret;
	h->observe = observe;
	h->data_volume = mill_kube_data_state;
	h->drift = mill_kube_drift;
	h->port = port;
	h->port_holder = NULL;
	h->has_gpu = has_gpu;
	/* Nodes have the memory, not this machine: everybody gets what the manifest says, and the scheduler finds room. */
	h->memory_total = (uint64_t)1 << 50;
	h->memory_available = h->memory_total;
	h->cpus = 2;
}
