#include "chart/resolve.h"

#include "secret/secret.h"
#include "spec/spec.h"

int mill_chart_resolve_in(void *folder, const json_t *value, struct mill_strbuf *out, struct mill_error *err)
{
	return mill_spec_resolve_value(value, folder, out, err);
}

static const char *find(const struct mill_chart_pool *p, const char *name)
{
	for (size_t i = 0; i < p->n; i++)
		if (mill_streq(p->names[i], name))
			return p->values[i];
	return NULL;
}

int mill_chart_pool_add(struct mill_chart_pool *p, const char *component, const char *name, unsigned length, const char *alphabet,
			struct mill_error *err)
{
	_cleanup_free_ char *key = mill_xasprintf("%s/%s", component, name);
	char *value = NULL;
	int r;

	if (find(p, key))
		return 0;
	r = mill_secret_generate(length, alphabet, &value, err);
	if (r < 0)
		return mill_error_wrap(err, "secret %s", key);
	p->names = mill_xrealloc(p->names, (p->n + 1) * sizeof(*p->names));
	p->values = mill_xrealloc(p->values, (p->n + 1) * sizeof(*p->values));
	p->names[p->n] = MILL_TAKE(key);
	p->values[p->n++] = value;
	return 0;
}

static int read_pool(void *arg, const char *name, char **ret, struct mill_error *err)
{
	const char *value = find(arg, name);

	if (!value)
		return mill_fail(err, ENOENT, "secret %s: it is of another component, which the cluster's layer does not know", name);
	*ret = mill_xstrdup(value);
	return 0;
}

int mill_chart_resolve_pool(void *pool, const json_t *value, struct mill_strbuf *out, struct mill_error *err)
{
	return mill_spec_resolve_value_by(value, read_pool, pool, out, err);
}

void mill_chart_pool_release(struct mill_chart_pool *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->names[i]);
		mill_secret_free(p->values[i]);
	}
	free(p->names);
	free(p->values);
	*p = (struct mill_chart_pool){0};
}
