/* What ${group.name} means: docs/manifest.md, "Interpolation". */
#include "spec/scope.h"

#include "base/json.h"
#include "base/parse.h"
#include "plan/fit.h"
#include "spec/filter.h"
#include "spec/place.h"

#define MIB ((uint64_t)1 << 20)

struct mill_scope mill_scope_component(struct mill_render *r, struct mill_rendered *c)
{
	return (struct mill_scope){.r = r, .c = c, .folder = c->folder};
}

struct mill_scope mill_scope_service(struct mill_render *r, struct mill_rendered *c, const struct mill_service *s)
{
	struct mill_scope scope = mill_scope_component(r, c);

	if (!s)
		return scope;
	scope.service = s;
	scope.folder = mill_place_service(r, c->component, s->name);
	return scope;
}

char *mill_scope_id(const struct mill_component *c, const struct mill_service *s)
{
	return mill_xasprintf("%s.%s", c->name, s->name);
}

unsigned mill_scope_port(const struct mill_render *r, const char *component, const char *service, const char *port)
{
	_cleanup_free_ char *key = mill_xasprintf("%s.%s.%s", component, service, port);
	const struct mill_rendered *c = mill_render_find(r, component);
	const struct mill_chart_service *made = c ? mill_component_chart_service(c->component, service) : NULL;

	for (size_t i = 0; made && i < made->n_ports; i++)
		if (mill_streq(made->ports[i].name, port))
			return made->ports[i].number;
	return (unsigned)json_integer_value(json_object_get(r->platform->ports, key));
}

const char *mill_filter_name(enum mill_filter f)
{
	static const char *const names[] = {
		[MILL_FILTER_JSON] = "json", [MILL_FILTER_URL] = "url",
		[MILL_FILTER_YAML] = "yaml", [MILL_FILTER_INI] = "ini",
		[MILL_FILTER_PROPERTIES] = "properties", [MILL_FILTER_BASE64] = "base64",
	};

	return (size_t)f < MILL_ARRAY_LEN(names) ? names[f] : NULL;
}

/* ---- groups ---- */

static json_t *text(const char *s)
{
	return s ? json_string(s) : NULL;
}

static json_t *path(const char *folder, const char *below)
{
	_cleanup_free_ char *p = mill_xasprintf("%s/%s", folder, below);

	return json_string(p);
}

static json_t *number(uint64_t v, enum mill_found_kind *kind)
{
	char buf[24];

	*kind = MILL_FOUND_SCALAR;
	snprintf(buf, sizeof(buf), "%llu", (unsigned long long)v);
	return json_string(buf);
}

json_t *mill_scope_secret(const struct mill_scope *s, const char *name)
{
	const struct mill_component *c = s->c->component;
	const struct mill_plan_host *h = s->r->host;
	_cleanup_free_ char *full = mill_xasprintf("%s/%s", c->name, name);
	unsigned version = h->secret_version ? h->secret_version(h, c->name, name) : 0;

	return mill_value_secret_alone(full, version ? version : 1);
}

static json_t *find_setting(struct mill_scope *s, const char *name, enum mill_found_kind *kind)
{
	const struct mill_setting *set = mill_component_setting(s->c->component, name);

	if (!set)
		return NULL;
	if (set->secret) {
		_cleanup_free_ char *stored = mill_xasprintf("setting-%s", name);

		return set->from_file || set->from_variable ? mill_scope_secret(s, stored) : json_string("");
	}
	switch (set->type) {
	case MILL_SETTING_INT:
	case MILL_SETTING_NUMBER:
	case MILL_SETTING_BOOL:
	case MILL_SETTING_SIZE:
		*kind = MILL_FOUND_SCALAR;
		break;
	case MILL_SETTING_LIST:
		*kind = MILL_FOUND_JSON;
		break;
	default:
		break;
	}
	return text(set->value ? set->value : "");
}

