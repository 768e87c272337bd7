/* What all of a flavour's components share, settled in dependency order: store entries, ports, provides, bindings. */
#include "spec/render.h"

#include "base/json.h"
#include "spec/place.h"
#include "spec/scope.h"

struct mill_rendered *mill_render_find(const struct mill_render *r, const char *component)
{
	return mill_map_get(&r->by_name, component);
}

/* ---- the store ---- */

static void add_install(struct mill_render *r, const char *name, const char *key, const struct mill_component *c,
			json_t *recipe)
{
	if (mill_map_has(&r->install_keys, key))
		return;
	mill_map_set(&r->install_keys, key, r);
	MILL_GROW(r->installs, r->n_installs, r->cap_installs);
	r->installs[r->n_installs++] = (struct mill_render_install){
		.name = name, .key = key, .component = c, .recipe = json_incref(recipe)};
}

static int settle_toolchain(struct mill_render *r, struct mill_rendered *rc, const char *want,
			    struct mill_strbuf *path)
{
	struct mill_toolchain_at *at = mill_map_get(&r->toolchains, want);

	if (!at) {
		_cleanup_error_ struct mill_error err = {0};

		at = mill_xcalloc(1, sizeof(*at));
		if (!r->host->toolchain || r->host->toolchain(r->host->arg, want, at, &err) < 0) {
			mill_diag_hint(mill_diag_error(r->model->diags, rc->component->mark, "'%s' needs %s: %s",
						       rc->component->name, want,
						       err.message ? err.message : "not to be had here"),
				       "%s", err.hint ? err.hint : "install it and try again");
			free(at);
			return -ENOENT;
		}
		mill_map_set(&r->toolchains, want, at);
	}
	if (at->key) {
		add_install(r, want, at->key, NULL, at->recipe);
		json_array_append_new(rc->entries, json_string(at->key));
	}
	mill_strbuf_printf(path, "%s/bin:", at->dir);
	return 0;
}

static int settle_store(struct mill_render *r, struct mill_rendered *rc, struct mill_error *err)
{
	const struct mill_component *c = rc->component;
	struct mill_arena *arena = &r->model->arena;
	_cleanup_strbuf_ struct mill_strbuf path = MILL_STRBUF_INIT;

	rc->entries = json_array();
	rc->recipe = mill_component_recipe(c);
	if (rc->recipe) {
		_cleanup_free_ char *key = NULL;
		int rv;

		if (!r->host->store_key)
			return mill_fail(err, ENOSYS, "%s: there is no store to install it into", c->name);
		rv = r->host->store_key(r->host->arg, rc->recipe, &key, err);
		if (rv < 0)
			return mill_error_wrap(err, "%s", c->name);
		rc->key = mill_arena_strdup(arena, key);
		rc->store = mill_arena_printf(arena, "%s/%s", r->host->store, key);
		add_install(r, c->name, rc->key, c, rc->recipe);
		json_array_append_new(rc->entries, json_string(key));
		mill_strbuf_printf(&path, "%s/bin:", rc->store);
	}
	for (size_t i = 0; i < c->n_toolchains; i++)
		settle_toolchain(r, rc, c->toolchains[i], &path);
	mill_strbuf_addstr(&path, "/usr/bin:/bin");
	rc->path = mill_arena_strdup(arena, path.data);
	return 0;
}

static bool uses_tools(const struct mill_template *command, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < command[i].n; k++)
			if (mill_streq(command[i].parts[k].group, "tools"))
				return true;
	return false;
}

bool mill_render_uses_tools(const struct mill_component *c)
{
	const struct mill_hook *hooks[] = {&c->smoke, &c->repo, &c->backup, &c->configure};

	for (size_t i = 0; i < MILL_ARRAY_LEN(hooks); i++)
		if (uses_tools(hooks[i]->command, hooks[i]->n_command))
			return true;
	for (size_t i = 0; i < c->n_provisions; i++)
		if (uses_tools(c->provisions[i].hook.command, c->provisions[i].hook.n_command))
			return true;
	for (size_t i = 0; i < c->n_tasks; i++)
		if (uses_tools(c->tasks[i].hook.command, c->tasks[i].hook.n_command))
			return true;
	for (size_t i = 0; i < c->n_services; i++)
		if (uses_tools(c->services[i].command, c->services[i].n_command))
			return true;
	return false;
}

static int settle_tools(struct mill_render *r, struct mill_error *err)
{
	_cleanup_json_ json_t *recipe = NULL;
	_cleanup_free_ char *key = NULL;
	bool wanted = false;

	for (size_t i = 0; i < r->n && !wanted; i++)
		wanted = mill_render_uses_tools(r->components[i].component);
	if (!wanted || !r->host->tools_recipe || !(recipe = r->host->tools_recipe(r->host->arg)))
		return 0;
	if (!r->host->store_key)
		return mill_fail(err, ENOSYS, "there is no store to install the hooks' tools into");
	if (r->host->store_key(r->host->arg, recipe, &key, err) < 0)
		return mill_error_wrap(err, "tools of the hooks");
	r->tools_key = mill_arena_strdup(&r->model->arena, key);
	r->tools = mill_arena_printf(&r->model->arena, "%s/%s", r->host->store, key);
	add_install(r, "tools", r->tools_key, NULL, recipe);
	return 0;
}

