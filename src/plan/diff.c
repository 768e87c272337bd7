/* Desired minus observed, component by component in dependency order: software, resources, then services. */
#include "plan/build.h"

#include "base/json.h"
#include "plan/resolve.h"
#include "spec/fingerprint.h"

/* ---- software ---- */

struct size {
	uint64_t download, installed;
	double seconds;
};

/* Measured by the last relock or install where there is such a record, else what the manifest says. */
static struct size size_of(const struct mill_component *c)
{
	_cleanup_json_ json_t *meta = NULL;
	_cleanup_free_ char *path = mill_xasprintf("%s/locks/meta.json", c->dir ? c->dir : "");
	struct size s = {c->size_download, c->size_installed, c->size_minutes * 60};

	if (mill_json_load(path, MILL_JSON_FILE_MAX, &meta, NULL) < 0)
		return s;
	s.download = (uint64_t)mill_json_get_int(meta, "download_bytes", (int64_t)s.download);
	s.installed = (uint64_t)mill_json_get_int(meta, "installed_bytes", (int64_t)s.installed);
	if (json_is_number(json_object_get(meta, "seconds")))
		s.seconds = json_number_value(json_object_get(meta, "seconds"));
	return s;
}

static void count_install(struct mill_build *b, const struct mill_component *c)
{
	struct size s = size_of(c);

	b->plan->download_bytes += s.download;
	b->plan->install_bytes += s.installed;
	b->seconds += s.seconds;
	if (s.seconds > 0)
		b->seconds_known = true;
}

static bool has(const struct mill_build *b, const char *key)
{
	return b->host->store_has && b->host->store_has(b->host->arg, key);
}

/* Tool chains and tools stand first in r->installs of whoever needs them, so their ids exist when asked for. */
static void need_entry(struct mill_build *b, const char *key, struct mill_ids *before)
{
	uintptr_t known = (uintptr_t)mill_map_get(&b->installs, key);
	const struct mill_render_install *in = NULL;
	json_t *data;
	unsigned id;

	if (known) {
		mill_ids_add(before, (unsigned)known - 1);
		return;
	}
	if (has(b, key))
		return;
	for (size_t i = 0; i < b->r->n_installs && !in; i++)
		if (mill_streq(b->r->installs[i].key, key))
			in = &b->r->installs[i];
	if (!in)
		return;
	data = json_pack("{s:s, s:O}", "key", key, "recipe", in->recipe);
	id = mill_build_action(b, MILL_ACTION_INSTALL, in->component ? in->component->name : in->name, in->name, NULL,
			       data, "not installed");
	mill_map_set(&b->installs, key, (void *)(uintptr_t)(id + 1));
	if (in->component)
		count_install(b, in->component);
	mill_ids_add(before, id);
}

/* What runs in a pod of ours beside its services. */
static bool has_hooks(const struct mill_component *c)
{
	return c->smoke.n_command || c->repo.n_command || c->backup.n_command || c->configure.n_command || c->n_provisions;
}

/* The image of a component, in place of entries on this machine. */
static bool image(struct mill_build *b, struct mill_planned *c)
{
	const struct mill_component *comp = c->rendered->component;
	json_t *source = mill_render_image(b->r, c->rendered), *data;
	_cleanup_error_ struct mill_error err = {0};
	_cleanup_free_ char *id = NULL;
	bool exists = false, pulled, known;
	char tag[32];

	if (b->host->image(b->host->arg, source, tag, &exists, &err) < 0) {
		mill_diag_hint(mill_diag_error(b->m->diags, comp->mark, "'%s': %s", comp->name, err.message), "%s",
			       err.hint ? err.hint : "see docs/images.md");
		json_decref(source);
		return false;
	}
	c->rendered->image = mill_arena_printf(&b->m->arena, "%s:%s", comp->name, tag);
	if (b->o->start_only) {
		json_decref(source);
		return exists;
	}
	id = mill_xasprintf("%s.prepull", comp->name);
	pulled = !comp->is_environment || mill_build_is_done(b, id, tag, &known);
	if (exists && pulled) {
		json_decref(source);
		return true;
	}
	data = json_pack("{s:s}", "image", c->rendered->image);
	if (!exists)
		json_object_set(data, "source", source);
	json_decref(source);
	if (!pulled) { /* people should not wait for it when they spawn a notebook */
		json_object_set_new(data, "id", json_string(id));
		json_object_set_new(data, "fingerprint", json_string(tag));
	}
	mill_ids_add(&c->before, mill_build_action(b, MILL_ACTION_INSTALL, comp->name, "image", NULL, data, "%s",
						   exists ? "not on the nodes yet" : "not in the registry"));
	if (!exists)
		count_install(b, comp);
	return true;
}

