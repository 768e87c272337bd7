/* The manifests: the project's components/ wins over the shipped one. */
#include <dirent.h>

#include "base/io.h"
#include "model/loading.h"
#include "model/manifest.h"
#include "model/schema.h"

enum { FOLDERS_MAX = 1000 };

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct mill_folder *)a)->name, ((const struct mill_folder *)b)->name);
}

struct mill_folder *mill_loading_folder(const struct mill_loading *l, const char *name)
{
	struct mill_folder key = {.name = name}, *found;
	if (!name || !l->n_folders)
		return NULL;
	found = bsearch(&key, l->folders, l->n_folders, sizeof(key), by_name);
	if (found)
		return found;
	_cleanup_free_ char *meant = mill_environment_name(name);
	key.name = meant;
	found = bsearch(&key, l->folders, l->n_folders, sizeof(key), by_name);
	return found && found->environment ? found : NULL;
}

static const struct {
	const char *folder, *file;
	bool environment;
} kinds[] = {{"components", "component.yaml", false}, {"environments", "environment.yaml", true}};

/* Folders whose names begin with _ or . are not components (_tools, _toolchains). */
static void list_folder(struct mill_loading *l, const char *root, size_t kind, size_t *cap)
{
	if (!root)
		return;
	_cleanup_free_ char *dir = mill_path_join(root, kinds[kind].folder);
	DIR *d = opendir(dir);
	const size_t before = l->n_folders;
	if (!d)
		return;
	for (const struct dirent *e; (e = readdir(d)) && l->n_folders < FOLDERS_MAX;) {
		if (!mill_match_name(e->d_name))
			continue;
		bool known = false;
		for (size_t i = 0; i < before && !known; i++)
			known = mill_streq(l->folders[i].name, e->d_name);
		char *path = mill_arena_printf(l->r.arena, "%s/%s", dir, e->d_name);
		if (known || access(mill_arena_printf(l->r.arena, "%s/%s", path, kinds[kind].file), F_OK) != 0)
			continue;
		MILL_GROW(l->folders, l->n_folders, *cap);
		l->folders[l->n_folders++] = (struct mill_folder){
			.name = mill_arena_strdup(l->r.arena, e->d_name), .dir = path,
			.file = kinds[kind].file, .environment = kinds[kind].environment};
	}
	closedir(d);
}

const char *mill_manifest_file(const char *dir)
{
	_cleanup_free_ char *path = mill_path_join(dir, kinds[1].file);
	return kinds[mill_is_file(path)].file;
}

static void read_folder(struct mill_loading *l, struct mill_folder *f)
{
	struct mill_reader r = l->r;
	if (f->read)
		return;
	f->read = true;
	_cleanup_free_ char *path = mill_xasprintf("%s/%s", f->dir, f->file);
	r.diags = &f->diags;
	struct mill_document *doc = mill_loading_document(l, path, &f->diags);
	if (!doc)
		return;
	if (!doc->root)
		mill_diag_error(&f->diags, mill_source_whole(doc->source), "the manifest is empty");
	else
		f->component = mill_manifest_read(&r, doc->root, f->name, f->dir);
	if (f->component && f->component->is_environment != f->environment)
		mill_diag_error(&f->diags, f->component->mark, "category: environments, and only they, lie below environments/");
}

/* In the order of names: mill_model_find() halves. */
static void collect_known(struct mill_loading *l)
{
	struct mill_model *m = l->m;
	m->known = MILL_ARENA_ARRAY(&m->arena, l->n_folders, struct mill_component *);
	m->n_known = 0;
	for (size_t i = 0; i < l->n_folders; i++)
		if (l->folders[i].component)
			m->known[m->n_known++] = l->folders[i].component;
	for (size_t i = 0; i < l->n_folders; i++) {
		struct mill_folder *f = &l->folders[i];
		struct mill_reader r = l->r;
		r.diags = &f->diags;
		if (!f->component)
			continue;
		mill_environment_link(&r, m, f->component);
		mill_manifest_check(&r, m, f->component);
	}
}

static void read_all(struct mill_loading *l)
{
	for (size_t i = 0; i < l->n_folders; i++)
		read_folder(l, &l->folders[i]);
	collect_known(l);
}

void mill_discover(struct mill_loading *l)
{
	size_t cap = 0;
	for (size_t kind = 0; kind < MILL_ARRAY_LEN(kinds); kind++) {
		list_folder(l, l->request->project, kind, &cap);
		if (!mill_streq(l->request->project, l->request->resources))
			list_folder(l, l->request->resources, kind, &cap);
	}
	if (l->n_folders)
		qsort(l->folders, l->n_folders, sizeof(*l->folders), by_name);
	l->names = MILL_ARENA_ARRAY(l->r.arena, l->n_folders, const char *);
	for (size_t i = 0; i < l->n_folders; i++)
		l->names[i] = l->folders[i].name;
	if (!l->request->needed_only)
		read_all(l);
}

/* ---- which are needed ---- */
static void list(struct mill_loading *l, const char *name)
{
	struct mill_folder *f = mill_loading_folder(l, name);
	if (!f || f->listed)
		return;
	f->listed = true;
	read_folder(l, f);
	const struct mill_component *c = f->component;
	for (size_t i = 0; c && i < c->n_includes; i++)
		list(l, c->includes[i]);
	if (c && c->stands_in)
		list(l, c->stands_in);
	if (c && c->extends)
		list(l, c->extends);
	for (size_t i = 0; c && i < c->n_charts; i++) /* the cluster's layer: what tells that it is there */
		for (size_t k = 0; k < c->charts[i].n_needs; k++)
			list(l, c->charts[i].needs[k]);
	for (size_t i = 0; c && i < c->n_collects; i++)
		for (size_t k = 0; k < l->n_folders && mill_streq(c->collects[i], "environments"); k++)
			if (l->folders[k].environment)
				list(l, l->folders[k].name);
}

