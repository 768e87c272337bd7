/* Diagnostics for people and for programs. */
#include "base/utf8.h"
#include "yaml/diag.h"

/* Columns of a source line that are shown; a longer one is cut around the caret. */
#define WINDOW 100
#define TAB_WIDTH 8
#define CUT "..."

static int compare(const void *a, const void *b)
{
	const struct mill_diag *x = *(struct mill_diag *const *)a;
	const struct mill_diag *y = *(struct mill_diag *const *)b;
	if (x->file != y->file)
		return x->file < y->file ? -1 : 1;
	if (x->mark.line != y->mark.line)
		return x->mark.line < y->mark.line ? -1 : 1;
	if (x->mark.column != y->mark.column)
		return x->mark.column < y->mark.column ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static struct mill_diag **sorted(const struct mill_diags *d)
{
	struct mill_diag **v = mill_xreallocarray(NULL, d->n ? d->n : 1, sizeof(struct mill_diag *));
	if (d->n) {
		memcpy(v, d->entries, d->n * sizeof(*v));
		qsort(v, d->n, sizeof(*v), compare);
	}
	return v;
}

/* One character of a source line as it is shown. */
struct cell {
	const char *text; /* what to print: the bytes themselves or a stand-in */
	size_t len;
	size_t bytes; /* how many bytes of the line it takes */
	unsigned width;
};

static struct cell next_cell(const char *s, size_t n, size_t column)
{
	static const char blanks[] = "        ";
	uint32_t c;
	unsigned len = mill_utf8_decode(s, n, &c);
	if (!len)
		return (struct cell){"\xef\xbf\xbd", 3, 1, 1};
	if (c == '\t') {
		unsigned width = TAB_WIDTH - (unsigned)(column % TAB_WIDTH);
		return (struct cell){blanks, width, len, width};
	}
	bool hidden = c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x202a && c <= 0x202e) ||
		      (c >= 0x2066 && c <= 0x2069);
	if (hidden)
		return (struct cell){"?", 1, len, 1};
	return (struct cell){s, len, len, mill_utf8_width(c)};
}

/* Where the mark lies on the screen. */
struct span {
	size_t from, to; /* columns from 0, to > from */
	bool longer;	 /* than the window, as far as we looked */
};

static struct span find_span(const char *line, size_t len, const struct mill_mark *m)
{
	struct span s = {0};
	size_t column = 0, n = 1;
	bool from_set = false, to_set = false;
	for (size_t i = 0;; n++) {
		if (n == m->column) {
			s.from = column;
			from_set = true;
		}
		if (from_set && !to_set && n >= m->column + m->length) {
			s.to = column;
			to_set = true;
		}
		if (i >= len || (to_set && column > s.to + WINDOW))
			break;
		struct cell c = next_cell(line + i, len - i, column);
		column += c.width;
		i += c.bytes;
	}
	if (!from_set)
		s.from = column;
	if (!to_set)
		s.to = column;
	if (s.to <= s.from)
		s.to = s.from + 1;
	s.longer = column > WINDOW;
	return s;
}

static void add_n(struct mill_strbuf *out, char c, size_t n)
{
	while (n--)
		mill_strbuf_addch(out, c);
}

