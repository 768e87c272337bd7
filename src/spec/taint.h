/*
 * Building values (docs/internals/state.md): text in which secrets are named,
 * not contained.  A finished value is a JSON string when no secret is in it,
 * else an array of parts: that is what "tainted" means.
 *
 *	struct mill_value v = MILL_VALUE_INIT;
 *	mill_value_text(&v, "postgres://", 11);
 *	mill_value_add(&v, other, "url", err);
 *	json_t *value = mill_value_finish(&v);
 */
#ifndef MILL_SPEC_TAINT_H
#define MILL_SPEC_TAINT_H

#include <jansson.h>

#include "base/strbuf.h"

struct mill_value {
	struct mill_strbuf text; /* since the last secret */
	json_t *parts;           /* NULL: no secret so far */
};
#define MILL_VALUE_INIT {.text = MILL_STRBUF_INIT}

void mill_value_text(struct mill_value *v, const char *s, size_t n);
void mill_value_str(struct mill_value *v, const char *s);
/* secret is "component/name"; filter may be NULL. */
void mill_value_secret(struct mill_value *v, const char *secret, unsigned version, const char *filter);
/*
 * Appends a finished value through a filter (NULL: as it is).  A filter that
 * works on whole texts cannot always be applied to a value with secrets:
 * -EINVAL says why.
 */
int mill_value_add(struct mill_value *v, const json_t *value, const char *filter, struct mill_error *err);
/* Appends a tree as JSON text, one item a line; its values' secrets stay secrets, escaped where they are read. */
void mill_value_json(struct mill_value *v, const json_t *tree, unsigned depth);
json_t *mill_value_finish(struct mill_value *v); /* new reference; v is empty again */
void mill_value_release(struct mill_value *v);
#define _cleanup_value_ __attribute__((cleanup(mill_value_release)))

static inline bool mill_value_is_tainted(const json_t *value)
{
	return json_is_array(value);
}
/* The name of the first secret in it ("minio/password"), NULL when there is none. */
const char *mill_value_first_secret(const json_t *value);
json_t *mill_value_secret_alone(const char *secret, unsigned version); /* a value that is one secret */
/* For people: secrets as "<secret minio/password>". */
void mill_value_describe(const json_t *value, struct mill_strbuf *out);

#endif
