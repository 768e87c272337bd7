#include <sys/ioctl.h>

#include "base/base.h"
#include "base/parse.h"
#include "cmd/ui.h"

static bool says_utf8(const char *name)
{
	return name && (strcasestr(name, "utf-8") || strcasestr(name, "utf8"));
}

/* LC_ALL, LC_CTYPE, LANG decide, in this order; asking setlocale() would read the locale's files. */
static bool locale_is_utf8(void)
{
	static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

	for (size_t i = 0; i < MILL_ARRAY_LEN(names); i++) {
		const char *value = getenv(names[i]);

		if (value && *value)
			return says_utf8(value);
	}
	return false;
}

void mill_ui_init(struct mill_ui *ui, bool no_colour)
{
	const char *forbidden = getenv("NO_COLOR");
	const char *term = getenv("TERM");
	bool colour = !no_colour && !(forbidden && *forbidden) && term && strcmp(term, "dumb") != 0;

	*ui = (struct mill_ui){0};
	ui->out_tty = isatty(STDOUT_FILENO);
	ui->err_tty = isatty(STDERR_FILENO);
	ui->out_colour = colour && ui->out_tty;
	ui->err_colour = colour && ui->err_tty;
	ui->utf8 = locale_is_utf8();
}

static unsigned from_environment(const char *name, unsigned fallback)
{
	const char *text = getenv(name);
	int n;

	return text && mill_parse_int(text, 1, 10000, &n) == 0 ? (unsigned)n : fallback;
}

unsigned mill_ui_width(int fd)
{
	struct winsize size;

	if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	return from_environment("COLUMNS", 80);
}

unsigned mill_ui_height(int fd)
{
	struct winsize size;

	if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_row > 0)
		return size.ws_row;
	return from_environment("LINES", 24);
}

const char *mill_look_on(bool colour, enum mill_look s)
{
	static const char *const codes[] = {
		[MILL_LOOK_PLAIN] = "",	  [MILL_LOOK_BOLD] = "\033[1m",
		[MILL_LOOK_DIM] = "\033[2m",	  [MILL_LOOK_GOOD] = "\033[32m",
		[MILL_LOOK_WARN] = "\033[33m",	  [MILL_LOOK_BAD] = "\033[31m",
		[MILL_LOOK_NAME] = "\033[1;36m",
	};

	return colour ? codes[s] : "";
}

const char *mill_look_off(bool colour)
{
	return colour ? "\033[0m" : "";
}

void mill_look_add(struct mill_strbuf *out, bool colour, enum mill_look s, const char *text)
{
	if (!colour || s == MILL_LOOK_PLAIN) {
		mill_strbuf_addstr(out, text);
		return;
	}
	mill_strbuf_printf(out, "%s%s%s", mill_look_on(true, s), text, mill_look_off(true));
}

void mill_out(const char *text)
{
	fputs(text, stdout);
}

void mill_outf(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
}

static void say(const struct mill_ui *ui, enum mill_look s, const char *prefix, const char *fmt,
		va_list ap)
{
	_cleanup_free_ char *text = mill_xvasprintf(fmt, ap);
	_cleanup_strbuf_ struct mill_strbuf line = MILL_STRBUF_INIT;

	mill_look_add(&line, ui->err_colour, s, prefix);
	mill_strbuf_addstr(&line, text);
	mill_strbuf_addch(&line, '\n');
	fflush(stdout);
	fputs(line.data, stderr);
}

void mill_note(const struct mill_ui *ui, const char *fmt, ...)
{
	va_list ap;

	if (ui->quiet)
		return;
	va_start(ap, fmt);
	say(ui, MILL_LOOK_PLAIN, "", fmt, ap);
	va_end(ap);
}

void mill_warn(const struct mill_ui *ui, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(ui, MILL_LOOK_WARN, "warning: ", fmt, ap);
	va_end(ap);
}

/* Each line of text after a prefix, safe for a terminal. */
static void add_lines(struct mill_strbuf *out, const char *prefix, const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "\n");
		_cleanup_free_ char *line = mill_xstrndup(text, n);

		mill_strbuf_addstr(out, prefix);
		mill_text_safe(out, line);
		mill_strbuf_addch(out, '\n');
		text += n;
		text += *text == '\n';
	}
}

void mill_ui_error_text(const struct mill_ui *ui, const struct mill_error *err,
			struct mill_strbuf *out)
{
	_cleanup_free_ char *code = NULL;
	const char *message = err->message;

	if (!message)
		message = code = mill_xstrdup(strerror(err->code));
	mill_look_add(out, ui->err_colour, MILL_LOOK_BAD, "data-mill:");
	mill_strbuf_addch(out, ' ');
	mill_text_safe(out, message);
	mill_strbuf_addch(out, '\n');
	if (err->detail)
		add_lines(out, "    | ", err->detail);
	if (err->hint) {
		_cleanup_strbuf_ struct mill_strbuf hint = MILL_STRBUF_INIT;

		add_lines(&hint, "      ", err->hint);
		mill_look_add(out, ui->err_colour, MILL_LOOK_BOLD, "next:");
		mill_strbuf_addstr(out, hint.data + 5);
	}
}

void mill_ui_error(const struct mill_ui *ui, const struct mill_error *err)
{
	_cleanup_strbuf_ struct mill_strbuf text = MILL_STRBUF_INIT;

	mill_ui_error_text(ui, err, &text);
	fflush(stdout);
	fputs(text.data, stderr);
}

int mill_ui_confirm(const struct mill_ui *ui, const char *question, const char *expected,
		    struct mill_error *err)
{
	char answer[256];

	if (ui->yes)
		return 0;
	if (!isatty(STDIN_FILENO)) {
		mill_fail_usage(err, "not confirmed, and there is no terminal to ask on; nothing was changed");
		mill_error_detail(err, question);
		return mill_error_hint(err, "add --yes if that is what you want");
	}
	fprintf(stderr, "%s\nType %s to go on: ", question, expected);
	fflush(stderr);
	if (!fgets(answer, sizeof(answer), stdin))
		answer[0] = 0;
	answer[strcspn(answer, "\n")] = 0;
	if (strcmp(answer, expected) == 0)
		return 0;
	return mill_fail_usage(err, "not confirmed; nothing was changed");
}
