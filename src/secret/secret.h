/*
 * Secrets of a platform: generated once from the kernel's random bytes, one
 * file each (0600 under 0700), never in an argv, a log or a URL.  A version
 * number stands for the value in fingerprints.
 */
#ifndef MILL_SECRET_SECRET_H
#define MILL_SECRET_SECRET_H

#include "platform/platform.h"

#define MILL_SECRET_CERTIFICATE "certificate" /* in place of an alphabet: secret/certificate.h; the length is its own */

/* Makes it if absent (length characters of `alphabet`: alnum, hex, base64url; or a certificate); *ret_version is 1 for a new one. */
int mill_secret_ensure(struct mill_platform *p, const char *component, const char *name, unsigned length,
		       const char *alphabet, unsigned *ret_version, struct mill_error *err);
/* A value that is kept nowhere; owned, mill_secret_free() wipes it. */
int mill_secret_generate(unsigned length, const char *alphabet, char **ret, struct mill_error *err);
/* Version without making it; 0 when absent. */
unsigned mill_secret_version(const struct mill_platform *p, const char *component, const char *name);
/* The version that mill_secret_ensure() would give: a deleted value comes back as a new one. */
unsigned mill_secret_version_wanted(const struct mill_platform *p, const char *component, const char *name);
/* The value, owned; wiped by mill_secret_free(). */
int mill_secret_read(const struct mill_platform *p, const char *component, const char *name, char **ret, struct mill_error *err);
void mill_secret_free(char *value);
/* A new value, version + 1. */
int mill_secret_rotate(struct mill_platform *p, const char *component, const char *name, unsigned length,
		       const char *alphabet, struct mill_error *err);
/* The user's own value; a new version only where it differs from what is there. */
int mill_secret_set(struct mill_platform *p, const char *component, const char *name, const char *value,
		    unsigned *ret_version, struct mill_error *err);

#endif
