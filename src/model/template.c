#include "model/template.h"

#include <ctype.h>

/*
 * A part's mark is the place of its `${` in the file, also inside block and
 * quoted scalars: the n-th `${` of a scalar's value is the n-th of its source,
 * because no folding or escape yields those two bytes from anything else
 * (\u0024 does, and then the mark is the scalar's).
 */
struct cutter {
	struct mill_reader *r;
	struct mill_template_part *parts;
	size_t n, cap;
	struct mill_strbuf literal;
	struct mill_mark literal_mark;
	struct mill_mark whole;
	struct mill_source *source; /* NULL: every mark is `whole` */
	size_t at;                  /* where in the source the next `${` is looked for */
	bool failed;
};

static const struct {
	const char *name;
	enum mill_filter filter;
} filters[] = {
	{"json", MILL_FILTER_JSON}, {"url", MILL_FILTER_URL},
	{"yaml", MILL_FILTER_YAML}, {"ini", MILL_FILTER_INI},
	{"properties", MILL_FILTER_PROPERTIES}, {"base64", MILL_FILTER_BASE64},
};

static size_t source_offset(const struct mill_source *s, struct mill_mark mark)
{
	if (mark.line == 0 || mark.line > s->n_lines)
		return 0;
	size_t at = s->lines[mark.line - 1];
	for (unsigned column = 1; column < mark.column && at < s->len; column++)
		for (at++; at < s->len && ((unsigned char)s->text[at] & 0xc0) == 0x80;)
			at++;
	return at;
}

static struct mill_mark next_mark(struct cutter *c, size_t length)
{
	if (!c->source)
		return c->whole;
	const char *found = memmem(c->source->text + c->at, c->source->len - c->at, "${", 2);
	if (!found)
		return c->whole;
	size_t offset = (size_t)(found - c->source->text);
	c->at = offset + 2;
	return mill_source_mark(c->source, offset, (unsigned)length);
}

static void add_part(struct cutter *c, struct mill_template_part part)
{
	MILL_GROW(c->parts, c->n, c->cap);
	c->parts[c->n++] = part;
}

static void flush_literal(struct cutter *c)
{
	if (!c->literal.len)
		return;
	add_part(c, (struct mill_template_part){
			    .text = mill_arena_strndup(c->r->arena, c->literal.data, c->literal.len),
			    .name = "",
			    .mark = c->whole});
	mill_strbuf_reset(&c->literal);
}

static MILL_PRINTF(3, 4) void complain(struct cutter *c, struct mill_mark mark, const char *fmt, ...)
{
	c->failed = true;
	if (!c->r->diags)
		return;
	va_list ap;
	va_start(ap, fmt);
	_cleanup_free_ char *text = mill_xvasprintf(fmt, ap);
	va_end(ap);
	mill_diag_hint(mill_diag_error(c->r->diags, mark, "%s", text),
		       "write ${group.name} or ${group.name | filter}; a literal ${ is $${");
}

static const char *skip_blanks(const char *s, const char *end)
{
	while (s < end && (*s == ' ' || *s == '\t'))
		s++;
	return s;
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-';
}

/* What stands between ${ and }. */
static void cut_reference(struct cutter *c, const char *s, const char *end, struct mill_mark mark)
{
	struct mill_template_part part = {.name = "", .mark = mark};
	s = skip_blanks(s, end);
	const char *word = s;
	while (s < end && is_word(*s))
		s++;
	if (s == word) {
		complain(c, mark, "no name in ${%.*s}", (int)(end - word), word);
		return;
	}
	part.group = mill_arena_strndup(c->r->arena, word, (size_t)(s - word));
	if (s < end && *s == '.') {
		word = ++s;
		while (s < end && (is_word(*s) || *s == '.'))
			s++;
		if (s == word) {
			complain(c, mark, "a name is missing after '%s.'", part.group);
			return;
		}
		part.name = mill_arena_strndup(c->r->arena, word, (size_t)(s - word));
	}
	s = skip_blanks(s, end);
	if (s < end && *s == '|') {
		word = s = skip_blanks(s + 1, end);
		while (s < end && is_word(*s))
			s++;
		for (size_t i = 0; i < MILL_ARRAY_LEN(filters); i++)
			if (strlen(filters[i].name) == (size_t)(s - word) &&
			    memcmp(filters[i].name, word, (size_t)(s - word)) == 0)
				part.filter = filters[i].filter;
		if (!part.filter) {
			complain(c, mark, "unknown filter '%.*s': json, url, yaml, ini, properties or base64",
				 (int)(s - word), word);
			return;
		}
		s = skip_blanks(s, end);
	}
	if (s != end) {
		complain(c, mark, "unexpected '%.*s' in ${...}", (int)(end - s), s);
		return;
	}
	add_part(c, part);
}

