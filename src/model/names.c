#include "model/names.h"

#include "model/address.h"
#include "model/template.h"

enum { NAMES_MAX = 160, TAINT_DEPTH_MAX = 8 };

/* A list of candidates for "did you mean". */
struct words {
	const char *items[NAMES_MAX];
	size_t n;
};

static void add_word(struct words *w, const char *word)
{
	if (w->n < NAMES_MAX)
		w->items[w->n++] = word;
}

static const char *place_text(enum mill_place place)
{
	static const char *const texts[] = {"a command",   "a path", "the environment", "a file",
					    "provides",    "a probe", "a link",         "metrics",
					    "a parameter", "a hook",
					    "a chart's values", "a Secret"};
	return texts[place];
}

static bool secrets_allowed(enum mill_place place)
{
	return place == MILL_PLACE_ENVIRONMENT || place == MILL_PLACE_FILE ||
	       place == MILL_PLACE_PROVIDES || place == MILL_PLACE_SECRET;
}

static void refuse_secret(const struct mill_scope *s, const struct mill_template_part *p,
			  const char *which)
{
	struct mill_diag *d = mill_diag_error(s->r->diags, p->mark, "%s in %s", which, place_text(s->place));
	if (s->place == MILL_PLACE_CHART)
		mill_diag_hint(d, "Helm keeps values for everybody to read: put it into `secrets` and name that Secret");
	else
		mill_diag_hint(d, "arguments, links and probes are visible to others: hand it over in the "
				  "environment or in a file");
}

/* ---- taint ---- */
static const struct mill_capability *find_provided(const struct mill_component *c, const char *name)
{
	for (size_t i = 0; i < c->n_provides; i++)
		if (mill_streq(c->provides[i].name, name))
			return &c->provides[i];
	return NULL;
}

static const struct mill_entry *find_entry(const struct mill_entry *entries, size_t n,
					   const char *key)
{
	for (size_t i = 0; i < n; i++)
		if (mill_streq(entries[i].key, key))
			return &entries[i];
	return NULL;
}

static const struct mill_requirement *find_requirement(const struct mill_component *c,
						       const char *capability)
{
	for (size_t i = 0; i < c->n_requires; i++)
		if (mill_streq(c->requires[i].capability, capability))
			return &c->requires[i];
	return NULL;
}

static bool tainted(const struct mill_model *m, const struct mill_component *c,
		    const char *capability, const char *key, unsigned depth);

static bool part_tainted(const struct mill_model *m, const struct mill_component *c,
			 const struct mill_template_part *p, unsigned depth)
{
	if (p->text)
		return false;
	if (mill_streq(p->group, "secret"))
		return true;
	if (mill_streq(p->group, "setting")) {
		const struct mill_setting *s = mill_component_setting(c, p->name);
		return s && s->secret;
	}
	if (mill_names_is_group(p->group))
		return false;
	const struct mill_requirement *q = find_requirement(c, p->group);
	if (q && q->provider)
		return tainted(m, q->provider, p->group, p->name, depth + 1);
	for (size_t i = 0; m && i < m->n_known; i++)
		if (tainted(m, m->known[i], p->group, p->name, depth + 1))
			return true;
	return false;
}

static bool tainted(const struct mill_model *m, const struct mill_component *c,
		    const char *capability, const char *key, unsigned depth)
{
	const struct mill_capability *p = find_provided(c, capability);
	if (!p || depth > TAINT_DEPTH_MAX)
		return false;
	for (size_t i = 0; i < c->n_provisions; i++)
		if (mill_streq(c->provisions[i].capability, capability) &&
		    mill_streq(c->provisions[i].password_key, key))
			return true;
	const struct mill_entry *e = find_entry(p->values, p->n_values, key);
	for (size_t i = 0; e && i < e->value.n; i++)
		if (part_tainted(m, c, &e->value.parts[i], depth))
			return true;
	return false;
}

bool mill_names_tainted(const struct mill_model *m, const struct mill_component *provider,
			const char *capability, const char *key)
{
	return tainted(m, provider, capability, key, 0);
}

