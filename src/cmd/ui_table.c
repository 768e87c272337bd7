#include "base/base.h"
#include "cmd/ui.h"

#define TABLE_COLUMNS_MAX 16

void mill_table_init(struct mill_table *t, const char *const *headers)
{
	*t = (struct mill_table){0};
	while (headers[t->columns])
		t->columns++;
	if (t->columns == 0 || t->columns > TABLE_COLUMNS_MAX)
		BUG("a table of %zu columns", t->columns);
	for (size_t i = 0; i < t->columns; i++)
		mill_table_add(t, MILL_LOOK_DIM, headers[i]);
}

void mill_table_add(struct mill_table *t, enum mill_look look, const char *text)
{
	_cleanup_strbuf_ struct mill_strbuf safe = MILL_STRBUF_INIT;

	mill_text_safe(&safe, text && *text ? text : "-");
	MILL_GROW(t->cells, t->n, t->cap);
	t->cells[t->n++] = (struct mill_table_cell){mill_strbuf_steal(&safe), look};
}

void mill_table_addf(struct mill_table *t, enum mill_look look, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = mill_xvasprintf(fmt, ap);
	va_end(ap);
	mill_table_add(t, look, text);
}

static void add_cell(const struct mill_table_cell *c, const struct mill_ui *ui, size_t cells,
		     bool last, struct mill_strbuf *out)
{
	_cleanup_strbuf_ struct mill_strbuf text = MILL_STRBUF_INIT;

	mill_text_clip(&text, c->text, cells, ui->utf8);
	mill_look_add(out, ui->out_colour, c->look, text.data);
	if (!last)
		mill_strbuf_printf(out, "%*s", (int)(cells - mill_text_width(text.data) + 2), "");
}

void mill_table_print(const struct mill_table *t, const struct mill_ui *ui, unsigned width,
		      struct mill_strbuf *out)
{
	size_t widths[TABLE_COLUMNS_MAX] = {0};
	size_t before = 0;

	for (size_t i = t->no_header ? t->columns : 0; i < t->n; i++) {
		size_t w = mill_text_width(t->cells[i].text);

		if (w > widths[i % t->columns])
			widths[i % t->columns] = w;
	}
	for (size_t i = 0; i + 1 < t->columns; i++)
		before += widths[i] + 2;
	/* A narrow terminal cuts the last column, but leaves enough of it to be of use. */
	if (width && before + widths[t->columns - 1] > width)
		widths[t->columns - 1] = width > before + 12 ? width - before : 12;
	for (size_t i = t->no_header ? t->columns : 0; i < t->n; i++) {
		bool last = (i + 1) % t->columns == 0;

		add_cell(&t->cells[i], ui, widths[i % t->columns], last, out);
		if (last)
			mill_strbuf_addch(out, '\n');
	}
}

void mill_table_show(const struct mill_table *t, const struct mill_ui *ui)
{
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;

	mill_table_print(t, ui, ui->out_tty ? mill_ui_width(STDOUT_FILENO) : 0, &out);
	mill_out(out.data);
}

void mill_table_release(struct mill_table *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->cells[i].text);
	free(t->cells);
	*t = (struct mill_table){0};
}
