#include <pthread.h>

#include "base/base.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"
#include "base/parse.h"
#include "cmd/interrupt.h"
#include "cmd/progress.h"

#define VIEW_REDRAW_MS 100
#define VIEW_SAY_NS (20 * MILL_SEC) /* plain output: a step that takes long is heard of this often */

struct line {
	const struct mill_action *action; /* NULL: mill_view_status() */
	char *text;
	double fraction;
	uint64_t began_ns;
	uint64_t said_ns; /* plain output: when it was last heard of */
};
struct mill_view {
	const struct mill_ui *ui;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t drawer;
	bool drawing, ending;
	struct line *lines;
	size_t n, cap;
	unsigned total, finished;
};

/* "install minio", "start minio.server" */
static char *label_of(const struct mill_action *a)
{
	const char *verb = mill_action_verb(a->kind);

	if (!a->component)
		return mill_xasprintf("%s %s", verb, a->name ? a->name : "");
	if (!a->name || strcmp(a->name, a->component) == 0 || a->kind == MILL_ACTION_INSTALL)
		return mill_xasprintf("%s %s", verb, a->component);
	return mill_xasprintf("%s %s %s", verb, a->component, a->name);
}

/* ---- the live block ---- */

static void render_line(const struct mill_view *v, const struct line *l, uint64_t now_ns,
			unsigned width, struct mill_strbuf *out)
{
	static const char *const utf8[] = {"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"};
	static const char *const ascii[] = {"|", "/", "-", "\\"};
	uint64_t tick = now_ns / (VIEW_REDRAW_MS * MILL_MS);
	const char *spinner = v->ui->utf8 ? utf8[tick % MILL_ARRAY_LEN(utf8)]
					  : ascii[tick % MILL_ARRAY_LEN(ascii)];
	_cleanup_free_ char *label = l->action ? label_of(l->action) : mill_xstrdup("");
	_cleanup_strbuf_ struct mill_strbuf text = MILL_STRBUF_INIT;
	uint64_t seconds = (now_ns - l->began_ns) / MILL_SEC;
	char elapsed[32];

	mill_strbuf_printf(&text, "%s %s", spinner, label);
	if (l->fraction >= 0)
		mill_strbuf_printf(&text, "%s%d %%", *label ? "  " : "", (int)(l->fraction * 100));
	if (seconds)
		mill_strbuf_printf(&text, "  %s",
				   mill_format_duration(seconds * MILL_SEC, elapsed, sizeof(elapsed)));
	if (l->text && *l->text) {
		mill_strbuf_addstr(&text, "  ");
		mill_text_safe(&text, l->text);
	}
	mill_text_clip(out, text.data, width, v->ui->utf8);
	mill_strbuf_addch(out, '\n');
}

void mill_view_render(const struct mill_view *v, uint64_t now_ns, unsigned width, unsigned height,
		      struct mill_strbuf *out)
{
	size_t shown = v->n;

	if (height < 2)
		height = 2;
	if (shown > height - 1)
		shown = height - 1;
	for (size_t i = 0; i < shown; i++)
		render_line(v, &v->lines[i], now_ns, width, out);
	if (shown < v->n) {
		_cleanup_free_ char *more = mill_xasprintf("  and %zu more", v->n - shown);

		mill_text_clip(out, more, width, v->ui->utf8);
		mill_strbuf_addch(out, '\n');
	}
}

static void draw(struct mill_view *v)
{
	_cleanup_strbuf_ struct mill_strbuf block = MILL_STRBUF_INIT, out = MILL_STRBUF_INIT;
	unsigned width = mill_ui_width(STDERR_FILENO), height = mill_ui_height(STDERR_FILENO);
	size_t lines = 0;

	/* One cell less: a full last column makes some terminals wrap. */
	mill_view_render(v, mill_now_ns(), width > 1 ? width - 1 : 1, height > 3 ? height - 2 : 2, &block);
	for (const char *s = block.data; *s; s++)
		lines += *s == '\n';
	mill_strbuf_printf(&out, "\r\033[J%s", block.data);
	if (lines)
		mill_strbuf_printf(&out, "\033[%zuA", lines);
	mill_write_all(STDERR_FILENO, out.data, out.len);
}

static void *draw_loop(void *arg)
{
	struct mill_view *v = arg;

	pthread_mutex_lock(&v->lock);
	while (!v->ending) {
		struct timespec until;

		draw(v);
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += VIEW_REDRAW_MS * (long)MILL_MS;
		if (until.tv_nsec >= (long)MILL_SEC) {
			until.tv_nsec -= (long)MILL_SEC;
			until.tv_sec++;
		}
		pthread_cond_timedwait(&v->wake, &v->lock, &until);
	}
	pthread_mutex_unlock(&v->lock);
	return NULL;
}