static json_t *find_secret(struct mill_scope *s, const char *name, enum mill_found_kind *kind)
{
	const struct mill_component *c = s->c->component;

	for (size_t i = 0; i < c->n_secrets; i++)
		if (mill_streq(c->secrets[i].name, name))
			return mill_scope_secret(s, name);
	return NULL;
}

static json_t *find_store(struct mill_scope *s, const char *name, enum mill_found_kind *kind)
{
	return text(s->c->store);
}

static json_t *find_component(struct mill_scope *s, const char *name, enum mill_found_kind *kind)
{
	return json_string(mill_place_hooks(s->r, s->c->component));
}

static json_t *find_tools(struct mill_scope *s, const char *name, enum mill_found_kind *kind)
{
	return text(s->r->tools);
}

static json_t *find_toolchain(struct mill_scope *s, const char *name, enum mill_found_kind *kind)
{
	const struct mill_component *c = s->c->component;
	size_t len = strlen(name);

	for (size_t i = 0; i < c->n_toolchains; i++) {
		const char *want = c->toolchains[i];

		if (!strncmp(want, name, len) && (want[len] == '\0' || !strchr("abcdefghijklmnopqrstuvwxyz", want[len]))) {
			const struct mill_toolchain_at *at = mill_map_get(&s->r->toolchains, want);

			return at ? text(at->dir) : NULL;
		}
	}
	return NULL;
}

static json_t *find_bind(struct mill_scope *s, const char *name, enum mill_found_kind *kind)
{
	return json_string(mill_place_bind(s->r));
}

/* The service's own; of the component as a whole: its main one's, unless a port says otherwise (host_beside). */
static json_t *find_host(struct mill_scope *s, const char *name, enum mill_found_kind *kind)
{
	return json_string(mill_place_host(s->r, s->c->component, s->service ? s->service->name : NULL));
}

static json_t *find_port(struct mill_scope *s, const char *name, enum mill_found_kind *kind)
{
	const char *dot = strchr(name, '.');
	const char *component = s->c->component->name;
	_cleanup_free_ char *service = NULL;
	unsigned port;

	if (dot)
		service = mill_xstrndup(name, (size_t)(dot - name));
	else if (s->service)
		service = mill_xstrdup(s->service->name);
	else
		return NULL;
	port = mill_scope_port(s->r, component, service, dot ? dot + 1 : name);
	return port ? number(port, kind) : NULL;
}

static json_t *find_service(struct mill_scope *s, const char *name, enum mill_found_kind *kind)
{
	_cleanup_free_ char *service = NULL;

	if (!mill_ends_with(name, ".host"))
		return NULL;
	service = mill_xstrndup(name, strlen(name) - strlen(".host"));
	return json_string(mill_place_host(s->r, s->c->component, service));
}

static json_t *find_dir(struct mill_scope *s, const char *name, enum mill_found_kind *kind)
{
	static const char *const known[] = {"data", "config", "run", "log"};
	const char *dot = strchr(name, '.');

	if (dot && !s->service) {
		_cleanup_free_ char *service = mill_xstrndup(name, (size_t)(dot - name));

		return path(mill_place_service(s->r, s->c->component, service), dot + 1);
	}
	if (mill_streq(name, "tmp"))
		return path(s->folder, "run/tmp");
	for (size_t i = 0; i < MILL_ARRAY_LEN(known); i++)
		if (mill_streq(name, known[i]))
			return path(s->folder, name);
	return NULL;
}

static uint64_t fitted_memory(const struct mill_scope *s)
{
	_cleanup_free_ char *id = s->service ? mill_scope_id(s->c->component, s->service) : NULL;

	return id ? mill_fit_of(s->r->platform, id) : 0;
}

uint64_t mill_scope_disk(const struct mill_scope *s)
{
	_cleanup_free_ char *id = s->service ? mill_scope_id(s->c->component, s->service) : NULL;

	if (!id || !s->service->disk)
		return 0;
	/* A pod has its volume, not a share of this machine's disk; some of it goes to the file system and to work in progress. */
	if (s->r->host->pods)
		return mill_render_volume(s->r, s->c->component, s->service) / 100 * 85;
	return mill_fit_disk_of(s->r->platform, id);
}