/* -s starts what is installed: false when something is missing. */
static bool software(struct mill_build *b, struct mill_planned *c)
{
	const struct mill_component *comp = c->rendered->component;
	const json_t *entry;
	size_t i;

	if (comp->gpu && !(b->host->has_gpu && b->host->has_gpu(b->host))) {
		mill_build_note(b, "note", "%s: left out, it wants a GPU and %s none", comp->name,
				b->host->pods ? "no node offers" : "this machine shows");
		return false;
	}
	if (b->host->image)
		return (mill_by_chart(b, comp) && !has_hooks(comp)) || image(b, c);
	json_array_foreach(c->rendered->entries, i, entry)
		if (b->o->start_only && !has(b, json_string_value(entry)))
			return false;
	json_array_foreach(c->rendered->entries, i, entry)
		need_entry(b, json_string_value(entry), &c->before);
	return true;
}

/* ---- resources of a component at its providers ---- */

static bool hook_uses_tools(const struct mill_hook *h)
{
	for (size_t i = 0; i < h->n_command; i++)
		for (size_t k = 0; k < h->command[i].n; k++)
			if (mill_streq(h->command[i].parts[k].group, "tools"))
				return true;
	return false;
}

static void need_tools(struct mill_build *b, const struct mill_hook *h, struct mill_ids *before)
{
	if (b->r->tools_key && hook_uses_tools(h) && !b->host->image)
		need_entry(b, b->r->tools_key, before);
}

/* -s installs nothing, not even what hooks run in. */
static bool lacks_tools(const struct mill_build *b, const struct mill_hook *h)
{
	return b->o->start_only && b->r->tools_key && !b->host->image && hook_uses_tools(h) && !has(b, b->r->tools_key);
}

static void provision(struct mill_build *b, struct mill_planned *c, const struct mill_bound *bound)
{
	const char *consumer = c->rendered->component->name, *cap = bound->requirement->capability;
	struct mill_planned *provider = mill_build_planned(b, bound->requirement->provider->name);
	struct mill_ids after = {0};
	_cleanup_free_ char *id = mill_xasprintf("%s.provision.%s.%s", provider->rendered->component->name, cap, consumer);
	_cleanup_free_ char *name = mill_xasprintf("%s for %s", cap, consumer);
	json_t *hook = mill_render_hook(b->r, provider->rendered, &bound->provision->hook);
	json_t *data = json_pack("{s:s, s:s, s:s, s:o, s:O}", "id", id, "capability", cap, "consumer", consumer, "hook",
				 hook, "parameters", bound->parameters);
	char fingerprint[MILL_SHA256_HEX];
	bool known;

	if (bound->credentials)
		json_object_set(data, "credentials", bound->credentials);
	mill_fingerprint_json(data, fingerprint);
	json_object_set_new(data, "fingerprint", json_string(fingerprint));
	if (mill_build_is_done(b, id, fingerprint, &known)) {
		json_decref(data);
		return;
	}
	if (lacks_tools(b, &bound->provision->hook)) {
		json_decref(data);
		c->absent = true;
		return;
	}
	mill_ids_union(&after, &provider->ready);
	need_tools(b, &bound->provision->hook, &after);
	mill_ids_add(&c->before, mill_build_action(b, MILL_ACTION_PROVISION, provider->rendered->component->name, name,
						   &after, data, known ? "what %s asks for changed" : "%s asks for it",
						   consumer));
	free(after.items);
}

static void providers(struct mill_build *b, struct mill_planned *c)
{
	for (size_t i = 0; i < c->rendered->n_bound; i++) {
		const struct mill_bound *bound = &c->rendered->bound[i];
		struct mill_planned *provider = mill_build_planned(b, bound->requirement->provider->name);

		if (!provider)
			continue;
		mill_ids_union(&c->before, &provider->ready);
		if (provider->absent && !bound->requirement->optional)
			c->absent = true;
	}
	for (size_t i = 0; i < c->rendered->n_bound && !c->absent; i++)
		if (c->rendered->bound[i].provision && !mill_build_planned(b, c->rendered->bound[i].requirement->provider->name)->absent)
			provision(b, c, &c->rendered->bound[i]);
}

/* ---- a tool's own files, the configure hook ---- */

