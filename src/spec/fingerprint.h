/*
 * Fingerprints decide what restarts (decision 4 of docs/internals/decisions.md).  They are digests of
 * canonical JSON, in which a secret is its name and version, never its value.
 */
#ifndef MILL_SPEC_FINGERPRINT_H
#define MILL_SPEC_FINGERPRINT_H

#include <jansson.h>

#include "base/hash.h"

/* Of any JSON: keys sorted, compact. */
void mill_fingerprint_json(const json_t *value, char out[MILL_SHA256_HEX]);
/*
 * Of a service spec without its fingerprints: command, environment, files that
 * reload does not cover, ports, store_entries, sources, limits, user, cwd.
 */
void mill_fingerprint_spec(const json_t *spec, char out[MILL_SHA256_HEX]);
/* Of the files that reload covers; "" when there are none. */
void mill_fingerprint_reload(const json_t *spec, char out[MILL_SHA256_HEX]);

#endif
