/* A component's record (docs/internals/engine.md) and what users' code gets. */
#include "base/json.h"
#include "spec/fingerprint.h"
#include "plan/resolve.h"
#include "spec/place.h"
#include "spec/scope.h"

static json_t *opt_string(const char *s)
{
	return s ? json_string(s) : json_null();
}

/* What a hook gets: numbers as numbers (a size in bytes), lists as lists; the canonical text of these is JSON. */
static json_t *typed(const struct mill_setting *s)
{
	const char *text = s->value ? s->value : "";
	bool is_text = s->type == MILL_SETTING_STRING || s->type == MILL_SETTING_ENUM || s->type == MILL_SETTING_DURATION;
	json_t *value = is_text ? NULL : json_loads(text, JSON_DECODE_ANY, NULL);

	return value ? value : json_string(text);
}

static json_t *settings(const struct mill_component *c)
{
	json_t *o = json_object();

	for (size_t i = 0; i < c->n_settings; i++)
		if (!c->settings[i].secret)
			json_object_set_new(o, c->settings[i].name, typed(&c->settings[i]));
	return o;
}

static json_t *dirs(const char *folder)
{
	json_t *o = json_object();

	json_object_set_new(o, "data", json_sprintf("%s/data", folder));
	json_object_set_new(o, "config", json_sprintf("%s/config", folder));
	return o;
}

/* A tool without services has folders of its own, under "". */
static json_t *services(struct mill_render *r, struct mill_rendered *rc)
{
	const struct mill_component *c = rc->component;
	json_t *o = json_object();

	if (!c->n_services)
		json_object_set_new(o, "", json_pack("{s:s, s:{}, s:o}", "host", mill_place_host(r, c, NULL), "ports",
						     "dirs", dirs(rc->folder)));
	for (size_t i = 0; i < c->n_services; i++) {
		const struct mill_service *s = &c->services[i];
		struct mill_scope scope = mill_scope_service(r, rc, s);
		json_t *ports = json_object();

		if (!mill_when_holds(&s->when, c)) {
			json_decref(ports);
			continue;
		}
		for (size_t k = 0; k < s->n_ports; k++)
			json_object_set_new(ports, s->ports[k].name,
					    json_integer(mill_scope_port(r, c->name, s->name, s->ports[k].name)));
		json_object_set_new(o, s->name, json_pack("{s:s, s:o, s:o, s:I}", "host", mill_place_host(r, c, s->name),
							  "ports", ports, "dirs", dirs(scope.folder), "disk_bytes",
							  (json_int_t)mill_scope_disk(&scope)));
	}
	return o;
}

/* What is to be made (or taken over from where the user keeps it) for this component. */
static json_t *secrets(struct mill_rendered *rc)
{
	const struct mill_component *c = rc->component;
	json_t *list = json_array();

	for (size_t i = 0; i < c->n_secrets; i++)
		json_array_append_new(list, json_pack("{s:s, s:i, s:s}", "name", c->secrets[i].name, "length",
						      (int)c->secrets[i].length, "alphabet",
						      c->secrets[i].alphabet ? c->secrets[i].alphabet : "alnum"));
	for (size_t i = 0; i < rc->n_bound; i++) {
		const struct mill_bound *b = &rc->bound[i];

		if (b->credentials && b->provision->password_key)
			json_array_append_new(list, json_pack("{s:o, s:i, s:s}", "name",
							      json_sprintf("%s-password", b->requirement->capability),
							      "length", 40, "alphabet", "alnum"));
	}
	for (size_t i = 0; i < c->n_settings; i++) {
		const struct mill_setting *s = &c->settings[i];

		if (s->secret && (s->from_file || s->from_variable))
			json_array_append_new(list, json_pack("{s:o, s:o, s:o}", "name", json_sprintf("setting-%s", s->name),
							      "from_file", opt_string(s->from_file), "from_variable",
							      opt_string(s->from_variable)));
	}
	return list;
}

static json_t *requires(const struct mill_rendered *rc)
{
	json_t *o = json_object();

	for (size_t i = 0; i < rc->n_bound; i++) {
		const struct mill_bound *b = &rc->bound[i];

		json_object_set_new(o, b->requirement->capability,
				    json_pack("{s:s, s:O, s:O}", "provider", b->requirement->provider->name, "parameters",
					      b->parameters, "values", b->values));
	}
	return o;
}

/* Ports that ask for no password, for the list that `credentials` prints. */
static json_t *open_ports(struct mill_render *r, struct mill_rendered *rc)
{
	const struct mill_component *c = rc->component;
	json_t *list = json_array();

	for (size_t i = 0; i < c->n_services; i++)
		for (size_t k = 0; k < c->services[i].n_ports && mill_when_holds(&c->services[i].when, c); k++) {
			const struct mill_service *s = &c->services[i];
			const struct mill_port *p = &s->ports[k];

			if (p->open)
				json_array_append_new(list, json_pack("{s:s, s:s, s:i, s:s}", "service", s->name, "port", p->name,
								      "number", (int)mill_scope_port(r, c->name, s->name, p->name),
								      "why", p->open));
		}
	return list;
}