/* ---- one group each ---- */
static void unknown(const struct mill_scope *s, const struct mill_template_part *p,
		    const char *what, const char *name, const struct words *known)
{
	struct mill_diag *d = mill_diag_error(s->r->diags, p->mark, "unknown %s '%s'", what, name);
	if (mill_diag_suggest(d, name, known->items, known->n) || !known->n || known->n > 12)
		return;
	_cleanup_strbuf_ struct mill_strbuf list = MILL_STRBUF_INIT;
	for (size_t i = 0; i < known->n; i++)
		mill_strbuf_printf(&list, "%s%s", i ? ", " : "", known->items[i]);
	mill_diag_hint(d, "known here: %s", list.data);
}

static void check_setting(const struct mill_scope *s, const struct mill_template_part *p)
{
	const struct mill_component *c = s->component;
	const struct mill_setting *setting = mill_component_setting(c, p->name);
	if (setting) {
		if (setting->secret && !secrets_allowed(s->place))
			refuse_secret(s, p, "a secret setting");
		return;
	}
	struct words known = {.n = 0};
	for (size_t i = 0; i < c->n_settings; i++)
		add_word(&known, c->settings[i].name);
	unknown(s, p, "setting", p->name, &known);
}

static void check_secret(const struct mill_scope *s, const struct mill_template_part *p)
{
	const struct mill_component *c = s->component;
	struct words known = {.n = 0};
	for (size_t i = 0; i < c->n_secrets; i++) {
		add_word(&known, c->secrets[i].name);
		if (!mill_streq(c->secrets[i].name, p->name))
			continue;
		if (!secrets_allowed(s->place))
			refuse_secret(s, p, "a secret");
		return;
	}
	unknown(s, p, "secret", p->name, &known);
}

static void check_nameless(const struct mill_scope *s, const struct mill_template_part *p)
{
	if (*p->name)
		mill_diag_error(s->r->diags, p->mark, "'%s' takes no name: write ${%s}", p->group,
				p->group);
}

static void check_toolchain(const struct mill_scope *s, const struct mill_template_part *p)
{
	const struct mill_component *c = s->component;
	for (size_t i = 0; i < c->n_toolchains; i++) {
		size_t n = strcspn(c->toolchains[i], ">");
		if (strlen(p->name) == n && memcmp(c->toolchains[i], p->name, n) == 0)
			return;
	}
	mill_diag_hint(mill_diag_error(s->r->diags, p->mark, "tool chain '%s' is not declared",
				       p->name),
		       "add it to native.toolchains");
}

static const struct mill_service *find_service(const struct mill_scope *s,
					       const struct mill_template_part *p, const char *name)
{
	const struct mill_component *c = s->component;
	struct words known = {.n = 0};
	for (size_t i = 0; i < c->n_services; i++) {
		if (mill_streq(c->services[i].name, name))
			return &c->services[i];
		add_word(&known, c->services[i].name);
	}
	unknown(s, p, "service", name, &known);
	return NULL;
}

/* port.P of this service, port.S.P of another one of the component. */
static void check_port(const struct mill_scope *s, const struct mill_template_part *p)
{
	const struct mill_service *service = s->service;
	const char *port = p->name, *dot = strchr(p->name, '.');
	if (dot) {
		char *name = mill_arena_strndup(s->r->arena, p->name, (size_t)(dot - p->name));
		service = find_service(s, p, name);
		port = dot + 1;
		if (!service)
			return;
	} else if (!service) {
		mill_diag_hint(mill_diag_error(s->r->diags, p->mark,
					       "port '%s': of which service?", p->name),
			       "outside of a service write ${port.SERVICE.PORT}");
		return;
	}
	if (mill_service_port(service, port))
		return;
	struct words known = {.n = 0};
	for (size_t i = 0; i < service->n_ports; i++)
		add_word(&known, service->ports[i].name);
	unknown(s, p, "port", port, &known);
}

