/* Locks that install steps need, and files that commands and hooks name. */
#include <limits.h>

#include "base/io.h"
#include "model/manifest.h"

/* In the component's folder, links included. */
static bool stays_inside(const char *dir, const char *path)
{
	char real_dir[PATH_MAX], real_path[PATH_MAX];
	if (!realpath(dir, real_dir) || !realpath(path, real_path))
		return true; /* absence is told apart */
	size_t n = strlen(real_dir);
	return strncmp(real_dir, real_path, n) == 0 && real_path[n] == '/';
}

/* A word "${component}/FILE": its own, or one that all hooks share. */
static void check_word(struct mill_reader *r, const struct mill_component *c,
		       const struct mill_template *t)
{
	if (t->n != 2 || t->parts[0].text || !mill_streq(t->parts[0].group, "component") ||
	    !t->parts[1].text || t->parts[1].text[0] != '/')
		return;
	const char *name = t->parts[1].text + 1;
	if (!mill_path_is_inside(name)) {
		mill_diag_error(r->diags, t->mark, "'%s' leaves the component's folder", name);
		return;
	}
	_cleanup_free_ char *path = mill_path_join(c->dir, name);
	_cleanup_free_ char *shared = r->shared_hooks ? mill_path_join(r->shared_hooks, name) : NULL;
	if (!mill_exists(path) && shared && mill_exists(shared))
		return;
	if (!mill_exists(path))
		mill_diag_error(r->diags, t->mark, "there is no file '%s' in the folder of '%s'", name,
				c->name);
	else if (r->strict && !stays_inside(c->dir, path)) /* a dozen system calls */
		mill_diag_error(r->diags, t->mark, "'%s' is a link out of the component's folder",
				name);
}

static void check_words(struct mill_reader *r, const struct mill_component *c,
			const struct mill_template *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		check_word(r, c, &words[i]);
}

static void need_lock(struct mill_reader *r, const struct mill_component *c,
		      struct mill_mark mark, const char *name)
{
	_cleanup_free_ char *path = mill_xasprintf("%s/locks/%s", c->dir, name);
	if (mill_is_file(path))
		return;
	struct mill_diag *d =
		r->strict ? mill_diag_error(r->diags, mark, "the lock locks/%s is missing", name)
		       : mill_diag_warning(r->diags, mark, "the lock locks/%s is missing", name);
	mill_diag_hint(d, "make it with: data-mill component relock %s", c->name);
}

static void check_step(struct mill_reader *r, const struct mill_component *c,
		       const struct mill_pair *step)
{
	static const struct {
		const char *kind, *files[2];
	} locks[] = {{"pip", {"pip.txt", NULL}},
		     {"npm", {"npm/package.json", "npm/package-lock.json"}},
		     {"maven", {"maven.txt", NULL}},
		     {"debian", {"debian.txt", NULL}}};
	for (size_t i = 0; i < MILL_ARRAY_LEN(locks); i++)
		for (size_t j = 0; j < 2 && mill_streq(step->key, locks[i].kind); j++)
			if (locks[i].files[j])
				need_lock(r, c, step->key_mark, locks[i].files[j]);
	const struct mill_node *from = mill_read_scalar(step->value, "from");
	if (mill_streq(step->key, "files") && from && mill_path_is_inside(from->text)) {
		_cleanup_free_ char *path = mill_path_join(c->dir, from->text);
		if (!mill_is_dir(path))
			mill_diag_error(r->diags, from->mark, "there is no folder '%s' in that of '%s'", from->text, c->name);
	}
	const char *binary = mill_read_text(step->value, "binary", NULL);
	if (mill_streq(step->key, "go") && binary) {
		_cleanup_free_ char *sum = mill_xasprintf("go/%s/go.sum", binary);
		need_lock(r, c, step->key_mark, sum);
	}
	const struct mill_node *url = mill_read_scalar(step->value, "url");
	if (mill_streq(step->key, "download") && url && !mill_starts_with(url->text, "https://") &&
	    !mill_starts_with(url->text, "http://") && !mill_starts_with(url->text, "file://"))
		mill_diag_error(r->diags, url->mark, "url: expected https://, http:// or file://");
}

void mill_manifest_check_files(struct mill_reader *r, const struct mill_component *c)
{
	const struct mill_hook *const hooks[] = {&c->smoke, &c->repo, &c->backup, &c->configure};
	for (size_t i = 0; i < MILL_ARRAY_LEN(hooks); i++)
		check_words(r, c, hooks[i]->command, hooks[i]->n_command);
	for (size_t i = 0; i < c->n_provisions; i++)
		check_words(r, c, c->provisions[i].hook.command, c->provisions[i].hook.n_command);
	for (size_t i = 0; i < c->n_tasks; i++)
		check_words(r, c, c->tasks[i].hook.command, c->tasks[i].hook.n_command);
	for (size_t i = 0; i < c->n_services; i++)
		check_words(r, c, c->services[i].command, c->services[i].n_command);
	MILL_SEQ_EACH (step, c->install)
		MILL_MAP_EACH (pair, step)
			check_step(r, c, pair);
}
