/* The operations: what is the same for every driver. */
#include "base/io.h"
#include "base/json.h"
#include "base/parse.h"
#include "cluster/internal.h"

static const struct mill_cluster_driver *const drivers[] = {
	&mill_driver_minikube, &mill_driver_microk8s, &mill_driver_multipass, &mill_driver_kops,
	&mill_driver_gke,      &mill_driver_k3d,      &mill_driver_kind,      &mill_driver_kubeconfig,
};

static const struct mill_cluster_driver *find_driver(const char *provider)
{
	for (size_t i = 0; i < MILL_ARRAY_LEN(drivers); i++)
		if (mill_streq(drivers[i]->provider, provider))
			return drivers[i];
	return NULL;
}

const char *mill_cluster_state_name(enum mill_cluster_state s)
{
	static const char *const names[] = {"absent", "stopped", "starting", "running", "broken"};

	return names[s];
}

void mill_cluster_status_release(struct mill_cluster_status *s)
{
	free(s->text);
	free(s->version);
	*s = (struct mill_cluster_status){0};
}

void mill_cluster_gpu_release(struct mill_cluster_gpu *g)
{
	free(g->text);
	*g = (struct mill_cluster_gpu){0};
}

/* ---- made from a target section ---- */

/* A shipped file by its name, another by its path: what -f and -t take. */
static void add_flag(struct mill_strbuf *out, const char *flag, const char *path, const char *folder)
{
	_cleanup_free_ char *shipped = folder ? mill_path_dirname(path) : NULL;

	mill_strbuf_printf(out, " %s %s", flag, shipped && mill_streq(shipped, folder) ? mill_path_basename(path) : path);
}

static char *flags_of(const struct mill_project *p, const struct mill_layout *l)
{
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	_cleanup_free_ char *flavours = mill_path_join(l->resources, "flavours");
	_cleanup_free_ char *targets = mill_path_join(l->resources, "k8s/configs");

	mill_strbuf_printf(&out, "-%c", p->location[0]);
	if (p->flavour_path && !mill_streq(p->flavour_name, "default"))
		add_flag(&out, "-f", p->flavour_path, flavours);
	if (p->target_path && !mill_ends_with(p->target_path, "/native.yaml"))
		add_flag(&out, "-t", p->target_path, targets);
	if (mill_streq(p->location, "hybrid") && p->kubeconfig)
		add_flag(&out, "--kubeconfig", p->kubeconfig, NULL);
	return mill_strbuf_steal(&out);
}

/* 1.30 is a version, not a number. */
static json_t *section_of(const struct mill_node *target)
{
	json_t *section = target ? mill_node_to_json(target) : json_object();

	MILL_MAP_EACH (pair, target)
		if (mill_node_is(pair->value, MILL_NODE_FLOAT))
			json_object_set_new(section, pair->key, json_string(pair->value->text));
	return section;
}

int mill_cluster_new(const struct mill_project *p, const struct mill_cluster_host *host,
		     struct mill_cluster **ret, struct mill_error *err)
{
	_cleanup_free_ char *flags = flags_of(p, host->layout);
	_cleanup_json_ json_t *section = section_of(p->target);
	_cleanup_json_ json_t *d = NULL;

	if (mill_streq(p->provider, "native")) {
		mill_fail_usage(err, "the target of this flavour is this machine, without Kubernetes (provider: native)");
		return mill_error_hint(err, "-t kind.yaml, -t minikube.yaml, ... name a cluster; data-mill target list shows them");
	}
	d = json_pack("{s:i, s:s, s:s, s:s, s:s?, s:O}", "v", MILL_CLUSTER_RECORD_VERSION, "provider", p->provider,
		      "location", p->location, "flags", flags, "kubeconfig", p->kubeconfig, "section", section);
	return mill_cluster_open(d, host, ret, err);
}

static const char *keep(struct mill_cluster *c, const json_t *o, const char *key)
{
	const char *text = mill_json_get_string(o, key, NULL);

	return text ? mill_arena_strdup(&c->arena, text) : NULL;
}

/* Names become a folder's: nothing else may be in them. */
static bool name_ok(const char *name)
{
	size_t n = strlen(name);

	return n > 0 && n < 128 && name[0] != '.' && name[0] != '-' &&
	       name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_")] == '\0';
}