static void check_service(const struct mill_scope *s, const struct mill_template_part *p)
{
	const char *dot = strchr(p->name, '.');
	if (!dot || !mill_streq(dot + 1, "host")) {
		mill_diag_error(s->r->diags, p->mark, "of a service there is only its host: write "
						      "${service.NAME.host}");
		return;
	}
	find_service(s, p, mill_arena_strndup(s->r->arena, p->name, (size_t)(dot - p->name)));
}

static void check_choice(const struct mill_scope *s, const struct mill_template_part *p,
			 const char *const *names)
{
	struct words known = {.n = 0};
	for (; *names; names++) {
		if (mill_streq(*names, p->name))
			return;
		add_word(&known, *names);
	}
	unknown(s, p, mill_arena_printf(s->r->arena, "name in group '%s':", p->group), p->name,
		&known);
}

static void check_dir(const struct mill_scope *s, const struct mill_template_part *p)
{
	static const char *const of_service[] = {"data", "config", "run", "tmp", "log", NULL};
	static const char *const of_tool[] = {"data", "config", NULL};
	const char *dot = strchr(p->name, '.');
	if (!s->service && s->component->n_services && dot) {
		/* dir.S.D: what people's code on this machine is told of; services share no folder */
		struct mill_template_part of = *p;
		if (!find_service(s, p, mill_arena_strndup(s->r->arena, p->name, (size_t)(dot - p->name))))
			return;
		of.name = dot + 1;
		check_choice(s, &of, of_tool);
	} else if (!s->service && s->component->n_services)
		mill_diag_hint(mill_diag_error(s->r->diags, p->mark, "'%s.%s' belongs to a service: there is none here",
					       p->group, p->name),
			       "outside of a service write ${dir.SERVICE.%s}", p->name);
	else
		check_choice(s, p, s->service ? of_service : of_tool);
}

static void check_of_service(const struct mill_scope *s, const struct mill_template_part *p)
{
	static const char *const sizes[] = {"bytes", "mib", NULL}, *const heap[] = {"mib", NULL};
	if (!s->service)
		mill_diag_error(s->r->diags, p->mark, "'%s' belongs to a service: there is none here",
				p->group);
	else if (mill_streq(p->group, "memory") || mill_streq(p->group, "disk"))
		check_choice(s, p, sizes);
	else if (mill_streq(p->group, "heap"))
		check_choice(s, p, heap);
	else
		check_nameless(s, p);
}

static void check_provides(const struct mill_scope *s, const struct mill_template_part *p)
{
	const struct mill_component *c = s->component;
	const char *dot = strchr(p->name, '.');
	if (s->service || s->place == MILL_PLACE_PROVIDES) {
		mill_diag_error(s->r->diags, p->mark,
				"'provides' can be read in environment, links and hooks only");
		return;
	}
	if (!dot) {
		mill_diag_error(s->r->diags, p->mark, "write ${provides.CAPABILITY.KEY}");
		return;
	}
	char *name = mill_arena_strndup(s->r->arena, p->name, (size_t)(dot - p->name));
	const struct mill_capability *provided = find_provided(c, name);
	struct words known = {.n = 0};
	if (!provided) {
		for (size_t i = 0; i < c->n_provides; i++)
			add_word(&known, c->provides[i].name);
		unknown(s, p, "capability in provides:", name, &known);
		return;
	}
	for (size_t i = 0; i < provided->n_values; i++)
		add_word(&known, provided->values[i].key);
	if (!find_entry(provided->values, provided->n_values, dot + 1))
		unknown(s, p, "key", dot + 1, &known);
	else if (!secrets_allowed(s->place) && tainted(s->model, c, name, dot + 1, 0))
		refuse_secret(s, p, "a value that holds a secret");
}

static void check_collected(const struct mill_scope *s, const struct mill_template_part *p)
{
	const struct mill_component *c = s->component;
	for (size_t i = 0; i < c->n_collects; i++)
		if (mill_streq(c->collects[i], p->name))
			return;
	mill_diag_hint(mill_diag_error(s->r->diags, p->mark, "'%s' is not collected", p->name),
		       "add it to collects");
}

