/* Data-science environments: their other names, and what one takes over from the one that it extends. */
#include "model/manifest.h"

enum { CHAIN_MAX = 8 };

char *mill_environment_name(const char *name)
{
	static const char suffix[] = "-notebook";
	const size_t n = strlen(name), cut = mill_ends_with(name, suffix) ? strlen(suffix) : 0;
	char *meant = mill_xstrndup(name, n - cut);
	for (char *c = meant; *c; c++)
		*c = (char)(*c == '_' ? '-' : *c);
	if (!mill_streq(meant, "minimal"))
		return meant;
	free(meant);
	return mill_xstrdup("base");
}

void mill_environment_link(struct mill_reader *r, const struct mill_model *m, struct mill_component *c)
{
	const struct mill_node *at = mill_read_scalar(c->node, "extends");
	if (!at)
		return;
	struct mill_component *base = mill_model_find(m, c->extends);
	if (!c->is_environment) {
		mill_diag_error(r->diags, at->mark, "extends: '%s' is no environment", c->name);
		return;
	}
	if (!base || !base->is_environment) {
		mill_diag_hint(mill_diag_error(r->diags, at->mark, "extends: there is no environment '%s'", c->extends),
			       "data-mill environment list shows those there are");
		return;
	}
	size_t n = 0;
	for (const struct mill_component *e = base; e; e = e->extends ? mill_model_find(m, e->extends) : NULL)
		if (mill_streq(e->name, c->name) || ++n > CHAIN_MAX) {
			mill_diag_error(r->diags, at->mark, "extends: '%s' and '%s' extend each other", c->name, base->name);
			return;
		}
	c->base = base;
}