static const char *name_of(const struct mill_cluster *c)
{
	const char *said = mill_cluster_text(c, "cluster_name");

	if (mill_streq(c->driver->provider, "microk8s"))
		return "microk8s"; /* a machine has one */
	if (c->driver->foreign)
		return "kubeconfig";
	return said ? said : c->driver->default_name ? c->driver->default_name : "data-mill";
}

int mill_cluster_open(const json_t *d, const struct mill_cluster_host *host, struct mill_cluster **ret,
		      struct mill_error *err)
{
	const char *provider = mill_json_get_string(d, "provider", "");
	struct mill_cluster *c;
	int r = 0;

	if (mill_json_get_int(d, "v", 0) > MILL_CLUSTER_RECORD_VERSION)
		return mill_fail_usage(err, "the record of the cluster was written by a newer data-mill");
	if (!find_driver(provider))
		return mill_fail_usage(err, "there is no cluster driver '%s'", provider);
	c = mill_xcalloc(1, sizeof(*c));
	c->driver = find_driver(provider);
	c->host = *host;
	c->section = json_is_object(json_object_get(d, "section")) ? json_deep_copy(json_object_get(d, "section"))
								    : json_object();
	c->location = keep(c, d, "location");
	c->flags = keep(c, d, "flags");
	c->flags = c->flags ? c->flags : "";
	c->name = mill_arena_strdup(&c->arena, name_of(c));
	if (!name_ok(c->name)) {
		r = mill_fail_usage(err, "cluster_name: '%s' is not a cluster's name", c->name);
		mill_cluster_free(c);
		return r;
	}
	c->dir = mill_arena_printf(&c->arena, "%s/clusters/%s.%s", host->layout->state, provider, c->name);
	c->kubeconfig = c->driver->foreign ? keep(c, d, "kubeconfig")
					   : mill_arena_printf(&c->arena, "%s/kubeconfig", c->dir);
	c->context = c->driver->foreign ? mill_cluster_text(c, "context") : keep(c, d, "context");
	mill_cluster_settings(c);
	if (c->driver->check)
		r = c->driver->check(c, err);
	if (r < 0)
		mill_cluster_free(c);
	else
		*ret = c;
	return r;
}

struct mill_cluster *mill_cluster_free(struct mill_cluster *c)
{
	if (!c)
		return NULL;
	json_decref(c->section);
	mill_arena_release(&c->arena);
	free(c);
	return NULL;
}

json_t *mill_cluster_describe(const struct mill_cluster *c)
{
	return json_pack("{s:i, s:s, s:s, s:s?, s:s, s:s?, s:s?, s:O}", "v", MILL_CLUSTER_RECORD_VERSION, "provider",
			 c->driver->provider, "name", c->name, "location", c->location, "flags", c->flags,
			 "kubeconfig", c->kubeconfig, "context", c->context, "section", c->section);
}

const char *mill_cluster_provider(const struct mill_cluster *c)
{
	return c->driver->provider;
}

const char *mill_cluster_name(const struct mill_cluster *c)
{
	return c->name;
}

const char *mill_cluster_title(const struct mill_cluster *c)
{
	struct mill_cluster *own = (struct mill_cluster *)c;

	if (c->driver->foreign)
		return mill_arena_printf(&own->arena, "the cluster of %s", c->kubeconfig ? c->kubeconfig : "no kubeconfig");
	return mill_arena_printf(&own->arena, "the %s '%s'", c->driver->title, c->name);
}

bool mill_cluster_is_cloud(const struct mill_cluster *c)
{
	return c->driver->cloud;
}

int mill_cluster_write_kubeconfig(struct mill_cluster *c, struct mill_error *err)
{
	int r = c->driver->foreign ? 0 : mill_record_folder(c, err);

	return r < 0 ? r : c->driver->kubeconfig(c, err);
}

/* ---- operations ---- */

/* Somebody else's cluster: what is asked for is not ours to do. */
static int refuse_foreign(const struct mill_cluster *c, const char *verb, struct mill_error *err)
{
	if (!c->driver->foreign)
		return 0;
	mill_fail_usage(err, "cluster %s: %s belongs to whoever made it; nothing was changed", verb, mill_cluster_title(c));
	return mill_error_hint(err, "a cluster of your own: -t kind.yaml, -t minikube.yaml, ... (data-mill target list)");
}