static void check_platform(const struct mill_scope *s, const struct mill_template_part *p)
{
	static const char *const names[] = {"name", NULL};
	check_choice(s, p, names);
}

static const struct {
	const char *name;
	void (*check)(const struct mill_scope *s, const struct mill_template_part *p);
} groups[] = {
	{"setting", check_setting},   {"secret", check_secret},       {"store", check_nameless},
	{"component", check_nameless}, {"tools", check_nameless},     {"toolchain", check_toolchain},
	{"bind", check_nameless},     {"host", check_nameless},       {"port", check_port},
	{"service", check_service},   {"dir", check_dir},             {"memory", check_of_service},
	{"heap", check_of_service},   {"disk", check_of_service},     {"cpus", check_of_service},
	{"provides", check_provides},
	{"collected", check_collected}, {"platform", check_platform}, {"release", check_nameless},
	{"version", check_nameless},
};

bool mill_names_is_group(const char *word)
{
	for (size_t i = 0; i < MILL_ARRAY_LEN(groups); i++)
		if (mill_streq(groups[i].name, word))
			return true;
	return false;
}

/* ---- capabilities ---- */
static void unknown_group(const struct mill_scope *s, const struct mill_template_part *p)
{
	struct words known = {.n = 0};
	for (size_t i = 0; i < s->component->n_requires; i++)
		add_word(&known, s->component->requires[i].capability);
	for (size_t i = 0; i < MILL_ARRAY_LEN(groups); i++)
		add_word(&known, groups[i].name);
	struct mill_diag *d = mill_diag_error(s->r->diags, p->mark, "unknown group '%s'", p->group);
	if (!mill_diag_suggest(d, p->group, known.items, known.n))
		mill_diag_hint(d, "a capability must stand in requires or optional; a literal ${ is $${");
}

static bool guarded(const struct mill_scope *s, const char *capability)
{
	for (size_t i = 0; i < MILL_ARRAY_LEN(s->guards) && s->guards[i]; i++)
		if (mill_streq(s->guards[i]->capability, capability) && !s->guards[i]->negated)
			return true;
	return false;
}

/* How many known manifests provide the capability, how many of them have the key, who has not. */
struct providers {
	size_t n, with_key;
	const struct mill_component *without;
	bool tainted;
	struct words keys;
};

static void ask_provider(const struct mill_scope *s, const struct mill_template_part *p,
			 const struct mill_component *c, struct providers *found)
{
	const struct mill_capability *provided = find_provided(c, p->group);
	if (!provided)
		return;
	found->n++;
	for (size_t i = 0; i < provided->n_values; i++)
		add_word(&found->keys, provided->values[i].key);
	if (!find_entry(provided->values, provided->n_values, p->name)) {
		found->without = c;
		return;
	}
	found->with_key++;
	found->tainted |= tainted(s->model, c, p->group, p->name, 0);
}

static void check_capability(const struct mill_scope *s, const struct mill_template_part *p)
{
	const struct mill_requirement *q = find_requirement(s->component, p->group);
	if (!q) {
		unknown_group(s, p);
		return;
	}
	if (!*p->name) {
		mill_diag_error(s->r->diags, p->mark, "which key of %s? write ${%s.KEY}", p->group,
				p->group);
		return;
	}
	if (q->optional && !guarded(s, p->group) && !s->bound)
		mill_diag_hint(mill_diag_error(s->r->diags, p->mark,
					       "'%s' is optional: there may be none", p->group),
			       "add `when: %s` to this entry, its file or its service", p->group);
	if (find_entry(q->parameters, q->n_parameters, p->name))
		return;
	struct providers found = {.n = 0};
	if (s->bound && q->provider)
		ask_provider(s, p, q->provider, &found);
	for (size_t i = 0; s->model && !s->bound && i < s->model->n_known; i++)
		ask_provider(s, p, s->model->known[i], &found);
	if (found.n && !found.with_key)
		unknown(s, p, mill_arena_printf(s->r->arena, "key of %s:", p->group), p->name,
			&found.keys);
	else if (found.without && s->strict)
		mill_diag_error(s->r->diags, p->mark, "'%s' provides %s without '%s'",
				found.without->name, p->group, p->name);
	if (found.tainted && !secrets_allowed(s->place))
		refuse_secret(s, p, "a value that holds a secret");
}

