/* What collectors get: docs/manifest.md, "What collectors get". */
#include "base/json.h"
#include "spec/place.h"
#include "spec/scope.h"

static void set_label(struct mill_scope *s, json_t *labels, const struct mill_entry *e)
{
	if (mill_when_holds(&e->when, s->c->component))
		json_object_set_new(labels, e->key, mill_scope_text(s, &e->value, "a label"));
}

/* {targets, labels}; NULL while its service is off. */
static json_t *target(struct mill_scope *scope, const struct mill_metric *metric)
{
	const struct mill_component *c = scope->c->component;
	json_t *labels;
	unsigned port;

	if (!scope->service || !mill_when_holds(&scope->service->when, c))
		return NULL;
	port = mill_scope_port(scope->r, c->name, scope->service->name, metric->port);
	if (!port)
		return NULL;
	labels = json_pack("{s:s, s:s, s:s}", "job", c->name, "component", c->name, "service", scope->service->name);
	json_object_set_new(labels, "__metrics_path__", mill_scope_text(scope, &metric->path, "a path of metrics"));
	for (size_t i = 0; i < metric->n_labels; i++)
		set_label(scope, labels, &metric->labels[i]);
	return json_pack("{s:[o], s:o}", "targets", 
			 json_sprintf("%s:%u", mill_place_host(scope->r, c, scope->service->name), port), "labels", labels);
}

/* A whole scrape_config of Prometheus, for targets with a login too. */
static json_t *scrape_config(struct mill_scope *scope, const struct mill_metric *metric, json_t *target, size_t nth)
{
	const struct mill_component *c = scope->c->component;
	json_t *o = json_pack("{s:o, s:[O]}", "job_name", json_sprintf("%s-%zu", c->name, nth), "static_configs", target);

	if (metric->secret)
		json_object_set_new(o, "basic_auth",
				    json_pack("{s:o, s:o}", "username", mill_scope_text(scope, &metric->user, "a user"), "password",
					      mill_scope_secret(scope, metric->secret)));
	return o;
}

/* The same targets twice: for file_sd, and as scrape_configs. */
static void add_metrics(struct mill_render *r, struct mill_rendered *rc, json_t *exports)
{
	json_t *metrics = json_array(), *configs = json_array();

	for (size_t i = 0; i < rc->component->n_metrics; i++) {
		const struct mill_metric *metric = &rc->component->metrics[i];
		struct mill_scope scope = mill_scope_service(r, rc, mill_component_service(rc->component, metric->service));
		json_t *t = target(&scope, metric);

		if (!t)
			continue;
		json_array_append_new(metrics, t);
		json_array_append_new(configs, scrape_config(&scope, metric, t, i + 1));
	}
	json_object_set_new(exports, "metrics", metrics);
	json_object_set_new(exports, "scrape_configs", configs);
}

static json_t *logs_of(struct mill_render *r, struct mill_rendered *rc)
{
	const struct mill_component *c = rc->component;
	json_t *list = json_array();

	for (size_t i = 0; i < c->n_services; i++) {
		const struct mill_service *s = &c->services[i];
		struct mill_scope scope = mill_scope_service(r, rc, s);

		if (mill_when_holds(&s->when, c))
			json_array_append_new(list, json_pack("{s:s, s:s, s:o}", "component", c->name, "service", s->name,
							      "file", json_sprintf("%s/log/current", scope.folder)));
	}
	return list;
}

/* {kind: [item, ..]}: what a component offers to collectors. */
static json_t *exports_of(struct mill_render *r, struct mill_rendered *rc)
{
	const struct mill_component *c = rc->component;
	struct mill_scope scope = mill_scope_component(r, rc);
	json_t *o = json_object();

	add_metrics(r, rc, o);
	json_object_set_new(o, "logs", logs_of(r, rc));
	for (size_t i = 0; i < c->n_exports; i++) {
		const struct mill_export *e = &c->exports[i];
		json_t *list = json_object_get(o, e->kind), *item = mill_scope_entries(&scope, e->values, e->n_values);

		if (!json_object_size(item)) { /* no `when` of it held */
			json_decref(item);
			continue;
		}
		json_object_set_new(item, "component", json_string(c->name));
		if (!list) {
			list = json_array();
			json_object_set_new(o, e->kind, list);
		}
		json_array_append_new(list, item);
	}
	return o;
}

struct offer {
	const char *component;
	const json_t *exports; /* borrowed */
};

static int by_component(const void *a, const void *b)
{
	return strcmp(((const struct offer *)a)->component, ((const struct offer *)b)->component);
}

/* What everybody exports, by component; those outside the flavour from their records. */
static struct offer *offers(struct mill_render *r, size_t *ret_n)
{
	struct offer *all = mill_xcalloc(r->n + json_object_size(r->options.kept) + 1, sizeof(*all));
	const char *name;
	json_t *record;
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++)
		all[n++] = (struct offer){r->components[i].component->name, r->components[i].exports};
	json_object_foreach(r->options.kept, name, record)
		all[n++] = (struct offer){name, json_object_get(record, "exports")};
	qsort(all, n, sizeof(*all), by_component);
	*ret_n = n;
	return all;
}

