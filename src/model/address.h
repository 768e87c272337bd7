/* Finds literal network addresses in a text: manifests may not write any (docs/manifest.md). */
#ifndef MILL_MODEL_ADDRESS_H
#define MILL_MODEL_ADDRESS_H

#include "base/base.h"

/*
 * The first IPv4 or IPv6 address or `localhost` in text[0..len), as offset and length; false when there
 * is none.  Dotted numbers of more or fewer than four parts (versions) are no addresses, nor is the
 * `::` of a name such as std::string.
 */
bool mill_address_find(const char *text, size_t len, size_t *ret_at, size_t *ret_len);

#endif