/* ---- ports ---- */

/* A recorded number that no longer answers: another pin, or a stranger's while we may move. */
static void forget_port(struct mill_render *r, const char *key, const char *id, const struct mill_port *port)
{
	json_t *recorded = json_object_get(r->platform->ports, key);
	uint16_t number = (uint16_t)json_integer_value(recorded);
	struct mill_observed seen = {0};
	char *holder;

	if (!recorded)
		return;
	if (port->pinned && port->pinned != number) {
		json_object_del(r->platform->ports, key);
		return;
	}
	if (!r->options.move_ports || port->pinned || !r->host->port_holder)
		return;
	if (r->host->observe)
		r->host->observe(r->host->arg, id, &seen);
	if (seen.fingerprint[0])
		return; /* ours runs and holds it */
	holder = r->host->port_holder(r->host, number);
	if (holder)
		json_object_del(r->platform->ports, key);
	free(holder);
}

/* True when somebody else's port made it move and `try_later` gives the others a chance at theirs first. */
static bool settle_port(struct mill_render *r, const struct mill_service *s, const struct mill_port *port, bool try_later)
{
	_cleanup_error_ struct mill_error err = {0};
	_cleanup_free_ char *id = mill_scope_id(s->component, s);
	_cleanup_free_ char *key = mill_xasprintf("%s.%s", id, port->name);
	uint16_t number = 0;
	bool moved = false;

	if (try_later)
		forget_port(r, key, id, port);
	if (r->host->port(r->host, key, port->preferred, port->pinned, &number, &moved, &err) < 0) {
		struct mill_diag *d = mill_diag_error(r->model->diags, port->pinned ? port->pin_mark : port->mark, "%s",
						      err.message);

		if (err.hint)
			mill_diag_hint(d, "%s", err.hint);
		return false;
	}
	if (moved && try_later) {
		json_object_del(r->platform->ports, key);
		return true;
	}
	json_object_set_new(r->platform->ports, key, json_integer(number));
	if (moved)
		json_array_append_new(r->ports_moved, json_pack("{s:s, s:i, s:i}", "key", key, "from",
								(int)port->preferred, "to", (int)number));
	return false;
}

struct late_port {
	const struct mill_service *s;
	const struct mill_port *port;
};

static void settle_ports(struct mill_render *r)
{
	struct late_port *late = NULL;
	size_t n = 0, cap = 0;

	for (size_t i = 0; i < r->n; i++) {
		const struct mill_component *c = r->components[i].component;

		for (size_t k = 0; k < c->n_services; k++)
			for (size_t j = 0; j < c->services[k].n_ports; j++) {
				if (!mill_when_holds(&c->services[k].when, c) ||
				    !settle_port(r, &c->services[k], &c->services[k].ports[j], true))
					continue;
				MILL_GROW(late, n, cap);
				late[n++] = (struct late_port){&c->services[k], &c->services[k].ports[j]};
			}
	}
	for (size_t i = 0; i < n; i++)
		settle_port(r, late[i].s, late[i].port, false);
	free(late);
}

/* ---- what is provided, and bound ---- */

static const struct mill_provision *provision_of(const struct mill_component *provider, const char *capability)
{
	for (size_t i = 0; i < provider->n_provisions; i++)
		if (mill_streq(provider->provisions[i].capability, capability))
			return &provider->provisions[i];
	return NULL;
}

/* The consumer's own user name and generated password, in place of the provider's. */
static json_t *own_credentials(struct mill_render *r, const struct mill_component *consumer, const char *capability,
			       const struct mill_provision *p)
{
	json_t *credentials = json_object();

	if (p->user_key)
		json_object_set_new(credentials, p->user_key,
				    json_sprintf("%s%s%s", consumer->name, p->user_suffix ? "-" : "",
						 p->user_suffix ? p->user_suffix : ""));
	if (p->password_key) {
		_cleanup_free_ char *name = mill_xasprintf("%s-password", capability);
		_cleanup_free_ char *full = mill_xasprintf("%s/%s", consumer->name, name);
		unsigned version = r->host->secret_version ? r->host->secret_version(r->host, consumer->name, name) : 0;

		json_object_set_new(credentials, p->password_key,
				    mill_value_secret_alone(full, version ? version : 1));
	}
	return credentials;
}

/* What the provider's hook answered last time is known from desired.json. */
static json_t *answered(const struct mill_render *r, const char *provider, const char *capability, const char *consumer)
{
	_cleanup_free_ char *id = mill_xasprintf("%s.provision.%s.%s", provider, capability, consumer);
	json_t *values = json_object_get(json_object_get(json_object_get(r->platform->desired, "tasks"), id), "values");

	return json_is_object(values) ? values : NULL;
}