static json_t *gather(const struct offer *all, size_t n, const char *kind)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_extend(list, json_object_get(all[i].exports, kind));
	return list;
}

/* ---- environments: all that are known, whether the flavour has them built or not ---- */

/* PATH of its programs; NULL with `why` when it lacks a tool chain. */
static char *environment_path(struct mill_render *r, const struct mill_component *c, const char *store, struct mill_error *why)
{
	struct mill_strbuf path = MILL_STRBUF_INIT;

	mill_strbuf_printf(&path, "%s/bin:", store);
	for (size_t i = 0; i < c->n_toolchains; i++) {
		struct mill_toolchain_at at = {0};

		if (!r->host->toolchain || r->host->toolchain(r->host->arg, c->toolchains[i], &at, why) < 0) {
			mill_strbuf_release(&path);
			return NULL;
		}
		mill_strbuf_printf(&path, "%s/bin:", at.dir);
		free(at.dir);
		free(at.key);
		json_decref(at.recipe);
	}
	mill_strbuf_addstr(&path, "/usr/bin:/bin");
	return mill_strbuf_steal(&path);
}

/* In a cluster: what a pod of it is made from.  Only the flavour's have an image: `up` builds them. */
static void add_image(struct mill_render *r, const struct mill_component *c, json_t *item, struct mill_error *why)
{
	struct mill_rendered *rc = mill_render_find(r, c->name);
	_cleanup_json_ json_t *source = rc ? mill_render_image(r, rc) : NULL;
	bool exists;
	char tag[32];

	if (!source)
		mill_fail(why, ENOENT, "not in the flavour: add it, and it is built");
	else if (r->host->image(r->host->arg, source, tag, &exists, why) == 0)
		json_object_set_new(item, "image", json_sprintf("%s/%s:%s", r->host->registry, c->name, tag));
	json_object_set_new(item, "pull_secret", json_string(r->host->pull_secret ? r->host->pull_secret : ""));
}

/*
 * Whether it is built is not said: that changes without a plan, and who reads this would be told so each time.
 * <store>/.complete is there once it is.
 */
static json_t *environment_item(struct mill_render *r, const struct mill_component *c)
{
	_cleanup_error_ struct mill_error why = {0};
	_cleanup_json_ json_t *recipe = mill_component_recipe(c);
	_cleanup_free_ char *key = NULL, *store = NULL, *path = NULL;
	json_t *kernels = json_array(), *o;

	for (size_t i = 0; i < c->n_kernels; i++)
		json_array_append_new(kernels, json_string(c->kernels[i]));
	if (!recipe || !r->host->store_key)
		mill_fail(&why, ENOSYS, "there is nothing to install");
	else if (r->host->store_key(r->host->arg, recipe, &key, &why) == 0) {
		store = mill_xasprintf("%s/%s", r->host->store, key);
		path = environment_path(r, c, store, &why);
	}
	if (!why.code && c->gpu && !(r->host->has_gpu && r->host->has_gpu(r->host)))
		mill_fail(&why, ENODEV, "it wants a GPU, and this machine shows none");
	o = json_pack("{s:s, s:s, s:s, s:o, s:b, s:I}", "name", c->name, "title", c->title, "summary", c->summary, "kernels",
		      kernels, "gpu", (int)c->gpu, "size", (json_int_t)c->size_installed);
	if (r->host->image && !why.code)
		add_image(r, c, o, &why);
	json_object_set_new(o, "available", json_boolean(why.code == 0));
	json_object_set_new(o, "why", why.code ? json_string(why.message) : json_null());
	json_object_set_new(o, "hash", json_string(key ? key : ""));
	json_object_set_new(o, "store", json_string(store ? store : ""));
	json_object_set_new(o, "path", json_string(path ? path : ""));
	return o;
}

static json_t *environments(struct mill_render *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->model->n_known; i++) /* by name */
		if (r->model->known[i]->is_environment)
			json_array_append_new(list, environment_item(r, r->model->known[i]));
	return list;
}

void mill_render_collect(struct mill_render *r)
{
	_cleanup_json_ json_t *environment = NULL;
	struct offer *all = NULL;
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++)
		r->components[i].exports = exports_of(r, &r->components[i]);
	for (size_t i = 0; i < r->n; i++) {
		struct mill_rendered *rc = &r->components[i];
		const struct mill_component *c = rc->component;

		rc->collected = json_object();
		if (c->n_collects && !all)
			all = offers(r, &n);
		for (size_t k = 0; k < c->n_collects; k++) {
			if (mill_streq(c->collects[k], "environment")) {
				if (!environment)
					environment = mill_render_environment(r);
				json_object_set(rc->collected, "environment", environment);
			} else if (mill_streq(c->collects[k], "environments")) {
				json_object_set_new(rc->collected, "environments", environments(r));
			} else {
				json_object_set_new(rc->collected, c->collects[k], gather(all, n, c->collects[k]));
			}
		}
	}
	free(all);
}
