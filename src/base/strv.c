#include "base/strbuf.h"

/* Keeps items[n] == NULL at all times. */
void mill_strv_add_take(struct mill_strv *v, char *s)
{
	if (v->n + 1 >= v->cap) {
		v->cap = v->cap ? v->cap * 2 : 8;
		v->items = mill_xreallocarray(v->items, v->cap, sizeof(*v->items));
	}
	v->items[v->n++] = s;
	v->items[v->n] = NULL;
}

void mill_strv_add(struct mill_strv *v, const char *s)
{
	mill_strv_add_take(v, mill_xstrdup(s));
}

void mill_strv_addf(struct mill_strv *v, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char *s = mill_xvasprintf(fmt, ap);
	va_end(ap);
	mill_strv_add_take(v, s);
}

bool mill_strv_contains(const struct mill_strv *v, const char *s)
{
	for (size_t i = 0; i < v->n; i++)
		if (strcmp(v->items[i], s) == 0)
			return true;
	return false;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void mill_strv_sort(struct mill_strv *v)
{
	if (v->n > 1)
		qsort(v->items, v->n, sizeof(*v->items), compare);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

void mill_strv_split(struct mill_strv *v, const char *s, const char *seps)
{
	while (*s) {
		size_t n = strcspn(s, seps);
		const char *from = s, *to = s + n;
		while (from < to && is_blank(*from))
			from++;
		while (to > from && is_blank(to[-1]))
			to--;
		if (to > from)
			mill_strv_add_take(v, mill_xstrndup(from, (size_t)(to - from)));
		s += n;
		if (*s)
			s++;
	}
}

/* Index of NAME=..., or v->n. */
static size_t find_env(const struct mill_strv *v, const char *name, size_t len)
{
	size_t i = 0;
	while (i < v->n && !(strncmp(v->items[i], name, len) == 0 && v->items[i][len] == '='))
		i++;
	return i;
}

void mill_strv_setenv(struct mill_strv *v, const char *name, const char *value)
{
	char *entry = mill_xasprintf("%s=%s", name, value);
	size_t i = find_env(v, name, strlen(name));
	if (i == v->n) {
		mill_strv_add_take(v, entry);
		return;
	}
	free(v->items[i]);
	v->items[i] = entry;
}

const char *mill_strv_getenv(const struct mill_strv *v, const char *name)
{
	size_t len = strlen(name);
	size_t i = find_env(v, name, len);
	return i < v->n ? v->items[i] + len + 1 : NULL;
}

char *mill_strv_join(const struct mill_strv *v, const char *sep)
{
	struct mill_strbuf b = MILL_STRBUF_INIT;
	for (size_t i = 0; i < v->n; i++) {
		if (i)
			mill_strbuf_addstr(&b, sep);
		mill_strbuf_addstr(&b, v->items[i]);
	}
	return mill_strbuf_steal(&b);
}

char *const *mill_strv_argv(struct mill_strv *v)
{
	if (!v->items) {
		v->cap = 8;
		v->items = mill_xcalloc(v->cap, sizeof(*v->items));
	}
	return v->items;
}

void mill_strv_release(struct mill_strv *v)
{
	for (size_t i = 0; i < v->n; i++)
		free(v->items[i]);
	free(v->items);
	*v = (struct mill_strv){0};
}
