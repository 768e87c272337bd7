/* Errors below the tree: what is no text, and what is no YAML. */
#include "base/utf8.h"
#include "yaml/loader.h"

static bool utf16_mark(const char *s)
{
	return memcmp(s, "\xff\xfe", 2) == 0 || memcmp(s, "\xfe\xff", 2) == 0;
}

int mill_yaml_check_text(struct mill_source *s, struct mill_diags *diags)
{
	for (size_t i = 0; i < s->len;) {
		/* Nearly all there is. */
		if ((s->text[i] >= ' ' && s->text[i] < 0x7f) || s->text[i] == '\n') {
			i++;
			continue;
		}
		uint32_t c;
		unsigned n = mill_utf8_decode(s->text + i, s->len - i, &c);
		const char *problem = NULL;
		if (!n)
			problem = i == 0 && s->len > 1 && utf16_mark(s->text)
					  ? "UTF-16: save it as UTF-8"
					  : "not UTF-8";
		else if (c == 0)
			problem = "NUL byte: not a text file";
		else if (c == '\r' && s->text[i + 1] != '\n')
			problem = "carriage return without a newline";
		else if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f ||
			 (c >= 0x80 && c < 0xa0) || c == 0xfeff || c == 0xfffe || c == 0xffff)
			problem = "control character";
		else if (c == 0x2028 || c == 0x2029)
			problem = "Unicode line separator";
		if (problem) {
			struct mill_mark mark = mill_source_mark(s, i, 1);
			if (n && c && c != '\r')
				mill_diag_error(diags, mark, "%s U+%04X", problem, (unsigned)c);
			else
				mill_diag_error(diags, mark, "%s", problem);
			return -EINVAL;
		}
		i += n;
	}
	return 0;
}

/* Characters from a place to the end of its line. */
static unsigned rest_of_line(const struct mill_mark *m)
{
	size_t len, i = 0;
	unsigned column = 1;
	const char *line = mill_source_line(m->source, m->line, &len);
	if (!line)
		return 0;
	while (i < len) {
		uint32_t c;
		unsigned n = mill_utf8_decode(line + i, len - i, &c);
		i += n ? n : 1;
		column++;
	}
	return column > m->column ? column - m->column : 0;
}

struct mill_mark mill_yaml_mark(struct mill_source *source, yaml_mark_t start, yaml_mark_t end)
{
	struct mill_mark m = {.source = source,
			      .line = (unsigned)start.line + 1,
			      .column = (unsigned)start.column + 1};
	if (end.line == start.line)
		m.length = end.column > start.column ? (unsigned)(end.column - start.column) : 0;
	else
		m.length = rest_of_line(&m);
	return m;
}

enum place { AT_PROBLEM, AT_CONTEXT };

/* libyaml's words, and ours: shorter, about what the user wrote. */
static const struct wording {
	const char *problem;
	enum place place;
	const char *message;
	const char *hint;
} wordings[] = {
	{"mapping values are not allowed in this context", AT_PROBLEM, "':' is not expected here",
	 "quote a value that contains ': ', and check the indentation"},
	{"could not find expected ':'", AT_CONTEXT, "a key without ':'",
	 "write `key: value`, or `- item` in a list; a text over several lines is indented"},
	{"did not find expected key", AT_PROBLEM, "expected a key here",
	 "the entries of a map begin in the same column"},
	{"did not find expected '-' indicator", AT_PROBLEM, "expected '- ' here",
	 "the items of a list begin in the same column"},
	{"did not find expected ',' or ']'", AT_PROBLEM, "expected ',' or ']'", NULL},
	{"did not find expected ',' or '}'", AT_PROBLEM, "expected ',' or '}'", NULL},
	{"did not find expected node content", AT_PROBLEM, "expected a value here", NULL},
	{"block sequence entries are not allowed in this context", AT_PROBLEM,
	 "a list item ('- ') is not expected here", "begin the list on a line of its own"},
	{"block mapping entries are not allowed in this context", AT_PROBLEM,
	 "a map entry is not expected here", NULL},
	{"mapping keys are not allowed in this context", AT_PROBLEM, "a key is not expected here",
	 NULL},
	{"found unexpected end of stream", AT_CONTEXT, "the quote is never closed", NULL},
	{"found unexpected document indicator", AT_CONTEXT, "the quote is never closed", NULL},
	{"found unknown escape character", AT_PROBLEM, "unknown escape in a double-quoted text",
	 "write '\\\\' for a backslash, or use single quotes"},
	{"did not find expected alphabetic or numeric character", AT_PROBLEM,
	 "a name is expected behind '&' or '*'", "quote a text that begins with '&' or '*'"},
	{"did not find expected <document start>", AT_PROBLEM, "unexpected text behind the document",
	 "one file holds one document"},
	{"found undefined tag handle", AT_PROBLEM, "unknown tag handle",
	 "quote a text that begins with '!'"},
	{"found incompatible YAML document", AT_PROBLEM, "this version of YAML is not known", NULL},
	{"found duplicate %YAML directive", AT_PROBLEM, "a second %YAML directive", NULL},
};