static json_t *in_unit(uint64_t bytes, const char *unit, enum mill_found_kind *kind)
{
	if (mill_streq(unit, "bytes"))
		return number(bytes, kind);
	return mill_streq(unit, "mib") ? number(bytes / MIB, kind) : NULL;
}

static json_t *find_memory(struct mill_scope *s, const char *name, enum mill_found_kind *kind)
{
	return in_unit(fitted_memory(s), name, kind);
}

static json_t *find_disk(struct mill_scope *s, const char *name, enum mill_found_kind *kind)
{
	return in_unit(mill_scope_disk(s), name, kind);
}

static json_t *find_heap(struct mill_scope *s, const char *name, enum mill_found_kind *kind)
{
	double heap = s->service ? s->service->heap : 0;

	return mill_streq(name, "mib") ? number((uint64_t)((double)fitted_memory(s) * heap) / MIB, kind) : NULL;
}

static json_t *find_cpus(struct mill_scope *s, const char *name, enum mill_found_kind *kind)
{
	return number(s->r->host->cpus ? s->r->host->cpus : 1, kind);
}

static json_t *find_provides(struct mill_scope *s, const char *name, enum mill_found_kind *kind)
{
	const char *dot = strchr(name, '.');
	_cleanup_free_ char *capability = NULL;

	if (!dot)
		return NULL;
	capability = mill_xstrndup(name, (size_t)(dot - name));
	return json_incref(json_object_get(json_object_get(s->c->provides, capability), dot + 1));
}

static json_t *find_collected(struct mill_scope *s, const char *name, enum mill_found_kind *kind)
{
	const json_t *list = json_object_get(s->c->collected, name);
	_cleanup_value_ struct mill_value v = MILL_VALUE_INIT;

	if (!list)
		return NULL;
	mill_value_json(&v, list, 0);
	*kind = MILL_FOUND_JSON;
	return mill_value_finish(&v);
}

static json_t *find_platform(struct mill_scope *s, const char *name, enum mill_found_kind *kind)
{
	return mill_streq(name, "name") ? text(s->r->platform->name) : NULL;
}

static json_t *find_release(struct mill_scope *s, const char *name, enum mill_found_kind *kind)
{
	const struct mill_component *c = s->c->component;

	return text(c->release && *c->release ? c->release : c->name);
}

static json_t *find_version(struct mill_scope *s, const char *name, enum mill_found_kind *kind)
{
	return text(s->c->component->version ? s->c->component->version : "");
}

static const struct {
	const char *group;
	json_t *(*find)(struct mill_scope *s, const char *name, enum mill_found_kind *kind);
} groups[] = {
	{"setting", find_setting}, {"secret", find_secret}, {"store", find_store},
	{"component", find_component}, {"tools", find_tools}, {"toolchain", find_toolchain},
	{"bind", find_bind}, {"host", find_host}, {"port", find_port}, {"service", find_service},
	{"dir", find_dir}, {"memory", find_memory}, {"heap", find_heap}, {"disk", find_disk}, {"cpus", find_cpus},
	{"provides", find_provides}, {"collected", find_collected}, {"platform", find_platform},
	{"release", find_release}, {"version", find_version},
};

static json_t *find_capability(struct mill_scope *s, const struct mill_template_part *part)
{
	for (size_t i = 0; i < s->c->n_bound; i++)
		if (mill_streq(s->c->bound[i].requirement->capability, part->group))
			return json_incref(json_object_get(s->c->bound[i].values, part->name));
	return NULL;
}

