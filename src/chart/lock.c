/* A chart's digest in its manifest: one word of the text is replaced or added, the rest stays as it was written. */
#include "base/io.h"
#include "chart/chart.h"
#include "yaml/node.h"

#define MANIFEST_MAX ((size_t)1 << 20)

static const struct mill_node *node_of(const struct mill_component *c, size_t index)
{
	const struct mill_node *chart = mill_node_get(c->kubernetes_node, "chart");

	if (mill_node_is(chart, MILL_NODE_SEQ))
		return index < chart->n ? chart->items[index] : NULL;
	return index == 0 ? chart : NULL;
}

static const struct mill_pair *pair_of(const struct mill_node *map, const char *key)
{
	for (size_t i = 0; mill_node_is(map, MILL_NODE_MAP) && i < map->n; i++)
		if (mill_streq(map->pairs[i].key, key))
			return &map->pairs[i];
	return NULL;
}

/* Lines and columns count from 1, columns in characters. */
static const char *at(const char *text, unsigned line, unsigned column)
{
	for (; line > 1 && *text; line--)
		text = strchrnul(text, '\n') + (*strchrnul(text, '\n') != '\0');
	for (; column > 1 && *text; column--)
		for (text++; ((unsigned char)*text & 0xc0) == 0x80; text++)
			;
	return text;
}

static void put(struct mill_strbuf *out, const char *text, const char *from, const char *to, const char *word)
{
	mill_strbuf_add(out, text, (size_t)(from - text));
	mill_strbuf_addstr(out, word);
	mill_strbuf_addstr(out, to);
}

/* After the version: a line of its own, or the next key of a map in one line. */
static void add_after(const struct mill_node *map, const struct mill_pair *version, const char *text, const char *digest, struct mill_strbuf *out)
{
	const struct mill_mark *v = &version->value->mark;
	bool quoted = version->value->style == MILL_STYLE_QUOTED;
	const char *end = at(text, v->line, v->column + v->length);
	_cleanup_free_ char *word = NULL;

	if (map->style == MILL_STYLE_FLOW)
		word = quoted ? mill_xasprintf(", \"digest\": \"sha256:%s\"", digest) : mill_xasprintf(", digest: sha256:%s", digest);
	else {
		word = mill_xasprintf("\n%*sdigest: sha256:%s", (int)version->key_mark.column - 1, "", digest);
		end = strchrnul(end, '\n');
	}
	put(out, text, end, end, word);
}

int mill_chart_lock(const struct mill_component *c, size_t index, const char *digest, struct mill_error *err)
{
	_cleanup_free_ char *path = mill_path_join(c->dir, "component.yaml"), *text = NULL;
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT_MAX(2 * MANIFEST_MAX);
	const struct mill_node *map = node_of(c, index);
	const struct mill_pair *has = pair_of(map, "digest"), *version = pair_of(map, "version");
	size_t len = 0;
	int r = mill_read_file(path, MANIFEST_MAX, &text, &len, err);

	if (r < 0 || (!has && !version))
		return r < 0 ? r : mill_fail(err, EINVAL, "%s: its chart says no version", path);
	if (has) {
		const struct mill_mark *m = &has->value->mark;
		const char *quote = has->value->style == MILL_STYLE_QUOTED ? "\"" : "";
		_cleanup_free_ char *word = mill_xasprintf("%ssha256:%s%s", quote, digest, quote);

		put(&out, text, at(text, m->line, m->column), at(text, m->line, m->column + m->length), word);
	} else {
		add_after(map, version, text, digest, &out);
	}
	return mill_write_file(path, out.data, out.len, 0644, 0, err);
}
