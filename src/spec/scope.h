/* Inside spec/ only: where names are looked up, and what a template becomes there. */
#ifndef MILL_SPEC_SCOPE_H
#define MILL_SPEC_SCOPE_H

#include "spec/render.h"
#include "spec/taint.h"

struct mill_scope {
	struct mill_render *r;
	struct mill_rendered *c;
	const struct mill_service *service; /* NULL: the component as a whole */
	const char *folder;                 /* the service's, or the component's */
	const char *no_secrets;             /* what this is ("a command") where secrets may not be; NULL: they may */
	bool failed;                        /* something was reported */
};
struct mill_scope mill_scope_component(struct mill_render *r, struct mill_rendered *c);
struct mill_scope mill_scope_service(struct mill_render *r, struct mill_rendered *c, const struct mill_service *s);
/* Bytes that a service's data may fill; 0: it keeps none to speak of, or there is no service. */
uint64_t mill_scope_disk(const struct mill_scope *s);

enum mill_found_kind {
	MILL_FOUND_TEXT,
	MILL_FOUND_SCALAR, /* a number or bool: needs no quotes where a format has such */
	MILL_FOUND_JSON,   /* JSON text of a list */
};
/* A part's value, a new reference; NULL when the name means nothing here, which was reported. */
json_t *mill_scope_lookup(struct mill_scope *s, const struct mill_template_part *part, enum mill_found_kind *ret_kind);
/* "json" and so on; NULL for none. */
const char *mill_filter_name(enum mill_filter f);

/* A template's value; never NULL (an empty text where something was reported). */
json_t *mill_scope_render(struct mill_scope *s, const struct mill_template *t);
/* The same where only text can be: a secret is reported. `what` is "a command", ... */
json_t *mill_scope_text(struct mill_scope *s, const struct mill_template *t, const char *what);
/* The value of one of the component's own secrets. */
json_t *mill_scope_secret(const struct mill_scope *s, const char *name);
/* {key: value} of entries whose `when` holds. */
json_t *mill_scope_entries(struct mill_scope *s, const struct mill_entry *entries, size_t n);
/* A template inside a file of `format`, each value written for it (file.c). */
json_t *mill_scope_render_file(struct mill_scope *s, const struct mill_template *t, enum mill_format format);
/* A `value:` tree written in `format` (tree.c). */
json_t *mill_scope_render_tree(struct mill_scope *s, const struct mill_node *n, enum mill_format format);

/* Fills what everybody exports and what collectors get (render_collect.c); everything else must be settled. */
void mill_render_collect(struct mill_render *r);
/* Port of component.service as assigned; 0: none. */
unsigned mill_scope_port(const struct mill_render *r, const char *component, const char *service, const char *port);
char *mill_scope_id(const struct mill_component *c, const struct mill_service *s); /* "c.s", owned */

#endif