/* The line and the carets below it. */
static void render_line(const struct mill_mark *m, struct mill_strbuf *out, bool colour)
{
	size_t len;
	const char *line = mill_source_line(m->source, m->line, &len);
	if (!line)
		return;
	struct span s = find_span(line, len, m);
	size_t first = s.longer && s.from > WINDOW * 2 / 3 ? s.from - WINDOW / 2 : 0;
	size_t last = s.longer ? first + WINDOW : SIZE_MAX;
	size_t column = 0, shown_from = SIZE_MAX, i = 0;
	if (first)
		mill_strbuf_addstr(out, CUT);
	while (i < len) {
		struct cell c = next_cell(line + i, len - i, column);
		if (column + c.width > last)
			break;
		if (column >= first) {
			mill_strbuf_add(out, c.text, c.len);
			if (shown_from == SIZE_MAX)
				shown_from = column;
		}
		column += c.width;
		i += c.bytes;
	}
	if (i < len)
		mill_strbuf_addstr(out, CUT);
	mill_strbuf_addch(out, '\n');
	if (shown_from == SIZE_MAX)
		shown_from = first;
	/* A wide character at the edge of the window moves the rest. */
	add_n(out, ' ', (first ? strlen(CUT) : 0) + (s.from > shown_from ? s.from - shown_from : 0));
	if (colour)
		mill_strbuf_addstr(out, "\033[32m");
	mill_strbuf_addch(out, '^');
	size_t to = s.to < last ? s.to : last;
	add_n(out, '~', to > s.from + 1 ? to - s.from - 1 : 0);
	if (colour)
		mill_strbuf_addstr(out, "\033[0m");
	mill_strbuf_addch(out, '\n');
}

static void add_path(struct mill_strbuf *out, const char *path)
{
	for (; *path; path++)
		mill_strbuf_addch(out, (unsigned char)*path < 0x20 || *path == 0x7f ? '?' : *path);
}

static void render_hint(const char *hint, struct mill_strbuf *out, bool colour)
{
	const char *label = colour ? "\033[36mhint:\033[0m " : "hint: ";
	while (*hint) {
		size_t n = strcspn(hint, "\n");
		mill_strbuf_printf(out, "%s%.*s\n", label, (int)n, hint);
		label = "      ";
		hint += n;
		if (*hint)
			hint++;
	}
}

static void render_one(const struct mill_diag *e, struct mill_strbuf *out, bool colour)
{
	const struct mill_mark *m = &e->mark;
	bool error = e->severity == MILL_SEVERITY_ERROR;
	if (colour)
		mill_strbuf_addstr(out, "\033[1m");
	if (m->source) {
		add_path(out, m->source->path);
		if (m->line)
			mill_strbuf_printf(out, ":%u:%u", m->line, m->column);
		mill_strbuf_addstr(out, ": ");
	}
	if (colour)
		mill_strbuf_addstr(out, error ? "\033[31m" : "\033[35m");
	mill_strbuf_addstr(out, error ? "error:" : "warning:");
	if (colour)
		mill_strbuf_addstr(out, "\033[0m");
	mill_strbuf_printf(out, " %s\n", e->message);
	if (m->source && m->line)
		render_line(m, out, colour);
	if (e->hint)
		render_hint(e->hint, out, colour);
}

void mill_diags_render(const struct mill_diags *d, struct mill_strbuf *out, bool colour)
{
	_cleanup_free_ struct mill_diag **v = sorted(d);
	for (size_t i = 0; i < d->n; i++)
		render_one(v[i], out, colour);
	size_t more = d->n_errors + d->n_warnings - d->n;
	if (more)
		mill_strbuf_printf(out, "and %zu more\n", more);
}

void mill_diags_write_json(const struct mill_diags *d, struct mill_json_writer *w)
{
	_cleanup_free_ struct mill_diag **v = sorted(d);
	mill_json_begin_array(w);
	for (size_t i = 0; i < d->n; i++) {
		const struct mill_diag *e = v[i];
		mill_json_begin_object(w);
		mill_json_kv_string(w, "severity",
				    e->severity == MILL_SEVERITY_ERROR ? "error" : "warning");
		if (e->mark.source)
			mill_json_kv_string(w, "file", e->mark.source->path);
		if (e->mark.source && e->mark.line) {
			mill_json_kv_int(w, "line", e->mark.line);
			mill_json_kv_int(w, "column", e->mark.column);
			mill_json_kv_int(w, "length", e->mark.length);
		}
		mill_json_kv_string(w, "message", e->message);
		if (e->hint)
			mill_json_kv_string(w, "hint", e->hint);
		mill_json_end_object(w);
	}
	mill_json_end_array(w);
}