/* A tab among the blanks that a line begins with; its offset, or -1. */
static ssize_t leading_tab(struct mill_source *s, unsigned line)
{
	size_t len;
	const char *text = mill_source_line(s, line, &len);
	for (size_t i = 0; text && i < len && (text[i] == ' ' || text[i] == '\t'); i++)
		if (text[i] == '\t')
			return (ssize_t)i;
	return -1;
}

static bool tab_error(struct mill_source *s, unsigned line, struct mill_diags *diags)
{
	ssize_t at = leading_tab(s, line);
	if (at < 0)
		return false;
	struct mill_mark m = {.source = s, .line = line, .column = (unsigned)at + 1, .length = 1};
	mill_diag_hint(mill_diag_error(diags, m, "tab in the indentation"),
		       "YAML is indented with spaces");
	return true;
}

/* "found character that cannot start any token" */
static void bad_start(struct mill_mark m, struct mill_diags *diags)
{
	size_t len;
	const char *line = mill_source_line(m.source, m.line, &len);
	char c = line && m.column <= len ? line[m.column - 1] : 0;
	m.length = 1;
	if (c == '\t')
		mill_diag_hint(mill_diag_error(diags, m, "a tab is not expected here"),
			       "use spaces");
	else if (c == '@' || c == '`' || c == '%')
		mill_diag_hint(mill_diag_error(diags, m, "a value cannot begin with '%c'", c),
			       "quote it");
	else
		mill_diag_error(diags, m, "unexpected character");
}

/* `[a${x}]`: within brackets a brace ends a plain text. */
static bool in_interpolation(const struct mill_mark *m)
{
	size_t len;
	const char *line = mill_source_line(m->source, m->line, &len);
	for (size_t i = 1; line && i < len && i <= m->column; i++)
		if (line[i] == '{' && line[i - 1] == '$' && i + 2 >= m->column)
			return true;
	return false;
}

static void began_at(struct mill_diag *e, const yaml_parser_t *p)
{
	if (!p->context || p->context_mark.line == p->problem_mark.line)
		return;
	if (strstr(p->context, "mapping"))
		mill_diag_hint(e, "the map began at line %zu", p->context_mark.line + 1);
	else if (strstr(p->context, "sequence") || strstr(p->context, "collection"))
		mill_diag_hint(e, "the list began at line %zu", p->context_mark.line + 1);
}

/* libyaml counts a line behind the last newline; show the end of the last line with text. */
static yaml_mark_t within_text(struct mill_source *s, yaml_mark_t m)
{
	size_t len;
	const char *line;
	while (m.line && (line = mill_source_line(s, (unsigned)m.line + 1, &len)) && len == 0 &&
	       s->lines[m.line] >= s->len) {
		m.line--;
		mill_source_line(s, (unsigned)m.line + 1, &len);
		struct mill_mark end = mill_source_mark(s, s->lines[m.line] + len, 0);
		m.column = end.column - 1;
	}
	return m;
}

void mill_yaml_syntax_error(const yaml_parser_t *p, struct mill_source *s, struct mill_diags *diags)
{
	const char *problem = p->problem ? p->problem : "not YAML";
	yaml_mark_t at = within_text(s, p->problem_mark);
	if (tab_error(s, (unsigned)p->problem_mark.line + 1, diags))
		return;
	if (mill_starts_with(problem, "found character that cannot start")) {
		bad_start(mill_yaml_mark(s, at, at), diags);
		return;
	}
	for (size_t i = 0; i < MILL_ARRAY_LEN(wordings); i++) {
		const struct wording *w = &wordings[i];
		if (strcmp(problem, w->problem) != 0)
			continue;
		if (w->place == AT_CONTEXT && p->context)
			at = p->context_mark;
		struct mill_mark m = mill_yaml_mark(s, at, at);
		m.length = 1;
		struct mill_diag *e = mill_diag_error(diags, m, "%s", w->message);
		if (w->hint)
			mill_diag_hint(e, "%s", w->hint);
		if (in_interpolation(&m))
			mill_diag_hint(e, "inside [ ] and { } quote a text with '${...}'");
		else if (w->place == AT_PROBLEM)
			began_at(e, p);
		return;
	}
	struct mill_mark m = mill_yaml_mark(s, at, at);
	m.length = 1;
	struct mill_diag *e = mill_diag_error(diags, m, "%s", problem);
	if (p->context)
		mill_diag_hint(e, "%s", p->context);
}
