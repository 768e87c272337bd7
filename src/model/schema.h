/*
 * The shape of every file that a person writes (flavour, manifest, component
 * configuration, target file), as static tables.  The same tables check a
 * file, all problems in one pass, and print the JSON Schema that editors use,
 * so the two cannot disagree.
 *
 * What a table cannot say (a name that must exist elsewhere, a secret in a
 * command) is checked by whoever reads the node; readers therefore only see
 * nodes of the right type once mill_schema_check() returned 0, and fall back
 * to defaults otherwise.
 *
 *	size_t problems = mill_schema_check(&mill_schema_manifest, root, "the manifest", diags);
 */
#ifndef MILL_MODEL_SCHEMA_H
#define MILL_MODEL_SCHEMA_H

#include "base/strbuf.h"
#include "yaml/diag.h"
#include "yaml/node.h"

enum mill_schema_type {
	MILL_T_TEXT,     /* any scalar but null, taken as its text */
	MILL_T_TEMPLATE, /* as TEXT, with ${group.name} in it */
	MILL_T_INT,
	MILL_T_NUMBER,
	MILL_T_BOOL,
	MILL_T_SIZE,     /* 300Mi */
	MILL_T_DURATION, /* 1m30s */
	MILL_T_FRACTION, /* 50% */
	MILL_T_MEMORY,   /* a size or a fraction */
	MILL_T_PATH,     /* relative, stays inside its folder */
	MILL_T_ENUM,
	MILL_T_LIST,
	MILL_T_MAP,      /* free keys, one type of value */
	MILL_T_OBJECT,   /* fixed keys */
	MILL_T_UNION,    /* by the kind of the node: scalar, list or map */
	MILL_T_ANY,
};

enum mill_schema_flag {
	MILL_S_REQUIRED = 1 << 0, /* of a key: must be there */
	MILL_S_RETIRED = 1 << 1,  /* of a key: loads with a warning; help says why */
	MILL_S_ONE_KEY = 1 << 2,  /* of an object or map: exactly one entry */
	MILL_S_OPEN = 1 << 3,     /* of an object: unknown keys are somebody else's to check */
};

struct mill_schema;
struct mill_schema_key {
	const char *name;
	const struct mill_schema *schema;
	unsigned flags;
	const char *help;
};

struct mill_schema {
	enum mill_schema_type type;
	unsigned flags;
	const char *what;    /* for messages: "a component's name"; NULL: from the type */
	const char *pattern; /* for the JSON Schema; `match` is what checks (no regcomp on the hot path) */
	bool (*match)(const char *text);
	const char *const *values; /* ENUM: NULL-terminated */
	int64_t min, max;          /* INT: range when max > 0 or min < max; LIST, MAP: entries, 0 = no limit */
	const struct mill_schema_key *keys; /* OBJECT: ends with a NULL name */
	const struct mill_schema *item;     /* LIST, MAP; OPEN objects: of the other keys, may be NULL */
	const struct mill_schema *key;      /* MAP: what its keys must match; NULL: anything */
	const struct mill_schema *scalar, *list, *map; /* UNION: each may be NULL */
};

extern const struct mill_schema mill_schema_manifest, mill_schema_flavour, mill_schema_target,
	mill_schema_config, mill_schema_block;

/* Reports every deviation; returns how many errors that were.  `what` names the node: "the manifest". */
size_t mill_schema_check(const struct mill_schema *s, const struct mill_node *node,
			 const char *what, struct mill_diags *diags);
/* The key's table entry in an object, NULL when there is none. */
const struct mill_schema_key *mill_schema_find(const struct mill_schema *s, const char *key);
/* "did you mean" over an object's keys; NULL when nothing is near. */
const char *mill_schema_suggest(const struct mill_schema *s, const char *key);
/* One JSON Schema document (draft 2020-12). */
void mill_schema_write_json(const struct mill_schema *s, const char *title,
			    struct mill_strbuf *out);

/* ---- matchers shared by tables and readers ---- */
bool mill_match_name(const char *s);       /* [a-z][a-z0-9-]{0,40} */
bool mill_match_identifier(const char *s); /* [a-z][a-z0-9_]{0,40}: settings, secrets, keys */
bool mill_match_capability(const char *s); /* [a-z][a-z0-9_-]{0,40} */
bool mill_match_env_name(const char *s);   /* [A-Za-z_][A-Za-z0-9_]* */
bool mill_match_namespace(const char *s);  /* RFC 1123 label */
bool mill_match_sha256(const char *s);
bool mill_match_toolchain(const char *s); /* java or java>=17 */

#endif
