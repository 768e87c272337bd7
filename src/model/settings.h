/* Typed settings: their declaration in a manifest, and values that files give them. */
#ifndef MILL_MODEL_SETTINGS_H
#define MILL_MODEL_SETTINGS_H

#include "model/read.h"

/*
 * The canonical text of a value, checked against type, range, pattern and
 * choices; NULL with an error at the node.  int and number: decimal; bool:
 * true or false; size: bytes; duration: as written; list: a JSON array.
 */
const char *mill_setting_canonical(struct mill_reader *r, const struct mill_setting *s,
				   const struct mill_node *value);

/* Puts a value of a flavour's block or configuration file into force; its origin is its mark. */
void mill_setting_assign(struct mill_reader *r, struct mill_setting *s,
			 const struct mill_node *value, const char *folder);

#endif
