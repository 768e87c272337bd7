/*
 * A fuzz target is tests/fuzz/fuzz_NAME.c with this one function, a folder
 * tests/fuzz/corpus/NAME with a few small real inputs, and a line in
 * tests/fuzz/meson.build.  It
 *
 *  - takes any bytes, returns 0, keeps nothing and opens no socket;
 *  - asserts what must hold of the result with FUZZ_CHECK.
 *
 * Every build replays the corpora with ordinary programs (replay.c), mutated a
 * little; tests/fuzz/run.sh runs libFuzzer (clang) on them.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include "base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(condition)                                                                      \
	do {                                                                                       \
		if (!(condition))                                                                  \
			BUG("does not hold: %s", #condition);                                      \
	} while (0)

/* The input as a string (owned): NULs inside become blanks. */
static inline char *fuzz_string(const uint8_t *data, size_t size)
{
	char *s = mill_xmalloc(size + 1);
	for (size_t i = 0; i < size; i++)
		s[i] = data[i] ? (char)data[i] : ' ';
	s[size] = '\0';
	return s;
}

#endif