static void bind(struct mill_render *r, struct mill_rendered *rc, const struct mill_requirement *q)
{
	struct mill_rendered *provider = mill_render_find(r, q->provider->name);
	struct mill_scope scope = mill_scope_component(r, rc);
	struct mill_bound *b;

	if (!provider)
		return;
	b = &rc->bound[rc->n_bound++];
	b->requirement = q;
	b->parameters = mill_scope_entries(&scope, q->parameters, q->n_parameters);
	b->values = json_copy(json_object_get(provider->provides, q->capability));
	if (!b->values)
		b->values = json_object();
	json_object_update_missing(b->values, b->parameters);
	if (!q->n_parameters)
		return;
	b->provision = provision_of(q->provider, q->capability);
	if (!b->provision)
		return;
	b->credentials = own_credentials(r, rc->component, q->capability, b->provision);
	json_object_update(b->values, b->credentials);
	json_object_update(b->values, b->parameters);
	json_object_update(b->values, answered(r, q->provider->name, q->capability, rc->component->name));
}

static void settle_provides(struct mill_render *r, struct mill_rendered *rc)
{
	const struct mill_component *c = rc->component;
	struct mill_scope scope = mill_scope_component(r, rc);

	rc->bound = MILL_ARENA_ARRAY(&r->model->arena, c->n_requires + 1, struct mill_bound);
	for (size_t i = 0; i < c->n_requires; i++)
		if (c->requires[i].provider)
			bind(r, rc, &c->requires[i]);
	rc->provides = json_object();
	for (size_t i = 0; i < c->n_provides; i++) {
		const struct mill_capability *cap = &c->provides[i];
		json_t *values = json_object();

		json_object_set_new(rc->provides, cap->name, values);
		for (size_t k = 0; k < cap->n_values; k++)
			if (mill_when_holds(&cap->values[k].when, c))
				json_object_set_new(values, cap->values[k].key,
						    mill_scope_render(&scope, &cap->values[k].value));
	}
}

/* ---- the way in ---- */

static void free_toolchain(void *p)
{
	struct mill_toolchain_at *at = p;

	free(at->dir);
	free(at->key);
	json_decref(at->recipe);
	free(at);
}

static int settle(struct mill_render *r, struct mill_error *err)
{
	int rv;

	for (size_t i = 0; i < r->n; i++) {
		rv = settle_store(r, &r->components[i], err);
		if (rv < 0)
			return rv;
	}
	rv = settle_tools(r, err);
	if (rv < 0)
		return rv;
	settle_ports(r);
	/* What is missing now would be missed again wherever it is named. */
	rv = mill_diags_fail(r->model->diags, err);
	if (rv < 0)
		return rv;
	for (size_t i = 0; i < r->n; i++)
		settle_provides(r, &r->components[i]);
	mill_render_collect(r);
	return 0;
}

int mill_render_new(struct mill_model *m, struct mill_platform *p, const struct mill_plan_host *host,
		    const struct mill_render_options *o, struct mill_render **ret, struct mill_error *err)
{
	struct mill_render *r = mill_xcalloc(1, sizeof(*r));
	int rv;

	*r = (struct mill_render){.model = m, .platform = p, .host = host, .n = m->n_selected,
				  .options = o ? *o : (struct mill_render_options){0}};
	r->ports_moved = json_array();
	if (!p->ports)
		p->ports = json_object();
	r->toolchains.free_value = free_toolchain;
	r->components = mill_xcalloc(r->n + 1, sizeof(*r->components));
	for (size_t i = 0; i < r->n; i++) {
		struct mill_rendered *rc = &r->components[i];

		rc->component = m->selected[i];
		rc->folder = mill_place_component(r, rc->component);
		mill_map_set(&r->by_name, rc->component->name, rc);
	}
	rv = settle(r, err);
	if (rv < 0) {
		mill_render_free(r);
		return rv;
	}
	*ret = r;
	return 0;
}

struct mill_render *mill_render_free(struct mill_render *r)
{
	if (!r)
		return NULL;
	for (size_t i = 0; i < r->n; i++) {
		struct mill_rendered *rc = &r->components[i];

		json_decref(rc->recipe);
		json_decref(rc->entries);
		json_decref(rc->provides);
		json_decref(rc->exports);
		json_decref(rc->collected);
		for (size_t k = 0; k < rc->n_bound; k++) {
			json_decref(rc->bound[k].parameters);
			json_decref(rc->bound[k].values);
			json_decref(rc->bound[k].credentials);
		}
	}
	for (size_t i = 0; i < r->n_installs; i++)
		json_decref(r->installs[i].recipe);
	free(r->installs);
	free(r->components);
	json_decref(r->ports_moved);
	mill_map_release(&r->by_name);
	mill_map_release(&r->install_keys);
	mill_map_release(&r->toolchains);
	free(r);
	return NULL;
}