int mill_cluster_status(struct mill_cluster *c, struct mill_cluster_status *ret, struct mill_error *err)
{
	char phase[16];
	int r = c->driver->prepare ? c->driver->prepare(c, false, err) : 0;

	*ret = (struct mill_cluster_status){0};
	if (r == -ENOENT && (c->driver->installed_is_made || !*mill_record_phase(c, phase, sizeof(phase)))) {
		/* without the vendor's tool and without a record there is no cluster */
		ret->state = MILL_CLUSTER_ABSENT;
		ret->text = mill_xasprintf("%s is not installed", c->driver->tool);
		mill_error_release(err);
		return 0;
	}
	if (r == 0)
		r = c->driver->status(c, ret, err);
	if (r < 0) {
		mill_cluster_status_release(ret);
		return r;
	}
	mill_record_phase(c, phase, sizeof(phase));
	ret->ours = phase[0] != 0;
	if (ret->state == MILL_CLUSTER_RUNNING && !ret->version && mill_exists(c->kubeconfig))
		ret->version = mill_cluster_server_version(c);
	if (mill_streq(phase, "creating") && ret->state != MILL_CLUSTER_ABSENT && ret->state != MILL_CLUSTER_RUNNING) {
		ret->state = MILL_CLUSTER_BROKEN;
		if (!ret->text)
			ret->text = mill_xstrdup("its making was interrupted");
	}
	return 0;
}

static int ask_before_making(struct mill_cluster *c, struct mill_error *err)
{
	_cleanup_free_ char *estimate = NULL, *question = NULL;

	if (!c->driver->estimate)
		return 0;
	estimate = c->driver->estimate(c);
	question = mill_xasprintf("This makes %s, which costs money until it is deleted:\n%s", mill_cluster_title(c),
				  estimate);
	return mill_cluster_confirm(c, question, c->name, err);
}

static int refuse_strangers(const struct mill_cluster *c, const struct mill_cluster_status *s, struct mill_error *err)
{
	if (s->ours || s->state == MILL_CLUSTER_ABSENT)
		return 0;
	if (s->state == MILL_CLUSTER_RUNNING)
		return 1; /* used as it is */
	mill_fail(err, EEXIST, "%s already exists (%s), and data-mill did not make it; nothing was changed",
		  mill_cluster_title(c), mill_cluster_state_name(s->state));
	return mill_error_hint(err, "data-mill cluster start %s     to use it as it is\n"
				    "cluster_name in the target file gives yours another name", c->flags);
}

static int make(struct mill_cluster *c, enum mill_cluster_state was, struct mill_error *err)
{
	int r = ask_before_making(c, err);

	if (r == 0)
		r = mill_record_write(c, "creating", err);
	if (r == 0)
		r = c->driver->create(c, was, err);
	if (r == 0)
		r = mill_cluster_write_kubeconfig(c, err);
	if (r == 0)
		r = mill_cluster_await(c, 5 * 60 * 1000, err);
	if (r == 0)
		return mill_record_write(c, "made", err);
	/* somebody else's of that name came up meanwhile: never ours to delete */
	if (c->last == MILL_SYMPTOM_EXISTS && was == MILL_CLUSTER_ABSENT) {
		(void)mill_record_remove(c, NULL);
		return r;
	}
	if (!err || err->usage || r == -ECANCELED)
		return r;
	_cleanup_free_ char *before = err->hint ? mill_xasprintf("%s\n", err->hint) : mill_xstrdup("");
	return mill_error_hint(err, "%sdata-mill cluster create %s     goes on from here\n"
				    "data-mill cluster delete %s     removes what there is of it", before, c->flags, c->flags);
}

int mill_cluster_create(struct mill_cluster *c, struct mill_error *err)
{
	_cleanup_(mill_cluster_status_release) struct mill_cluster_status s = {0};
	int r = refuse_foreign(c, "create", err);

	if (r == 0 && c->driver->prepare)
		r = c->driver->prepare(c, true, err);
	if (r == 0)
		r = mill_cluster_status(c, &s, err);
	if (r == 0)
		r = refuse_strangers(c, &s, err);
	if (r < 0)
		return r;
	if (s.state == MILL_CLUSTER_RUNNING) {
		char phase[16];

		mill_cluster_note(c, "%s already runs%s", mill_cluster_title(c),
				  s.ours ? "" : "; data-mill did not make it and uses it as it is");
		r = mill_cluster_write_kubeconfig(c, err);
		if (r == 0 && s.ours && mill_streq(mill_record_phase(c, phase, sizeof(phase)), "creating"))
			r = mill_record_write(c, "made", err);
		return r;
	}
	if (s.state == MILL_CLUSTER_STOPPED)
		return mill_cluster_start(c, err);
	return make(c, s.state, err);
}