/* ---- lines that stay ---- */

static void print_line(struct mill_view *v, const char *line)
{
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;

	mill_strbuf_printf(&out, "%s%s\n", v->drawing ? "\r\033[J" : "", line);
	mill_write_all(STDERR_FILENO, out.data, out.len);
	if (v->drawing)
		draw(v);
}

static void add_duration(struct mill_strbuf *out, uint64_t ns)
{
	char text[32];

	if (ns >= MILL_SEC)
		ns = ns / (MILL_SEC / 10) * (MILL_SEC / 10);
	mill_strbuf_printf(out, "  %s", mill_format_duration(ns / MILL_MS * MILL_MS, text, sizeof(text)));
}

static void print_end(struct mill_view *v, const struct mill_event *e)
{
	_cleanup_strbuf_ struct mill_strbuf line = MILL_STRBUF_INIT;
	_cleanup_free_ char *label = label_of(e->action);
	bool colour = v->ui->err_colour, utf8 = v->ui->utf8;

	switch (e->kind) {
	case MILL_EVENT_DONE:
		mill_look_add(&line, colour, MILL_LOOK_GOOD, utf8 ? "✓" : "ok");
		mill_strbuf_printf(&line, " %s", label);
		add_duration(&line, e->elapsed_ns);
		break;
	case MILL_EVENT_FAILED:
		mill_look_add(&line, colour, MILL_LOOK_BAD, utf8 ? "✗" : "FAILED");
		mill_strbuf_printf(&line, " %s: ", label);
		mill_text_safe(&line, e->error && e->error->message ? e->error->message : "failed");
		break;
	case MILL_EVENT_SKIPPED:
		mill_look_add(&line, colour, MILL_LOOK_DIM, utf8 ? "–" : "skipped");
		mill_strbuf_printf(&line, " %s: %s", label, e->text ? e->text : "not tried");
		break;
	default:
		mill_look_add(&line, colour, MILL_LOOK_DIM, utf8 ? "–" : "cancelled");
		mill_strbuf_printf(&line, " %s: cancelled", label);
		break;
	}
	print_line(v, line.data);
}

static struct line *find_line(struct mill_view *v, const struct mill_action *a)
{
	for (size_t i = 0; i < v->n; i++)
		if (v->lines[i].action == a)
			return &v->lines[i];
	return NULL;
}

static struct line *add_line(struct mill_view *v, const struct mill_action *a)
{
	MILL_GROW(v->lines, v->n, v->cap);
	v->lines[v->n] = (struct line){.action = a, .fraction = -1, .began_ns = mill_now_ns()};
	v->lines[v->n].said_ns = v->lines[v->n].began_ns;
	return &v->lines[v->n++];
}

static void remove_line(struct mill_view *v, const struct mill_action *a)
{
	struct line *l = find_line(v, a);

	if (!l)
		return;
	free(l->text);
	memmove(l, l + 1, (size_t)(&v->lines[v->n] - (l + 1)) * sizeof(*l));
	v->n--;
}

/* The step that a live block would show, as a line. */
static void say_step(struct mill_view *v, struct line *l, uint64_t now_ns)
{
	_cleanup_strbuf_ struct mill_strbuf line = MILL_STRBUF_INIT;
	_cleanup_free_ char *label = label_of(l->action);
	char elapsed[32];

	mill_strbuf_printf(&line, ".. %s  ", label);
	if (l->fraction >= 0)
		mill_strbuf_printf(&line, "%d %%  ", (int)(l->fraction * 100));
	mill_strbuf_addstr(&line, mill_format_duration((now_ns - l->began_ns) / MILL_SEC * MILL_SEC, elapsed, sizeof(elapsed)));
	if (l->text && *l->text) {
		mill_strbuf_addstr(&line, "  ");
		mill_text_safe(&line, l->text);
	}
	l->said_ns = now_ns;
	print_line(v, line.data);
}

static void on_progress(struct mill_view *v, const struct mill_event *e)
{
	struct line *l = find_line(v, e->action);
	uint64_t now_ns = mill_now_ns();

	if (!l)
		l = add_line(v, e->action);
	free(l->text);
	l->text = e->text ? mill_xstrdup(e->text) : NULL;
	l->fraction = e->fraction;
	if (!v->drawing && now_ns - l->said_ns >= (v->ui->verbose ? MILL_SEC : VIEW_SAY_NS))
		say_step(v, l, now_ns);
}

