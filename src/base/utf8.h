/* UTF-8 (RFC 3629): decoding, validity, width on a terminal. */
#ifndef MILL_BASE_UTF8_H
#define MILL_BASE_UTF8_H

#include "base/base.h"

/* Bytes of the character at s (1..4) with its code point, or 0 when the bytes are not
 * UTF-8 (overlong, surrogate, past U+10FFFF, cut off) or n is 0. */
unsigned mill_utf8_decode(const char *s, size_t n, uint32_t *ret_codepoint);
/* Offset of the first invalid byte, or n when all is valid. */
size_t mill_utf8_check(const char *s, size_t n);
/* Columns on a terminal: 0 (combining, control), 1, or 2 (wide East Asian, emoji). */
unsigned mill_utf8_width(uint32_t codepoint);

#endif
