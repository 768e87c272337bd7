/* What commands ask a parsed command line. */
#include "base/base.h"
#include "base/parse.h"
#include "cmd/cmd.h"

char *mill_invocation_name(const struct mill_invocation *inv)
{
	if (!inv->command)
		return mill_xstrdup("");
	if (!inv->parent)
		return mill_xstrdup(inv->command->name);
	return mill_xasprintf("%s %s", inv->parent->name, inv->command->name);
}

static const struct mill_option_value *find(const struct mill_invocation *inv, const char *name)
{
	for (size_t i = 0; i < inv->n_values; i++)
		if (strcmp(inv->values[i].option->name, name) == 0)
			return &inv->values[i];
	if (!mill_option_find(mill_global_options, name) &&
	    !(inv->command && mill_option_find(inv->command->options, name)))
		BUG("option --%s is in no table", name);
	return NULL;
}

bool mill_opt_on(const struct mill_invocation *inv, const char *name)
{
	return find(inv, name) != NULL;
}

const struct mill_strv *mill_opt_list(const struct mill_invocation *inv, const char *name)
{
	const struct mill_option_value *v = find(inv, name);

	return v && v->values.n ? &v->values : NULL;
}

const char *mill_opt(const struct mill_invocation *inv, const char *name)
{
	const struct mill_strv *v = mill_opt_list(inv, name);

	return v ? v->items[v->n - 1] : NULL;
}

unsigned mill_opt_count(const struct mill_invocation *inv, const char *name, unsigned fallback)
{
	const char *text = mill_opt(inv, name);
	int n;

	if (!text || mill_parse_int(text, 0, 1000000, &n) < 0)
		return fallback;
	return (unsigned)n;
}

uint64_t mill_opt_duration_ns(const struct mill_invocation *inv, const char *name,
			      uint64_t fallback)
{
	const char *text = mill_opt(inv, name);
	uint64_t ns;

	if (!text || mill_parse_duration(text, &ns) < 0)
		return fallback;
	return ns;
}

const char *mill_opt_location(const struct mill_invocation *inv)
{
	static const char *const locations[] = {"local", "remote", "hybrid"};

	for (size_t i = 0; i < MILL_ARRAY_LEN(locations); i++)
		if (mill_opt_on(inv, locations[i]))
			return locations[i];
	return NULL;
}

const char *mill_arg(const struct mill_invocation *inv, size_t i)
{
	return i < inv->args.n ? inv->args.items[i] : NULL;
}