static void on_begin(struct mill_view *v, const struct mill_event *e)
{
	_cleanup_free_ char *label = NULL;
	_cleanup_free_ char *line = NULL;

	add_line(v, e->action);
	/* Quick steps only say that they ended. */
	if (v->drawing || (e->action->kind != MILL_ACTION_INSTALL && !v->ui->verbose))
		return;
	label = label_of(e->action);
	line = mill_xasprintf(".. %s: %s", label, e->action->reason ? e->action->reason : "");
	print_line(v, line);
}

/* ---- events as JSON lines ---- */

static void json_event(const struct mill_event *e)
{
	static const char *const names[] = {"queued", "begin", "progress", "done", "failed", "skipped",
					    "cancelled"};
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	struct mill_json_writer w;
	char now[MILL_RFC3339_LEN];

	mill_json_writer_init(&w, &out, false);
	mill_json_begin_object(&w);
	mill_json_kv_string(&w, "time", mill_format_rfc3339(mill_wall_ms(), now));
	mill_json_kv_string(&w, "event", names[e->kind]);
	mill_json_kv_string(&w, "action", mill_action_verb(e->action->kind));
	mill_json_kv_string(&w, "component", e->action->component);
	mill_json_kv_string(&w, "name", e->action->name);
	if (e->text)
		mill_json_kv_string(&w, "text", e->text);
	if (e->kind == MILL_EVENT_PROGRESS && e->fraction >= 0) {
		mill_json_key(&w, "fraction");
		mill_json_double(&w, e->fraction);
	}
	if (e->kind == MILL_EVENT_DONE || e->kind == MILL_EVENT_FAILED)
		mill_json_kv_int(&w, "elapsed_ms", (int64_t)(e->elapsed_ns / MILL_MS));
	if (e->error) {
		mill_json_kv_string(&w, "error", e->error->message);
		mill_json_kv_string(&w, "detail", e->error->detail);
		mill_json_kv_string(&w, "next", e->error->hint);
	}
	mill_json_end_object(&w);
	printf("%s\n", out.data);
	fflush(stdout);
}

void mill_view_event(void *arg, const struct mill_event *e)
{
	struct mill_view *v = arg;

	pthread_mutex_lock(&v->lock);
	if (v->ui->json && e->kind != MILL_EVENT_QUEUED) {
		json_event(e);
	} else if (!v->ui->json && !v->ui->quiet) {
		switch (e->kind) {
		case MILL_EVENT_QUEUED:
			break;
		case MILL_EVENT_BEGIN:
			on_begin(v, e);
			break;
		case MILL_EVENT_PROGRESS:
			on_progress(v, e);
			break;
		default:
			remove_line(v, e->action);
			print_end(v, e);
			break;
		}
	}
	pthread_mutex_unlock(&v->lock);
}

void mill_view_status(struct mill_view *v, const char *text, double fraction)
{
	pthread_mutex_lock(&v->lock);
	if (v->drawing && !text) {
		remove_line(v, NULL);
	} else if (v->drawing) {
		struct line *l = find_line(v, NULL);

		if (!l)
			l = add_line(v, NULL);
		free(l->text);
		l->text = mill_xstrdup(text);
		l->fraction = fraction;
	}
	pthread_mutex_unlock(&v->lock);
}

struct mill_view *mill_view_new(const struct mill_ui *ui)
{
	struct mill_view *v = mill_xcalloc(1, sizeof(*v));
	pthread_condattr_t attr;

	v->ui = ui;
	pthread_mutex_init(&v->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&v->wake, &attr);
	pthread_condattr_destroy(&attr);
	if (ui->err_tty && !ui->json && !ui->quiet && !mill_streq(getenv("TERM"), "dumb")) {
		mill_interrupt_hide_cursor();
		v->drawing = pthread_create(&v->drawer, NULL, draw_loop, v) == 0;
		if (!v->drawing)
			mill_interrupt_show_cursor();
	}
	return v;
}

struct mill_view *mill_view_free(struct mill_view *v)
{
	if (!v)
		return NULL;
	if (v->drawing) {
		pthread_mutex_lock(&v->lock);
		v->ending = true;
		pthread_cond_signal(&v->wake);
		pthread_mutex_unlock(&v->lock);
		pthread_join(v->drawer, NULL);
		mill_interrupt_show_cursor();
	}
	for (size_t i = 0; i < v->n; i++)
		free(v->lines[i].text);
	free(v->lines);
	pthread_cond_destroy(&v->wake);
	pthread_mutex_destroy(&v->lock);
	free(v);
	return NULL;
}
