/* Clocks.  Inside the program time is monotonic nanoseconds. */
#ifndef MILL_BASE_CLOCK_H
#define MILL_BASE_CLOCK_H

#include "base/base.h"

#define MILL_MS UINT64_C(1000000)
#define MILL_SEC UINT64_C(1000000000)

uint64_t mill_now_ns(void);      /* CLOCK_MONOTONIC */
uint64_t mill_wall_ms(void);     /* CLOCK_REALTIME, milliseconds since the epoch */
/* RFC 3339 UTC with milliseconds, "2026-11-24T04:05:06.789Z" (24 characters + NUL). */
#define MILL_RFC3339_LEN 25
const char *mill_format_rfc3339(uint64_t wall_ms, char buf[MILL_RFC3339_LEN]);
int mill_parse_rfc3339(const char *s, uint64_t *ret_wall_ms);
void mill_sleep_ms(unsigned ms);

#endif
