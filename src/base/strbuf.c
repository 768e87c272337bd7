#include "base/strbuf.h"

/* What every empty buffer points at; never written to. */
char mill_strbuf_empty[1];

static size_t ceiling(const struct mill_strbuf *b)
{
	return b->max ? b->max : MILL_STRBUF_MAX;
}

static bool is_static(const struct mill_strbuf *b)
{
	return b->cap == 0;
}

void mill_strbuf_init(struct mill_strbuf *b, size_t max)
{
	*b = (struct mill_strbuf)MILL_STRBUF_INIT_MAX(max);
}

void mill_strbuf_release(struct mill_strbuf *b)
{
	size_t max = b->max;
	if (!is_static(b))
		free(b->data);
	mill_strbuf_init(b, max);
}

void mill_strbuf_reset(struct mill_strbuf *b)
{
	mill_strbuf_truncate(b, 0);
	b->overflow = false;
}

char *mill_strbuf_steal(struct mill_strbuf *b)
{
	size_t max = b->max;
	char *s = is_static(b) ? mill_xstrdup("") : b->data;
	mill_strbuf_init(b, max);
	return s;
}

/* Room for n more bytes and the NUL; the caller has checked the ceiling. */
static void grow(struct mill_strbuf *b, size_t n)
{
	size_t need = b->len + n + 1;
	if (need <= b->cap)
		return;
	size_t cap = b->cap ? b->cap : 32;
	while (cap < need)
		cap += cap / 2 + 16;
	/* The slack may not pass the ceiling by more than the NUL. */
	if (cap > ceiling(b) + 1)
		cap = ceiling(b) + 1;
	b->data = mill_xrealloc(is_static(b) ? NULL : b->data, cap);
	b->data[b->len] = '\0';
	b->cap = cap;
}

/* How many of n bytes still fit; notes the overflow. */
static size_t fit(struct mill_strbuf *b, size_t n)
{
	size_t max = ceiling(b);
	size_t room = b->len < max ? max - b->len : 0;
	if (n <= room)
		return n;
	b->overflow = true;
	return room;
}

void mill_strbuf_add(struct mill_strbuf *b, const void *data, size_t n)
{
	n = fit(b, n);
	if (!n)
		return;
	grow(b, n);
	memcpy(b->data + b->len, data, n);
	b->len += n;
	b->data[b->len] = '\0';
}

void mill_strbuf_addstr(struct mill_strbuf *b, const char *s)
{
	mill_strbuf_add(b, s, strlen(s));
}

void mill_strbuf_addch(struct mill_strbuf *b, char c)
{
	mill_strbuf_add(b, &c, 1);
}

void mill_strbuf_vprintf(struct mill_strbuf *b, const char *fmt, va_list ap)
{
	char small[256];
	va_list again;
	va_copy(again, ap);
	int n = vsnprintf(small, sizeof(small), fmt, ap);
	if (n < 0)
		BUG("bad format '%s'", fmt);
	if ((size_t)n < sizeof(small)) {
		mill_strbuf_add(b, small, (size_t)n);
	} else {
		_cleanup_free_ char *big = mill_xvasprintf(fmt, again);
		mill_strbuf_add(b, big, (size_t)n);
	}
	va_end(again);
}

void mill_strbuf_printf(struct mill_strbuf *b, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	mill_strbuf_vprintf(b, fmt, ap);
	va_end(ap);
}

char *mill_strbuf_reserve(struct mill_strbuf *b, size_t n)
{
	if (fit(b, n) < n)
		return NULL;
	grow(b, n);
	return b->data + b->len;
}

void mill_strbuf_advance(struct mill_strbuf *b, size_t n)
{
	if (n == 0)
		return;
	if (n >= b->cap || b->len + n >= b->cap)
		BUG("advance past what was reserved");
	b->len += n;
	b->data[b->len] = '\0';
}

void mill_strbuf_consume(struct mill_strbuf *b, size_t n)
{
	if (n >= b->len) {
		mill_strbuf_truncate(b, 0);
		return;
	}
	memmove(b->data, b->data + n, b->len - n);
	mill_strbuf_truncate(b, b->len - n);
}

void mill_strbuf_truncate(struct mill_strbuf *b, size_t len)
{
	if (len >= b->len || is_static(b))
		return;
	b->len = len;
	b->data[len] = '\0';
}
