#include "base/base.h"

static MILL_NORETURN void out_of_memory(void)
{
	static const char text[] = "data-mill: out of memory\n";
	ssize_t n = write(STDERR_FILENO, text, sizeof(text) - 1);
	(void)n;
	_exit(MILL_EXIT_FAILED);
}

void *mill_xmalloc(size_t size)
{
	void *p = malloc(size ? size : 1);
	if (!p)
		out_of_memory();
	return p;
}

void *mill_xcalloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size ? size : 1);
	if (!p)
		out_of_memory();
	return p;
}

void *mill_xrealloc(void *old, size_t size)
{
	void *p = realloc(old, size ? size : 1);
	if (!p)
		out_of_memory();
	return p;
}

void *mill_xreallocarray(void *old, size_t n, size_t size)
{
	size_t total;
	if (__builtin_mul_overflow(n, size, &total))
		out_of_memory();
	return mill_xrealloc(old, total);
}

char *mill_xstrndup(const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *p = mill_xmalloc(len + 1);
	memcpy(p, s, len);
	p[len] = '\0';
	return p;
}

char *mill_xstrdup(const char *s)
{
	return mill_xstrndup(s, strlen(s));
}

char *mill_xvasprintf(const char *fmt, va_list ap)
{
	char *s = NULL;
	if (vasprintf(&s, fmt, ap) < 0)
		out_of_memory();
	return s;
}

char *mill_xasprintf(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char *s = mill_xvasprintf(fmt, ap);
	va_end(ap);
	return s;
}

bool mill_ends_with(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);
	return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

void mill_bug(const char *file, int line, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	fprintf(stderr, "data-mill: BUG at %s:%d: ", file, line);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	abort();
}

static int fail_with(struct mill_error *err, int code, bool usage, char *message)
{
	if (code <= 0)
		code = EIO;
	if (!err) {
		free(message);
		return -code;
	}
	mill_error_release(err);
	err->code = code;
	err->usage = usage;
	err->message = message;
	return -code;
}

int mill_fail(struct mill_error *err, int code, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char *message = mill_xvasprintf(fmt, ap);
	va_end(ap);
	return fail_with(err, code, false, message);
}

int mill_fail_usage(struct mill_error *err, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char *message = mill_xvasprintf(fmt, ap);
	va_end(ap);
	return fail_with(err, EINVAL, true, message);
}

int mill_fail_errno(struct mill_error *err, int code, const char *fmt, ...)
{
	char text[128];
	va_list ap;
	va_start(ap, fmt);
	_cleanup_free_ char *head = mill_xvasprintf(fmt, ap);
	va_end(ap);
	return fail_with(err, code, false,
			 mill_xasprintf("%s: %s", head, strerror_r(code, text, sizeof(text))));
}

int mill_error_wrap(struct mill_error *err, const char *fmt, ...)
{
	if (!err)
		return -EIO;
	va_list ap;
	va_start(ap, fmt);
	_cleanup_free_ char *head = mill_xvasprintf(fmt, ap);
	va_end(ap);
	char *message = mill_xasprintf("%s: %s", head, err->message ? err->message : "failed");
	free(err->message);
	err->message = message;
	return err->code ? -err->code : -EIO;
}

int mill_error_hint(struct mill_error *err, const char *fmt, ...)
{
	if (!err)
		return -EIO;
	va_list ap;
	va_start(ap, fmt);
	char *hint = mill_xvasprintf(fmt, ap);
	va_end(ap);
	free(err->hint);
	err->hint = hint;
	return err->code ? -err->code : -EIO;
}

void mill_error_detail(struct mill_error *err, const char *text)
{
	if (!err)
		return;
	free(err->detail);
	err->detail = text ? mill_xstrdup(text) : NULL;
}

void mill_error_release(struct mill_error *err)
{
	if (!err)
		return;
	free(err->message);
	free(err->hint);
	free(err->detail);
	*err = (struct mill_error){0};
}