static int absent(const struct mill_cluster *c, struct mill_error *err)
{
	mill_fail(err, ENOENT, "%s does not exist", mill_cluster_title(c));
	return mill_error_hint(err, "data-mill cluster create %s", c->flags);
}

int mill_cluster_start(struct mill_cluster *c, struct mill_error *err)
{
	_cleanup_(mill_cluster_status_release) struct mill_cluster_status s = {0};
	int r = refuse_foreign(c, "start", err);

	if (r == 0)
		r = mill_cluster_status(c, &s, err);
	if (r < 0)
		return r;
	if (s.state == MILL_CLUSTER_ABSENT)
		return absent(c, err);
	if (s.state == MILL_CLUSTER_RUNNING) {
		mill_cluster_note(c, "%s already runs", mill_cluster_title(c));
		return mill_cluster_write_kubeconfig(c, err);
	}
	r = c->driver->start(c, err);
	if (r == 0)
		r = mill_cluster_write_kubeconfig(c, err);
	if (r == 0)
		r = mill_cluster_await(c, 5 * 60 * 1000, err);
	return r;
}

int mill_cluster_stop(struct mill_cluster *c, struct mill_error *err)
{
	_cleanup_(mill_cluster_status_release) struct mill_cluster_status s = {0};
	int r = refuse_foreign(c, "stop", err);

	if (r == 0)
		r = mill_cluster_status(c, &s, err);
	if (r < 0)
		return r;
	if (s.state == MILL_CLUSTER_ABSENT)
		return absent(c, err);
	if (s.state == MILL_CLUSTER_STOPPED) {
		mill_cluster_note(c, "%s is already stopped", mill_cluster_title(c));
		return 0;
	}
	return c->driver->stop(c, err);
}

int mill_cluster_delete(struct mill_cluster *c, bool force, struct mill_error *err)
{
	_cleanup_(mill_cluster_status_release) struct mill_cluster_status s = {0};
	_cleanup_free_ char *question = NULL;
	int r = refuse_foreign(c, "delete", err);

	if (r == 0)
		r = mill_cluster_status(c, &s, err);
	if (r < 0)
		return r;
	if (s.state == MILL_CLUSTER_ABSENT) {
		mill_cluster_note(c, "%s does not exist", mill_cluster_title(c));
		return mill_record_remove(c, err);
	}
	if (!s.ours && !force) {
		mill_fail_usage(err, "%s was not made by data-mill from here; nothing was changed", mill_cluster_title(c));
		return mill_error_hint(err, "data-mill cluster delete --force %s     deletes it all the same", c->flags);
	}
	question = mill_xasprintf("This deletes %s (%s) with everything on it, volumes and their data included.",
				  mill_cluster_title(c), mill_cluster_state_name(s.state));
	r = mill_cluster_confirm(c, question, c->name, err);
	if (r == 0)
		r = c->driver->remove(c, err);
	return r < 0 ? r : mill_record_remove(c, err);
}

int mill_cluster_gpu_plan(struct mill_cluster *c, struct mill_cluster_gpu *ret, struct mill_error *err)
{
	*ret = (struct mill_cluster_gpu){0};
	c->driver->gpu_plan(c, ret);
	return 0;
}

int mill_cluster_gpu_enable(struct mill_cluster *c, struct mill_cluster_gpu *ret, struct mill_error *err)
{
	_cleanup_(mill_cluster_status_release) struct mill_cluster_status s = {0};
	int r = mill_cluster_gpu_plan(c, ret, err);

	if (r < 0 || ret->plugin == MILL_PLUGIN_NONE || !c->driver->gpu_enable)
		return r;
	r = mill_cluster_status(c, &s, err);
	if (r < 0)
		return r;
	if (s.state == MILL_CLUSTER_ABSENT)
		return absent(c, err);
	if (s.state != MILL_CLUSTER_RUNNING) {
		mill_fail(err, EAGAIN, "%s is %s", mill_cluster_title(c), mill_cluster_state_name(s.state));
		return mill_error_hint(err, "data-mill cluster start %s", c->flags);
	}
	return c->driver->gpu_enable(c, err);
}
