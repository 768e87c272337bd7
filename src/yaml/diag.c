#include "yaml/diag.h"

#include "base/parse.h"
#include "base/utf8.h"

/* Foreign text ends up in messages: neither its length nor its control
 * characters may spoil the terminal. */
#define MESSAGE_MAX 500

static char *clean(const char *text, bool lines)
{
	struct mill_strbuf out = MILL_STRBUF_INIT;
	size_t n = strlen(text);
	for (size_t i = 0; i < n;) {
		uint32_t c;
		unsigned len = mill_utf8_decode(text + i, n - i, &c);
		if (out.len >= MESSAGE_MAX) {
			mill_strbuf_addstr(&out, "...");
			break;
		}
		if (!len)
			mill_strbuf_addstr(&out, "\xef\xbf\xbd");
		else if ((c < 0x20 && !(lines && c == '\n')) || (c >= 0x7f && c < 0xa0) ||
			 (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069))
			mill_strbuf_addch(&out, '?');
		else
			mill_strbuf_add(&out, text + i, len);
		i += len ? len : 1;
	}
	return mill_strbuf_steal(&out);
}

static unsigned rank(struct mill_diags *d, struct mill_source *source)
{
	if (!source)
		return 0;
	for (size_t i = 0; i < d->n_sources; i++)
		if (d->sources[i] == source)
			return (unsigned)i + 1;
	/* The same file loaded twice keeps its first place. */
	unsigned place = 0;
	for (size_t i = 0; !place && i < d->n_sources; i++)
		if (mill_streq(d->sources[i]->path, source->path))
			place = (unsigned)i + 1;
	MILL_GROW(d->sources, d->n_sources, d->cap_sources);
	d->sources[d->n_sources++] = mill_source_ref(source);
	return place ? place : (unsigned)d->n_sources;
}

void mill_diags_add_source(struct mill_diags *d, struct mill_source *source)
{
	rank(d, source);
}

static const char *path_of(const struct mill_mark *m)
{
	return m->source ? m->source->path : "";
}

static bool same(const struct mill_diag *a, enum mill_severity severity,
		 const struct mill_mark *mark, const char *message)
{
	return a->severity == severity && a->mark.line == mark->line &&
	       a->mark.column == mark->column && mill_streq(path_of(&a->mark), path_of(mark)) &&
	       mill_streq(a->message, message);
}

static struct mill_diag *add(struct mill_diags *d, enum mill_severity severity,
			     struct mill_mark mark, const char *fmt, va_list ap)
{
	_cleanup_free_ char *raw = mill_xvasprintf(fmt, ap);
	_cleanup_free_ char *message = clean(raw, false);
	for (size_t i = 0; i < d->n; i++)
		if (same(d->entries[i], severity, &mark, message))
			return d->entries[i];
	if (severity == MILL_SEVERITY_ERROR)
		d->n_errors++;
	else
		d->n_warnings++;
	if (d->n >= MILL_DIAGS_MAX)
		return NULL;
	struct mill_diag *e = mill_xcalloc(1, sizeof(*e));
	*e = (struct mill_diag){.severity = severity,
				.mark = mark,
				.file = rank(d, mark.source),
				.order = (unsigned)d->n,
				.message = MILL_TAKE(message)};
	MILL_GROW(d->entries, d->n, d->cap);
	d->entries[d->n++] = e;
	return e;
}

struct mill_diag *mill_diag_error(struct mill_diags *d, struct mill_mark mark, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	struct mill_diag *e = add(d, MILL_SEVERITY_ERROR, mark, fmt, ap);
	va_end(ap);
	return e;
}

struct mill_diag *mill_diag_warning(struct mill_diags *d, struct mill_mark mark, const char *fmt,
				    ...)
{
	va_list ap;
	va_start(ap, fmt);
	struct mill_diag *e = add(d, MILL_SEVERITY_WARNING, mark, fmt, ap);
	va_end(ap);
	return e;
}

void mill_diag_hint(struct mill_diag *entry, const char *fmt, ...)
{
	if (!entry)
		return;
	va_list ap;
	va_start(ap, fmt);
	_cleanup_free_ char *raw = mill_xvasprintf(fmt, ap);
	va_end(ap);
	char *hint = clean(raw, true);
	if (entry->hint && strstr(entry->hint, hint)) {
		free(hint); /* a duplicate entry gets its hint again */
		return;
	}
	if (entry->hint) {
		char *both = mill_xasprintf("%s\n%s", entry->hint, hint);
		free(entry->hint);
		free(hint);
		hint = both;
	}
	entry->hint = hint;
}

bool mill_diag_suggest(struct mill_diag *entry, const char *word, const char *const *names,
		       size_t n)
{
	const char *near = mill_suggest(word, names, n);
	if (near)
		mill_diag_hint(entry, "did you mean '%s'?", near);
	return near != NULL;
}

int mill_diags_fail(const struct mill_diags *d, struct mill_error *err)
{
	if (!d->n_errors)
		return 0;
	const char *path = NULL;
	bool several = false;
	for (size_t i = 0; i < d->n; i++) {
		const struct mill_diag *e = d->entries[i];
		if (e->severity != MILL_SEVERITY_ERROR || !e->mark.source)
			continue;
		several |= path && !mill_streq(path, e->mark.source->path);
		path = e->mark.source->path;
	}
	const char *plural = d->n_errors == 1 ? "" : "s";
	if (!path)
		return mill_fail_usage(err, "%zu error%s", d->n_errors, plural);
	if (several)
		return mill_fail_usage(err, "%zu error%s in several files", d->n_errors, plural);
	return mill_fail_usage(err, "%zu error%s in %s", d->n_errors, plural, path);
}

void mill_diags_release(struct mill_diags *d)
{
	for (size_t i = 0; i < d->n; i++) {
		free(d->entries[i]->message);
		free(d->entries[i]->hint);
		free(d->entries[i]);
	}
	for (size_t i = 0; i < d->n_sources; i++)
		mill_source_unref(d->sources[i]);
	free(d->entries);
	free(d->sources);
	*d = (struct mill_diags)MILL_DIAGS_INIT;
}