static void explain_unknown(struct mill_scope *s, const struct mill_template_part *part)
{
	struct mill_diags *d = s->r->model->diags;
	const struct mill_component *c = s->c->component;

	s->failed = true;
	for (size_t i = 0; i < c->n_requires; i++) {
		const struct mill_requirement *q = &c->requires[i];

		if (!mill_streq(q->capability, part->group))
			continue;
		if (q->provider)
			mill_diag_error(d, part->mark, "'%s' provides %s without '%s'", q->provider->name,
					part->group, part->name);
		else
			mill_diag_hint(mill_diag_error(d, part->mark, "%s is optional, and nothing provides it here",
						       part->group),
				       "guard it with `when: %s`", part->group);
		return;
	}
	if (mill_streq(part->group, "tools"))
		mill_diag_error(d, part->mark, "there is no environment for hooks: components/_tools is missing");
	else
		mill_diag_error(d, part->mark, "'${%s%s%s}' means nothing here", part->group,
				*part->name ? "." : "", part->name);
}

json_t *mill_scope_lookup(struct mill_scope *s, const struct mill_template_part *part, enum mill_found_kind *ret_kind)
{
	json_t *v = NULL;

	*ret_kind = MILL_FOUND_TEXT;
	for (size_t i = 0; i < MILL_ARRAY_LEN(groups); i++)
		if (mill_streq(groups[i].group, part->group)) {
			v = groups[i].find(s, part->name, ret_kind);
			break;
		}
	if (!v)
		v = find_capability(s, part);
	if (!v)
		explain_unknown(s, part);
	return v;
}

/* ---- templates ---- */

/* "http://${host}:${port.server.http}": the host is the one of the service whose port stands behind it; NULL: no such port. */
static json_t *host_beside(const struct mill_scope *s, const struct mill_template *t, size_t i)
{
	const char *name, *dot;
	_cleanup_free_ char *service = NULL;

	if (!mill_streq(t->parts[i].group, "host") || i + 2 >= t->n || !mill_streq(t->parts[i + 1].text, ":") ||
	    !mill_streq(t->parts[i + 2].group, "port"))
		return NULL;
	name = t->parts[i + 2].name;
	dot = strchr(name, '.');
	if (!dot)
		return NULL;
	service = mill_xstrndup(name, (size_t)(dot - name));
	return json_string(mill_place_host(s->r, s->c->component, service));
}

json_t *mill_scope_render(struct mill_scope *s, const struct mill_template *t)
{
	_cleanup_value_ struct mill_value v = MILL_VALUE_INIT;

	for (size_t i = 0; i < t->n; i++) {
		const struct mill_template_part *part = &t->parts[i];
		_cleanup_error_ struct mill_error err = {0};
		enum mill_found_kind kind;
		_cleanup_json_ json_t *found = NULL;
		const char *filter = mill_filter_name(part->filter);

		if (part->text) {
			mill_value_str(&v, part->text);
			continue;
		}
		kind = MILL_FOUND_TEXT;
		found = host_beside(s, t, i);
		if (!found)
			found = mill_scope_lookup(s, part, &kind);
		if (!found)
			continue;
		if (kind == MILL_FOUND_JSON && part->filter == MILL_FILTER_JSON)
			filter = NULL; /* it is JSON already */
		if (mill_value_add(&v, found, filter, &err) < 0) {
			mill_diag_error(s->r->model->diags, part->mark, "%s", err.message);
			s->failed = true;
		}
	}
	return mill_value_finish(&v);
}

json_t *mill_scope_text(struct mill_scope *s, const struct mill_template *t, const char *what)
{
	json_t *v = mill_scope_render(s, t);

	if (!mill_value_is_tainted(v))
		return v;
	mill_diag_error(s->r->model->diags, t->mark,
			"the secret %s may not be in %s: other users of the machine could read it",
			mill_value_first_secret(v), what);
	s->failed = true;
	json_decref(v);
	return json_string("");
}

json_t *mill_scope_entries(struct mill_scope *s, const struct mill_entry *entries, size_t n)
{
	json_t *o = json_object();

	for (size_t i = 0; i < n; i++)
		if (mill_when_holds(&entries[i].when, s->c->component))
			json_object_set_new(o, entries[i].key, mill_scope_render(s, &entries[i].value));
	return o;
}
