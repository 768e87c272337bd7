/* Versions of components, and whether one may touch data that another wrote (decision 9 of docs/internals/decisions.md). */
#include <ctype.h>

#include "plan/build.h"

#include "base/json.h"

static int compare_numbers(const char **a, const char **b)
{
	size_t la, lb;
	int r;

	while (**a == '0')
		(*a)++;
	while (**b == '0')
		(*b)++;
	la = strspn(*a, "0123456789");
	lb = strspn(*b, "0123456789");
	r = la != lb ? (la < lb ? -1 : 1) : strncmp(*a, *b, la);
	*a += la;
	*b += lb;
	return r;
}

int mill_version_compare(const char *a, const char *b)
{
	while (*a && *b) {
		if (isdigit((unsigned char)*a) && isdigit((unsigned char)*b)) {
			int r = compare_numbers(&a, &b);

			if (r)
				return r;
		} else if (*a != *b) {
			return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
		} else {
			a++;
			b++;
		}
	}
	/* What only one of them has: "1.0-rc1" comes before "1.0", "1.0.1" after it. */
	if (*a)
		return *a == '-' ? -1 : 1;
	return *b ? (*b == '-' ? 1 : -1) : 0;
}

static bool accepts(const struct mill_component *c, int format)
{
	if (format == c->data_format)
		return true;
	for (size_t i = 0; i < c->n_data_accepts; i++)
		if (c->data_accepts[i] == format)
			return true;
	return false;
}

void mill_version_check_data(struct mill_build *b, const struct mill_component *c, const char *id)
{
	_cleanup_json_ json_t *data = b->host->data ? b->host->data(b->host, id) : NULL;
	const char *wrote = mill_json_get_string(data, "component_version", "");
	int format = (int)mill_json_get_int(data, "data_format", 0);
	struct mill_diag *d;

	if (!data)
		return;
	if (c->data_format && format && !accepts(c, format)) {
		d = mill_diag_error(b->m->diags, c->mark,
				    "the data of %s is in format %d (written by version %s); %s %s reads format %d", id,
				    format, wrote, c->name, c->version, c->data_format);
	} else if (*wrote && c->version && *c->version && mill_version_compare(c->version, wrote) < 0) {
		d = mill_diag_error(b->m->diags, c->mark,
				    "the data of %s was last written by version %s; this is the older %s", id, wrote,
				    c->version);
	} else {
		return;
	}
	mill_diag_hint(d,
		       "use the data-mill that has %s %s, or, to start with empty data: data-mill uninstall %s --delete-data",
		       c->name, wrote, c->name);
}