static json_t *render_link(struct mill_render *r, struct mill_rendered *rc, const struct mill_link *l)
{
	const struct mill_service *s = mill_component_service(rc->component, l->service);
	struct mill_scope scope = mill_scope_service(r, rc, s);
	_cleanup_json_ json_t *path = NULL;
	const char *below;
	json_t *o;

	if (!s || !mill_when_holds(&s->when, rc->component))
		return NULL;
	path = mill_scope_text(&scope, &l->path, "a link");
	below = json_string_value(path);
	o = json_pack("{s:s, s:o, s:s}", "title", l->title, "url",
		      json_sprintf("http://%s:%u%s%s", mill_place_host(r, rc->component, l->service),
				   mill_scope_port(r, rc->component->name, l->service, l->port),
				   below && *below == '/' ? "" : "/", below ? below : ""),
		      "service", l->service);
	if (l->user.n)
		json_object_set_new(o, "user", mill_scope_text(&scope, &l->user, "a link"));
	if (l->secret)
		json_object_set_new(o, "secret", json_string(l->secret));
	return o;
}

static json_t *links(struct mill_render *r, struct mill_rendered *rc)
{
	json_t *list = json_array();

	for (size_t i = 0; i < rc->component->n_links; i++) {
		json_t *o = render_link(r, rc, &rc->component->links[i]);

		if (o)
			json_array_append_new(list, o);
	}
	return list;
}

static json_t *hooks(struct mill_render *r, struct mill_rendered *rc)
{
	const struct mill_component *c = rc->component;
	const struct {
		const char *name;
		const struct mill_hook *hook;
	} all[] = {{"smoke", &c->smoke}, {"repo", &c->repo}, {"backup", &c->backup}, {"configure", &c->configure}};
	json_t *o = json_object(), *provision = json_object();

	for (size_t i = 0; i < MILL_ARRAY_LEN(all); i++) {
		json_t *h = mill_render_hook(r, rc, all[i].hook);

		if (h)
			json_object_set_new(o, all[i].name, h);
	}
	for (size_t i = 0; i < c->n_provisions; i++) {
		json_t *h = mill_render_hook(r, rc, &c->provisions[i].hook);

		if (h)
			json_object_set_new(provision, c->provisions[i].capability, h);
	}
	json_object_set_new(o, "provision", provision);
	return o;
}

static json_t *own_environment(struct mill_render *r, struct mill_rendered *rc)
{
	struct mill_scope scope = mill_scope_component(r, rc);

	return mill_scope_entries(&scope, rc->component->environment, rc->component->n_environment);
}

json_t *mill_render_record(struct mill_render *r, struct mill_rendered *rc)
{
	const struct mill_component *c = rc->component;
	json_t *o = json_object(), *accepts = json_array();

	for (size_t i = 0; i < c->n_data_accepts; i++)
		json_array_append_new(accepts, json_integer(c->data_accepts[i]));
	json_object_set_new(o, "v", json_integer(1));
	json_object_set_new(o, "component", json_string(c->name));
	json_object_set_new(o, "title", json_string(c->title ? c->title : c->name));
	json_object_set_new(o, "summary", json_string(c->summary ? c->summary : ""));
	json_object_set_new(o, "category", json_string(c->category ? c->category : ""));
	json_object_set_new(o, "version", json_string(c->version ? c->version : ""));
	json_object_set_new(o, "release", json_string(c->release && *c->release ? c->release : c->name));
	json_object_set_new(o, "stands_for", opt_string(c->stands_for));
	json_object_set_new(o, "why", json_string(c->why ? c->why : ""));
	json_object_set_new(o, "data_format", json_integer(c->data_format));
	json_object_set_new(o, "data_accepts", accepts);
	json_object_set_new(o, "source", json_string(c->dir ? c->dir : ""));
	json_object_set_new(o, "store", opt_string(rc->store));
	json_object_set(o, "store_entries", rc->entries);
	json_object_set_new(o, "settings", settings(c));
	json_object_set_new(o, "services", services(r, rc));
	json_object_set_new(o, "secrets", secrets(rc));
	json_object_set(o, "provides", rc->provides);
	json_object_set_new(o, "requires", requires(rc));
	json_object_set_new(o, "environment", own_environment(r, rc));
	json_object_set_new(o, "links", links(r, rc));
	json_object_set_new(o, "open", open_ports(r, rc));
	json_object_set(o, "collected", rc->collected);
	json_object_set(o, "exports", rc->exports);
	json_object_set_new(o, "files", mill_render_files(r, rc, NULL, c->files, c->n_files));
	json_object_set_new(o, "hooks", hooks(r, rc));
	if (r->host->pods) {
		struct mill_scope scope = mill_scope_component(r, rc);

		json_object_set_new(o, "image", opt_string(rc->image));
		json_object_set_new(o, "release_secret", mill_scope_entries(&scope, c->release_secret, c->n_release_secret));
	}
	return o;
}

/* Providers that the flavour would bind come last in the fold, so that their names win. */
json_t *mill_render_environment(struct mill_render *r)
{
	const struct mill_project *project = &r->model->project;
	json_t *env = json_object();

	if (project->data_folder && !r->host->pods) /* a pod has it where the volume is mounted (runtime/kubernetes/data.c) */
		json_object_set_new(env, "MILL_DATA_FOLDER", json_string(project->data_folder));
	if (project->data_folder && mill_resolve_provider(r->model, "s3")) /* where code finds what is mirrored */
		json_object_set_new(env, "MILL_DATA_BUCKET", json_string(project->data_bucket));
	for (int preferred = 0; preferred < 2; preferred++)
		for (size_t i = 0; i < r->n; i++) {
			struct mill_rendered *rc = &r->components[i];
			const struct mill_component *c = rc->component;
			bool bound = c->n_provides == 0;
			_cleanup_json_ json_t *own = NULL;

			for (size_t k = 0; k < c->n_provides && !bound; k++)
				bound = mill_resolve_provider(r->model, c->provides[k].name) == c;
			if (bound != (preferred == 1))
				continue;
			own = own_environment(r, rc);
			json_object_update(env, own);
		}
	return env;
}
