/*
 * The one parser of numbers, sizes and durations (after git's parse.h).  All
 * take the whole string or fail: no leading blanks, no sign where unsigned, no
 * trailing text, overflow is an error.  0 or -EINVAL / -ERANGE.
 */
#ifndef MILL_BASE_PARSE_H
#define MILL_BASE_PARSE_H

#include "base/base.h"

int mill_parse_u64(const char *s, uint64_t *ret);
int mill_parse_i64(const char *s, int64_t *ret);
int mill_parse_int(const char *s, int min, int max, int *ret);
int mill_parse_double(const char *s, double *ret); /* no inf, nan, hex */
int mill_parse_port(const char *s, uint16_t *ret); /* 1..65535 */
/*
 * Bytes.  A number, optionally with a fraction, and a Kubernetes quantity
 * suffix: Ki Mi Gi Ti (1024), k K M G T (1000), or B.  "60G", "1.5Gi", "300Mi".
 */
int mill_parse_size(const char *s, uint64_t *ret_bytes);
/* Nanoseconds.  Sums of number+unit as Go writes them: ms s m h d, us, ns: "1m30s", "250ms". "0" needs no unit. */
int mill_parse_duration(const char *s, uint64_t *ret_ns);
/* "75%" or "0.75" -> 0.75; 0..1 */
int mill_parse_fraction(const char *s, double *ret);

/* The other way, for people: "1.1 GiB", "300 MiB"; "1m30s", "2.1s", "45ms". buf is filled and returned. */
const char *mill_format_size(uint64_t bytes, char *buf, size_t len);
const char *mill_format_duration(uint64_t ns, char *buf, size_t len);

/* Nearest of `names` to `word` for a "did you mean", or NULL when nothing is near
 * (Damerau-Levenshtein distance <= max(1, len/3)). */
const char *mill_suggest(const char *word, const char *const *names, size_t n);

#endif
