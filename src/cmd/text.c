/* Text on a terminal: widths in cells, clipping, wrapping. */
#include "base/base.h"
#include "base/utf8.h"
#include "cmd/ui.h"

/* Bytes of the character at s, its code point in *ret; a broken sequence is one byte, U+FFFD. */
static size_t decode(const char *s, uint32_t *ret)
{
	unsigned n = mill_utf8_decode(s, strnlen(s, 4), ret);

	if (n)
		return n;
	*ret = 0xFFFD;
	return 1;
}

/* Bytes of an escape sequence "ESC [ ... letter" at s; 0: none. */
static size_t escape_length(const char *s)
{
	size_t n = 2;

	if (s[0] != '\033' || s[1] != '[')
		return 0;
	while (s[n] && (unsigned char)s[n] < 0x40)
		n++;
	return s[n] ? n + 1 : n;
}

size_t mill_text_width(const char *s)
{
	size_t cells = 0;

	while (*s) {
		size_t skip = escape_length(s);
		uint32_t c;

		if (skip) {
			s += skip;
			continue;
		}
		s += decode(s, &c);
		cells += mill_utf8_width(c);
	}
	return cells;
}

void mill_text_clip(struct mill_strbuf *out, const char *s, size_t cells, bool utf8)
{
	size_t used = 0;

	if (mill_text_width(s) <= cells) {
		mill_strbuf_addstr(out, s);
		return;
	}
	if (cells == 0)
		return;
	while (*s) {
		size_t n = escape_length(s);
		uint32_t c = 0;

		if (!n) {
			n = decode(s, &c);
			if (used + mill_utf8_width(c) > cells - 1)
				break;
			used += mill_utf8_width(c);
		}
		mill_strbuf_add(out, s, n);
		s += n;
	}
	mill_strbuf_addstr(out, utf8 ? "\u2026" : "~");
	/* Escape sequences past the cut still count: they end the colour. */
	for (; *s; s++) {
		size_t n = escape_length(s);

		if (n)
			mill_strbuf_add(out, s, n);
	}
}

/* One paragraph's line from s: how many bytes fit into `cells`, broken at a blank if there is one. */
static size_t line_length(const char *s, size_t cells)
{
	size_t n = 0, used = 0, last_blank = 0;

	while (s[n] && s[n] != '\n') {
		uint32_t c;
		size_t bytes = decode(s + n, &c);

		if (s[n] == ' ')
			last_blank = n;
		used += mill_utf8_width(c);
		if (used > cells && n)
			return last_blank ? last_blank : n;
		n += bytes;
	}
	return n;
}

void mill_text_wrap(struct mill_strbuf *out, const char *s, unsigned indent, unsigned width)
{
	size_t cells = width > indent + 20 ? width - indent : 20;

	while (*s) {
		size_t n = line_length(s, cells);

		if (n)
			mill_strbuf_printf(out, "%*s%.*s", (int)indent, "", (int)n, s);
		mill_strbuf_addch(out, '\n');
		s += n;
		if (*s == '\n' || *s == ' ')
			s++;
	}
}

void mill_text_safe(struct mill_strbuf *out, const char *s)
{
	while (*s) {
		uint32_t c;
		size_t n = decode(s, &c);

		if (c == '\t')
			mill_strbuf_addch(out, ' ');
		else if (c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0xFFFD)
			mill_strbuf_addch(out, '?');
		else
			mill_strbuf_add(out, s, n);
		s += n;
	}
}