/* ---- entry points ---- */
static void check_addresses(const struct mill_scope *s, const struct mill_template *t,
			    const char *text)
{
	size_t at, len;
	for (const char *from = text; mill_address_find(from, strlen(from), &at, &len);
	     from += at + len)
		mill_diag_hint(mill_diag_error(s->r->diags,
					       mill_template_mark_of(t, from + at, len),
					       "literal address '%.*s' in %s", (int)len, from + at,
					       place_text(s->place)),
			       "write ${bind} for the address to listen on, ${host} (or "
			       "${service.NAME.host}) for the one to be reached at");
}

/* What a chart of somebody else's has not. */
static bool is_inside_pod(enum mill_place place, const char *group)
{
	static const char *const own[] = {"store", "component", "tools", "toolchain", "dir", "memory", "heap", "disk", "cpus"};
	for (size_t i = 0; i < MILL_ARRAY_LEN(own); i++)
		if (mill_streq(own[i], group))
			return place == MILL_PLACE_CHART || place == MILL_PLACE_SECRET;
	return false;
}

void mill_names_check(const struct mill_scope *s, const struct mill_template *t)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct mill_template_part *p = &t->parts[i];
		size_t g = 0;
		if (p->text) {
			if (!s->bound)
				check_addresses(s, t, p->text);
			continue;
		}
		while (g < MILL_ARRAY_LEN(groups) && !mill_streq(groups[g].name, p->group))
			g++;
		if (g == MILL_ARRAY_LEN(groups))
			check_capability(s, p);
		else if (!s->bound && is_inside_pod(s->place, p->group))
			mill_diag_error(s->r->diags, p->mark, "'%s' is a place of our own images: %s knows none",
					p->group, place_text(s->place));
		else if (!s->bound)
			groups[g].check(s, p);
	}
}

void mill_names_check_tree(const struct mill_scope *s, const struct mill_node *node)
{
	if (mill_node_is_scalar(node)) {
		struct mill_reader quiet = *s->r;
		if (s->bound)
			quiet.diags = NULL; /* mistakes of form were told before */
		struct mill_template t = mill_template_parse(&quiet, node);
		mill_names_check(s, &t);
	}
	MILL_SEQ_EACH (item, node)
		mill_names_check_tree(s, item);
	MILL_MAP_EACH (pair, node)
		mill_names_check_tree(s, pair->value);
}

void mill_names_check_when(const struct mill_scope *s, const struct mill_when *w)
{
	const struct mill_component *c = s->component;
	struct words known = {.n = 0};
	if (s->bound)
		return;
	if (w->setting) {
		const struct mill_setting *setting = mill_component_setting(c, w->setting);
		if (setting && setting->type != MILL_SETTING_BOOL)
			mill_diag_error(s->r->diags, w->mark, "when: setting '%s' is not a bool",
					w->setting);
		if (setting)
			return;
		for (size_t i = 0; i < c->n_settings; i++)
			add_word(&known, c->settings[i].name);
		struct mill_diag *d = mill_diag_error(s->r->diags, w->mark,
						      "when: unknown setting '%s'", w->setting);
		mill_diag_suggest(d, w->setting, known.items, known.n);
	} else if (w->capability && !find_requirement(c, w->capability)) {
		for (size_t i = 0; i < c->n_requires; i++)
			add_word(&known, c->requires[i].capability);
		struct mill_diag *d = mill_diag_error(s->r->diags, w->mark,
						      "when: '%s' is neither in requires nor in optional",
						      w->capability);
		mill_diag_suggest(d, w->capability, known.items, known.n);
	}
}
