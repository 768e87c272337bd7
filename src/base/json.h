/*
 * JSON.  Reading: jansson, wrapped so that files have a ceiling, duplicate
 * keys are errors and messages carry file:line:column.  Writing: a streaming
 * writer over a strbuf; it places commas and indentation itself.
 *
 *	struct mill_json_writer w;
 *	mill_json_writer_init(&w, &buf, true);
 *	mill_json_begin_object(&w);
 *	mill_json_key(&w, "name");  mill_json_string(&w, name);
 *	mill_json_end_object(&w);
 */
#ifndef MILL_BASE_JSON_H
#define MILL_BASE_JSON_H

#include <jansson.h>

#include "base/strbuf.h"

#define MILL_JSON_DEPTH_MAX 64
struct mill_json_writer {
	struct mill_strbuf *out;
	bool pretty;
	unsigned depth;
	bool first[MILL_JSON_DEPTH_MAX];
	bool after_key;
};
void mill_json_writer_init(struct mill_json_writer *w, struct mill_strbuf *out, bool pretty);
void mill_json_begin_object(struct mill_json_writer *w);
void mill_json_end_object(struct mill_json_writer *w);
void mill_json_begin_array(struct mill_json_writer *w);
void mill_json_end_array(struct mill_json_writer *w);
void mill_json_key(struct mill_json_writer *w, const char *key);
void mill_json_string(struct mill_json_writer *w, const char *s); /* NULL: null */
void mill_json_int(struct mill_json_writer *w, int64_t v);
void mill_json_uint(struct mill_json_writer *w, uint64_t v);
void mill_json_double(struct mill_json_writer *w, double v);
void mill_json_bool(struct mill_json_writer *w, bool v);
void mill_json_null(struct mill_json_writer *w);
void mill_json_value(struct mill_json_writer *w, const json_t *v); /* a jansson tree */
/* A tree as state files hold it: indented, a newline at the end. */
void mill_json_file_text(const json_t *v, struct mill_strbuf *out);
/* key and value at once */
void mill_json_kv_string(struct mill_json_writer *w, const char *key, const char *s);
void mill_json_kv_int(struct mill_json_writer *w, const char *key, int64_t v);
void mill_json_kv_bool(struct mill_json_writer *w, const char *key, bool v);

/* Appends s as the inside of a JSON string, escaped, without the quotes.
 * Invalid UTF-8 becomes U+FFFD. */
void mill_json_escape(struct mill_strbuf *out, const char *s, size_t n);

#define MILL_JSON_FILE_MAX ((size_t)16 << 20)
/* A new reference in *ret_json.  -ENOENT when the file is absent. */
int mill_json_load(const char *path, size_t max, json_t **ret_json, struct mill_error *err);
/* `name` stands for the file in messages. */
int mill_json_parse(const char *name, const char *text, size_t len, json_t **ret_json,
		    struct mill_error *err);
/* Borrowed values; the fallback when the key is absent or of another type. */
const char *mill_json_get_string(const json_t *o, const char *key, const char *fallback);
int64_t mill_json_get_int(const json_t *o, const char *key, int64_t fallback);
bool mill_json_get_bool(const json_t *o, const char *key, bool fallback);

static inline void mill_cleanup_json(json_t **j)
{
	if (*j)
		json_decref(*j);
}
#define _cleanup_json_ __attribute__((cleanup(mill_cleanup_json)))

#endif