static void cut(struct cutter *c, const char *text)
{
	const char *s = text;
	for (const char *hit; (hit = strstr(s, "${")); s = hit) {
		if (hit > text && hit[-1] == '$' && hit > s) { /* $${ */
			mill_strbuf_add(&c->literal, s, (size_t)(hit - 1 - s));
			mill_strbuf_addstr(&c->literal, "${");
			next_mark(c, 2);
			hit += 2;
			continue;
		}
		mill_strbuf_add(&c->literal, s, (size_t)(hit - s));
		const char *end = strpbrk(hit + 2, "}\n");
		if (!end || *end != '}') {
			complain(c, next_mark(c, 2), "'${' without '}'");
			mill_strbuf_addstr(&c->literal, "${");
			hit += 2;
			continue;
		}
		flush_literal(c);
		cut_reference(c, hit + 2, end, next_mark(c, (size_t)(end + 1 - hit)));
		hit = end + 1;
	}
	mill_strbuf_addstr(&c->literal, s);
	flush_literal(c);
}

static struct mill_template finish(struct cutter *c, const char *raw)
{
	struct mill_template t = {.mark = c->whole, .raw = raw};
	t.n = c->n;
	t.parts = MILL_ARENA_ARRAY(c->r->arena, c->n, struct mill_template_part);
	if (c->n)
		memcpy(t.parts, c->parts, c->n * sizeof(*c->parts));
	free(c->parts);
	mill_strbuf_release(&c->literal);
	return t;
}

struct mill_template mill_template_literal(struct mill_arena *arena, const char *text,
					   struct mill_mark mark)
{
	struct mill_template t = {.mark = mark, .raw = text, .n = 1};
	t.parts = MILL_ARENA_NEW(arena, struct mill_template_part);
	t.parts[0] = (struct mill_template_part){.text = text, .name = "", .mark = mark};
	return t;
}

struct mill_template mill_template_make(struct mill_arena *arena, const char *group,
					const char *text, struct mill_mark mark)
{
	struct mill_template t = {.mark = mark, .n = 2};
	t.raw = mill_arena_printf(arena, "${%s}%s", group, text);
	t.parts = MILL_ARENA_ARRAY(arena, 2, struct mill_template_part);
	t.parts[0] = (struct mill_template_part){.group = group, .name = "", .mark = mark};
	t.parts[1] = (struct mill_template_part){.text = text, .name = "", .mark = mark};
	return t;
}

struct mill_template mill_template_parse(struct mill_reader *r, const struct mill_node *scalar)
{
	const char *text = mill_node_text(scalar);
	if (!text)
		return (struct mill_template){.raw = "", .mark = scalar ? scalar->mark : MILL_MARK_NONE};
	if (!strstr(text, "${")) /* most of them */
		return mill_template_literal(r->arena, text, scalar->mark);
	struct cutter c = {.r = r, .literal = MILL_STRBUF_INIT, .whole = scalar->mark};
	if (scalar->mark.source && scalar->mark.source->text) {
		c.source = scalar->mark.source;
		c.at = source_offset(c.source, scalar->mark);
	}
	cut(&c, text);
	return finish(&c, text);
}

struct mill_template mill_template_parse_file(struct mill_reader *r, const char *shown,
					      const char *text)
{
	struct mill_source *source = mill_source_new(shown, text, strlen(text));
	mill_reader_keep(r, source);
	struct cutter c = {.r = r,
			   .literal = MILL_STRBUF_INIT,
			   .whole = mill_source_whole(source),
			   .source = source};
	cut(&c, source->text);
	return finish(&c, source->text);
}

struct mill_template mill_template_of(struct mill_arena *arena, const struct mill_node *scalar)
{
	struct mill_reader r = {.arena = arena};
	return mill_template_parse(&r, scalar);
}

struct mill_mark mill_template_mark_of(const struct mill_template *t, const char *text, size_t len)
{
	struct mill_source *s = t->mark.source;
	if (!s || !s->text)
		return t->mark;
	size_t from = source_offset(s, t->mark);
	const char *found = memmem(s->text + from, s->len - from, text, len);
	return found ? mill_source_mark(s, (size_t)(found - s->text), (unsigned)len) : t->mark;
}
