/*
 * What the commands print with: colours, text widths, tables, questions, error
 * messages.  Results go to standard output; progress, notes and errors to
 * standard error.  Only the cmd module prints.
 *
 * Colour is used on a terminal, unless NO_COLOR is set (to anything but ""),
 * TERM is "dumb" or --no-color is given.  Widths count terminal cells: wide
 * characters are two, combining ones none.
 */
#ifndef MILL_CMD_UI_H
#define MILL_CMD_UI_H

#include "base/strbuf.h"

struct mill_ui {
	bool out_colour, err_colour; /* standard output, standard error */
	bool out_tty, err_tty;
	bool utf8; /* the locale can show more than ASCII */
	bool quiet, json, verbose, yes;
};

enum mill_look {
	MILL_LOOK_PLAIN,
	MILL_LOOK_BOLD,
	MILL_LOOK_DIM,
	MILL_LOOK_GOOD,
	MILL_LOOK_WARN,
	MILL_LOOK_BAD,
	MILL_LOOK_NAME,
};

/* Reads the environment and asks which streams are terminals. */
void mill_ui_init(struct mill_ui *ui, bool no_colour);
/* Cells of a terminal line: the terminal's, else $COLUMNS, else 80. */
unsigned mill_ui_width(int fd);
unsigned mill_ui_height(int fd);
/* The escape sequence, or "" without colour. */
const char *mill_look_on(bool colour, enum mill_look s);
const char *mill_look_off(bool colour);
/* Appends text in a look. */
void mill_look_add(struct mill_strbuf *out, bool colour, enum mill_look s, const char *text);

/* Cells that the text takes; control characters and escape sequences take none. */
size_t mill_text_width(const char *s);
/* Appends at most `cells` cells of s; what was cut ends in "…" ("~" without UTF-8). */
void mill_text_clip(struct mill_strbuf *out, const char *s, size_t cells, bool utf8);
/* Appends paragraphs wrapped at `width`, each line indented. */
void mill_text_wrap(struct mill_strbuf *out, const char *s, unsigned indent, unsigned width);
/* Appends s with control characters shown as "?": text from outside on a terminal. */
void mill_text_safe(struct mill_strbuf *out, const char *s);

/* ---- tables ---- */
struct mill_table_cell {
	char *text;
	enum mill_look look;
};
struct mill_table {
	size_t columns;
	struct mill_table_cell *cells;
	size_t n, cap;
	bool no_header;
};
/* The headers are the first row. */
void mill_table_init(struct mill_table *t, const char *const *headers); /* NULL-terminated */
/* Adds a cell; text is copied, NULL is "-". */
void mill_table_add(struct mill_table *t, enum mill_look look, const char *text);
void mill_table_addf(struct mill_table *t, enum mill_look look, const char *fmt, ...)
	MILL_PRINTF(3, 4);
/* Columns two blanks apart, none after the last; with width > 0 the last column is clipped to it. */
void mill_table_print(const struct mill_table *t, const struct mill_ui *ui, unsigned width,
		      struct mill_strbuf *out);
void mill_table_release(struct mill_table *t);
#define _cleanup_table_ __attribute__((cleanup(mill_table_release)))
/* To standard output, clipped only on a terminal. */
void mill_table_show(const struct mill_table *t, const struct mill_ui *ui);

/* ---- streams ---- */
void mill_out(const char *text);               /* standard output */
void mill_outf(const char *fmt, ...) MILL_PRINTF(1, 2);
/* A line for people on standard error; nothing with --quiet. */
void mill_note(const struct mill_ui *ui, const char *fmt, ...) MILL_PRINTF(2, 3);
void mill_warn(const struct mill_ui *ui, const char *fmt, ...) MILL_PRINTF(2, 3);
/* "data-mill: message", indented log lines, "next: ..." on standard error. */
void mill_ui_error(const struct mill_ui *ui, const struct mill_error *err);
void mill_ui_error_text(const struct mill_ui *ui, const struct mill_error *err,
			struct mill_strbuf *out);
/*
 * Asks on the terminal that `expected` be typed.  True with --yes.  Without a
 * terminal, or with another answer: a usage error that names --yes.
 */
int mill_ui_confirm(const struct mill_ui *ui, const char *question, const char *expected,
		    struct mill_error *err);

#endif
