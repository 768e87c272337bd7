#include "yaml/source.h"

#include "base/utf8.h"

static void index_lines(struct mill_source *s)
{
	size_t cap = 0;
	MILL_GROW(s->lines, s->n_lines, cap);
	s->lines[s->n_lines++] = 0;
	for (size_t i = 0; i < s->len; i++) {
		if (s->text[i] != '\n')
			continue;
		MILL_GROW(s->lines, s->n_lines, cap);
		s->lines[s->n_lines++] = i + 1;
	}
}

struct mill_source *mill_source_new(const char *path, const char *text, size_t len)
{
	struct mill_source *s = mill_xcalloc(1, sizeof(*s));
	s->path = mill_xstrdup(path);
	s->refs = 1;
	if (text) {
		s->text = mill_xmalloc(len + 1);
		memcpy(s->text, text, len);
		s->text[len] = '\0';
		s->len = len;
		index_lines(s);
	}
	return s;
}

struct mill_source *mill_source_ref(struct mill_source *s)
{
	s->refs++;
	return s;
}

struct mill_source *mill_source_unref(struct mill_source *s)
{
	if (!s || --s->refs)
		return NULL;
	free(s->path);
	free(s->text);
	free(s->lines);
	free(s);
	return NULL;
}

const char *mill_source_line(const struct mill_source *s, unsigned line, size_t *ret_len)
{
	if (!s->text || line == 0 || line > s->n_lines)
		return NULL;
	size_t from = s->lines[line - 1];
	size_t to = line < s->n_lines ? s->lines[line] - 1 : s->len;
	if (to > from && s->text[to - 1] == '\r')
		to--;
	*ret_len = to - from;
	return s->text + from;
}

struct mill_mark mill_source_mark(struct mill_source *s, size_t offset, unsigned length)
{
	struct mill_mark mark = {.source = s, .length = length};
	if (!s->text)
		return mark;
	if (offset > s->len)
		offset = s->len;
	/* The last line that begins at or before the offset. */
	size_t low = 0, high = s->n_lines;
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;
		if (s->lines[middle] <= offset)
			low = middle;
		else
			high = middle;
	}
	mark.line = (unsigned)(low + 1);
	mark.column = 1;
	for (size_t at = s->lines[low]; at < offset;) {
		uint32_t c;
		unsigned n = mill_utf8_decode(s->text + at, s->len - at, &c);
		at += n ? n : 1;
		mark.column++;
	}
	return mark;
}