/* Who is bound is decided among the listed ones alone (plan/resolve.c), or it takes all to decide. */
static bool is_decided(const struct mill_loading *l, const char *capability)
{
	size_t providers = 0, defaults = 0;
	for (size_t i = 0; i < l->n_folders; i++) {
		const struct mill_component *c = l->folders[i].listed ? l->folders[i].component : NULL;
		for (size_t j = 0; c && j < c->n_provides; j++)
			providers += mill_streq(c->provides[j].name, capability);
		for (size_t j = 0; c && j < c->n_default_for; j++)
			defaults += mill_streq(c->default_for[j], capability);
	}
	return providers == 1 || (providers > 1 && defaults == 1);
}

static bool are_all_decided(const struct mill_loading *l)
{
	for (size_t i = 0; i < l->n_folders; i++) {
		const struct mill_component *c = l->folders[i].listed ? l->folders[i].component : NULL;
		for (size_t j = 0; c && j < c->n_requires; j++)
			if (!c->requires[j].optional && !is_decided(l, c->requires[j].capability))
				return false;
	}
	return true;
}

void mill_discover_needed(struct mill_loading *l)
{
	const struct mill_model_request *q = l->request;
	const struct mill_node *project = mill_read_map(l->flavour, "project");
	if (!q->needed_only)
		return;
	/* What is left out or replaced may leave a requirement to somebody who is not named anywhere. */
	bool all = (q->without && q->without[0]) || mill_node_get(project, "without") || mill_node_get(project, "use");
	_cleanup_strv_ struct mill_strv names = {0};
	mill_flavour_listed(l, &names);
	for (size_t i = 0; i < names.n && !all; i++)
		all = mill_streq(names.items[i], "all") || !mill_loading_folder(l, names.items[i]);
	for (size_t i = 0; i < names.n && !all; i++)
		list(l, names.items[i]);
	for (size_t i = 0; !all && q->components && q->components[i]; i++)
		list(l, q->components[i]);
	MILL_MAP_EACH (pair, l->flavour) {
		const struct mill_folder *f = mill_loading_folder(l, pair->key);
		all |= f && !f->listed; /* a block is checked, whoever it is for */
	}
	if (all || !are_all_decided(l))
		read_all(l);
	else
		collect_known(l);
}

/* ---- whose problems matter ---- */
static void mark_relevant(struct mill_loading *l, const char *name);

static void mark_providers(struct mill_loading *l, const char *capability)
{
	for (size_t i = 0; i < l->n_folders; i++) {
		const struct mill_component *c = l->folders[i].component;
		for (size_t j = 0; c && j < c->n_provides; j++)
			if (mill_streq(c->provides[j].name, capability))
				mark_relevant(l, c->name);
	}
}

static void mark_relevant(struct mill_loading *l, const char *name)
{
	struct mill_folder *f = mill_loading_folder(l, name);
	if (!f || f->relevant)
		return;
	f->relevant = true;
	const struct mill_component *c = f->component;
	if (!c)
		return;
	for (size_t i = 0; i < c->n_includes; i++)
		mark_relevant(l, c->includes[i]);
	if (c->stands_in)
		mark_relevant(l, c->stands_in);
	if (c->extends)
		mark_relevant(l, c->extends);
	mark_relevant(l, mill_map_get(&l->m->project.use, name));
	for (size_t i = 0; i < c->n_requires; i++)
		if (!c->requires[i].optional)
			mark_providers(l, c->requires[i].capability);
}

static void hand_over(struct mill_diags *to, const struct mill_diags *from)
{
	for (size_t i = 0; i < from->n; i++) {
		const struct mill_diag *d = from->entries[i];
		struct mill_diag *copy =
			d->severity == MILL_SEVERITY_ERROR
				? mill_diag_error(to, d->mark, "%s", d->message)
				: mill_diag_warning(to, d->mark, "%s", d->message);
		if (d->hint)
			mill_diag_hint(copy, "%s", d->hint);
	}
}

/* A broken manifest that nothing here could need is named once and not known. */
static void leave_out(struct mill_loading *l, const struct mill_folder *f)
{
	struct mill_model *m = l->m;
	struct mill_mark whole = f->diags.n ? f->diags.entries[0]->mark : MILL_MARK_NONE;
	size_t kept = 0;
	if (!f->diags.n_errors)
		return;
	whole.line = whole.column = whole.length = 0;
	mill_diag_hint(mill_diag_warning(m->diags, whole, "left out: %zu error%s in its manifest",
					 f->diags.n_errors, f->diags.n_errors == 1 ? "" : "s"),
		       "see them with: data-mill component validate %s", f->name);
	for (size_t i = 0; i < m->n_known; i++)
		if (m->known[i] != f->component)
			m->known[kept++] = m->known[i];
	m->n_known = kept;
}

void mill_discover_report(struct mill_loading *l)
{
	struct mill_model *m = l->m;
	for (size_t i = 0; i < l->n_folders; i++)
		if (l->request->all_manifests || m->project.all)
			l->folders[i].relevant = true;
	for (size_t i = 0; i < m->n_selected; i++)
		mark_relevant(l, m->selected[i]->name);
	for (size_t i = 0; i < m->project.use.n; i++)
		mark_relevant(l, m->project.use.entries[i].value);
	for (size_t i = 0; i < l->n_folders; i++)
		if (l->folders[i].relevant)
			hand_over(m->diags, &l->folders[i].diags);
		else
			leave_out(l, &l->folders[i]);
}
