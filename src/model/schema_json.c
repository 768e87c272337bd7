/* The tables as JSON Schema, draft 2020-12, for editors. */
#include "base/json.h"
#include "model/model.h"
#include "model/schema.h"

/* Unquoted scalars reach an editor's validator as numbers and booleans, and our texts accept them. */
static void scalar_type(struct mill_json_writer *w)
{
	mill_json_key(w, "type");
	mill_json_begin_array(w);
	mill_json_string(w, "string");
	mill_json_string(w, "number");
	mill_json_string(w, "boolean");
	mill_json_end_array(w);
}

static void write_schema(struct mill_json_writer *w, const struct mill_schema *s, const char *help,
			 bool retired);

static void write_number(struct mill_json_writer *w, const struct mill_schema *s, const char *type)
{
	mill_json_kv_string(w, "type", type);
	if (s->min < s->max || s->min) {
		mill_json_kv_int(w, "minimum", s->min);
		mill_json_kv_int(w, "maximum", s->max);
	}
}

static void write_object(struct mill_json_writer *w, const struct mill_schema *s)
{
	mill_json_kv_string(w, "type", "object");
	mill_json_key(w, "properties");
	mill_json_begin_object(w);
	size_t required = 0;
	for (const struct mill_schema_key *k = s->keys; k && k->name; k++) {
		mill_json_key(w, k->name);
		write_schema(w, k->schema, k->help, k->flags & MILL_S_RETIRED);
		required += (k->flags & MILL_S_REQUIRED) != 0;
	}
	mill_json_end_object(w);
	if (required) {
		mill_json_key(w, "required");
		mill_json_begin_array(w);
		for (const struct mill_schema_key *k = s->keys; k && k->name; k++)
			if (k->flags & MILL_S_REQUIRED)
				mill_json_string(w, k->name);
		mill_json_end_array(w);
	}
	if (s->flags & MILL_S_ONE_KEY) {
		mill_json_kv_int(w, "minProperties", 1);
		mill_json_kv_int(w, "maxProperties", 1);
	}
	mill_json_key(w, "additionalProperties");
	if (s->flags & MILL_S_OPEN && s->item)
		write_schema(w, s->item, NULL, false);
	else
		mill_json_bool(w, s->flags & MILL_S_OPEN);
}

static void write_map(struct mill_json_writer *w, const struct mill_schema *s)
{
	mill_json_kv_string(w, "type", "object");
	if (s->key && s->key->pattern) {
		mill_json_key(w, "propertyNames");
		mill_json_begin_object(w);
		mill_json_kv_string(w, "pattern", s->key->pattern);
		mill_json_end_object(w);
	}
	if (s->max)
		mill_json_kv_int(w, "maxProperties", s->max);
	if (s->flags & MILL_S_ONE_KEY) {
		mill_json_kv_int(w, "minProperties", 1);
		mill_json_kv_int(w, "maxProperties", 1);
	}
	mill_json_key(w, "additionalProperties");
	write_schema(w, s->item, NULL, false);
}

static void write_list(struct mill_json_writer *w, const struct mill_schema *s)
{
	mill_json_kv_string(w, "type", "array");
	mill_json_key(w, "items");
	write_schema(w, s->item, NULL, false);
	if (s->min)
		mill_json_kv_int(w, "minItems", s->min);
	if (s->max)
		mill_json_kv_int(w, "maxItems", s->max);
}

static void write_union(struct mill_json_writer *w, const struct mill_schema *s)
{
	const struct mill_schema *const parts[] = {s->scalar, s->list, s->map};
	mill_json_key(w, "anyOf");
	mill_json_begin_array(w);
	for (size_t i = 0; i < MILL_ARRAY_LEN(parts); i++)
		if (parts[i])
			write_schema(w, parts[i], NULL, false);
	mill_json_end_array(w);
}

static void write_enum(struct mill_json_writer *w, const struct mill_schema *s)
{
	mill_json_key(w, "enum");
	mill_json_begin_array(w);
	for (const char *const *v = s->values; *v; v++)
		mill_json_string(w, *v);
	mill_json_end_array(w);
}

static void write_type(struct mill_json_writer *w, const struct mill_schema *s)
{
	switch (s->type) {
	case MILL_T_TEXT:
	case MILL_T_TEMPLATE:
	case MILL_T_PATH:
		scalar_type(w);
		if (s->pattern)
			mill_json_kv_string(w, "pattern", s->pattern);
		break;
	case MILL_T_SIZE:
	case MILL_T_DURATION:
	case MILL_T_FRACTION:
	case MILL_T_MEMORY:
		scalar_type(w);
		break;
	case MILL_T_INT:
		write_number(w, s, "integer");
		break;
	case MILL_T_NUMBER:
		write_number(w, s, "number");
		break;
	case MILL_T_BOOL:
		mill_json_kv_string(w, "type", "boolean");
		break;
	case MILL_T_ENUM:
		write_enum(w, s);
		break;
	case MILL_T_LIST:
		write_list(w, s);
		break;
	case MILL_T_MAP:
		write_map(w, s);
		break;
	case MILL_T_OBJECT:
		write_object(w, s);
		break;
	case MILL_T_UNION:
		write_union(w, s);
		break;
	case MILL_T_ANY:
		break;
	}
}

static void write_schema(struct mill_json_writer *w, const struct mill_schema *s, const char *help,
			 bool retired)
{
	mill_json_begin_object(w);
	if (help || s->what)
		mill_json_kv_string(w, "description", help ? help : s->what);
	if (retired)
		mill_json_kv_bool(w, "deprecated", true);
	write_type(w, s);
	mill_json_end_object(w);
}

void mill_schema_write_json(const struct mill_schema *s, const char *title, struct mill_strbuf *out)
{
	struct mill_json_writer w;
	mill_json_writer_init(&w, out, true);
	mill_json_begin_object(&w);
	mill_json_kv_string(&w, "$schema", "https://json-schema.org/draft/2020-12/schema");
	mill_json_kv_string(&w, "title", title);
	write_type(&w, s);
	mill_json_end_object(&w);
	mill_strbuf_addch(out, '\n');
}

int mill_schema_json(const char *which, struct mill_strbuf *out)
{
	static const struct {
		const char *name, *title;
		const struct mill_schema *schema;
	} all[] = {
		{"flavour", "Data-Mill flavour", &mill_schema_flavour},
		{"manifest", "Data-Mill component manifest", &mill_schema_manifest},
		{"target", "Data-Mill target file", &mill_schema_target},
		{"config", "Data-Mill component configuration", &mill_schema_config},
	};
	for (size_t i = 0; i < MILL_ARRAY_LEN(all); i++) {
		if (!mill_streq(which, all[i].name))
			continue;
		mill_schema_write_json(all[i].schema, all[i].title, out);
		return 0;
	}
	return -EINVAL;
}