static void configure_tool(struct mill_build *b, struct mill_planned *c, const json_t *record)
{
	const struct mill_component *comp = c->rendered->component;
	_cleanup_json_ json_t *old = NULL;
	const json_t *files = json_object_get(record, "files"), *were;

	if (!json_array_size(files))
		return;
	old = b->host->record ? b->host->record(b->host, comp->name) : NULL;
	were = json_object_get(old, "files");
	if (were && json_equal(were, files))
		return;
	mill_ids_add(&c->ready, mill_build_action(b, MILL_ACTION_CONFIGURE, comp->name, NULL, &c->before, NULL,
						  old ? "its files changed" : "new"));
}

static void configure_hook(struct mill_build *b, struct mill_planned *c, const json_t *record)
{
	static const char *const inputs[] = {"settings", "provides", "requires", "collected", "services", "version"};
	const struct mill_component *comp = c->rendered->component;
	json_t *hook = mill_render_hook(b->r, c->rendered, &comp->configure), *data;
	_cleanup_free_ char *id = mill_xasprintf("%s.hook.configure", comp->name);
	struct mill_ids after = {0};
	char fingerprint[MILL_SHA256_HEX];
	bool known;

	if (!hook)
		return;
	data = json_pack("{s:s, s:o}", "id", id, "hook", hook);
	for (size_t i = 0; i < MILL_ARRAY_LEN(inputs); i++)
		json_object_set(data, inputs[i], json_object_get(record, inputs[i]));
	mill_fingerprint_json(data, fingerprint);
	for (size_t i = 0; i < MILL_ARRAY_LEN(inputs); i++)
		json_object_del(data, inputs[i]);
	json_object_set_new(data, "fingerprint", json_string(fingerprint));
	if (mill_build_is_done(b, id, fingerprint, &known) || lacks_tools(b, &comp->configure)) {
		json_decref(data);
		return;
	}
	mill_ids_union(&after, &c->before);
	mill_ids_union(&after, &c->ready);
	need_tools(b, &comp->configure, &after);
	mill_ids_add(&c->ready, mill_build_action(b, MILL_ACTION_HOOK, comp->name, "configure", &after, data, "%s",
						  known ? "what it configures changed" : "not configured yet"));
	free(after.items);
}

/* ---- the way in ---- */

static void diff_component(struct mill_build *b, struct mill_planned *c)
{
	const struct mill_component *comp = c->rendered->component;
	json_t *record, *unit = NULL;

	providers(b, c);
	if (c->absent || !software(b, c)) {
		c->absent = true;
		mill_build_note(b, "note", "%s is not installed: not started", comp->name);
		return;
	}
	record = mill_render_record(b->r, c->rendered);
	json_object_set_new(b->plan->records, comp->name, record);
	if (mill_by_chart(b, comp))
		unit = mill_diff_chart(b, c, record);
	else if (!comp->n_services)
		configure_tool(b, c, record);
	if (!mill_by_chart(b, comp) && b->host->pods && mill_node_get(comp->pod_options, "values"))
		mill_build_note(b, "note", "%s: `kubernetes.values` are of its chart, and it runs by ours: they are not used", comp->name);
	mill_diff_deployment(b, c, record);
	if (unit)
		mill_diff_unit(b, c, unit);
	else if (!mill_by_chart(b, comp))
		mill_diff_services(b, c);
	configure_hook(b, c, record);
	/* Who has nothing to do hands on what it would have waited for. */
	if (!c->ready.n)
		mill_ids_union(&c->ready, &c->before);
}

static void install_all(struct mill_build *b)
{
	struct mill_ids ignored = {0};

	for (size_t i = 0; i < b->n; i++)
		if (b->components[i].wanted)
			software(b, &b->components[i]);
	if (b->r->tools_key && !b->host->image)
		need_entry(b, b->r->tools_key, &ignored);
	free(ignored.items);
}

void mill_diff(struct mill_build *b)
{
	struct mill_ids ignored = {0};

	if (b->o->install_only) {
		install_all(b);
		return;
	}
	for (size_t i = 0; i < b->n; i++)
		if (b->components[i].wanted)
			diff_component(b, &b->components[i]);
	/* A smoke test runs when somebody asks for it: nothing waits for its tools, but they must be there. */
	if (b->r->tools_key && !b->host->image && !b->o->start_only)
		need_entry(b, b->r->tools_key, &ignored);
	free(ignored.items);
	mill_diff_data(b);
	mill_diff_leftovers(b);
}
