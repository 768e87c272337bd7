/*
 * Progress of a run of the engine, on standard error.
 *
 * On a terminal: finished actions scroll by, below them one live line for each
 * running one (spinner, percent, elapsed).  The cursor rests at the top of the
 * live block, hidden, so a redraw is "clear from here": it stays right when the
 * terminal is resized, and lines are clipped to its present width.  Elsewhere:
 * one plain line when an action begins, at every 10 % and when it ends.  With
 * --json: one event a line, on standard output.
 *
 *	struct mill_view *v = mill_view_new(ui);
 *	options.on_event = mill_view_event;  options.arg = v;
 *	mill_engine_run(...);
 *	mill_view_free(v);    // puts the terminal back
 *
 * mill_view_event() may come from any thread.  Ctrl-C is cmd/interrupt.h.
 */
#ifndef MILL_CMD_PROGRESS_H
#define MILL_CMD_PROGRESS_H

#include "cmd/ui.h"
#include "engine/engine.h"

struct mill_view;
struct mill_view *mill_view_new(const struct mill_ui *ui);
void mill_view_event(void *arg, const struct mill_event *e);
/* A progress line of something that is no action (a transfer); NULL text: it ended. */
void mill_view_status(struct mill_view *v, const char *text, double fraction);
struct mill_view *mill_view_free(struct mill_view *v);

/* The live block as text of at most `height` lines, each at most `width` cells, at a time. For the drawing thread and tests. */
void mill_view_render(const struct mill_view *v, uint64_t now_ns, unsigned width, unsigned height,
		      struct mill_strbuf *out);

#endif
