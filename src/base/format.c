/* Sizes and durations for people, and "did you mean". */
#include "base/parse.h"
#include "base/clock.h"

const char *mill_format_size(uint64_t bytes, char *buf, size_t len)
{
	static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	size_t unit = 0;
	double v = (double)bytes;
	/* 1023.5 and more would round to "1024 KiB". */
	while (v >= 1023.5 && unit + 1 < MILL_ARRAY_LEN(names)) {
		v /= 1024;
		unit++;
	}
	/* One decimal below ten, and none when it says nothing. */
	if (unit && v < 9.95 && (unsigned)(v * 10 + 0.5) % 10 != 0)
		snprintf(buf, len, "%.1f %s", v, names[unit]);
	else
		snprintf(buf, len, "%.0f %s", v, names[unit]);
	return buf;
}

const char *mill_format_duration(uint64_t ns, char *buf, size_t len)
{
	uint64_t s = ns / MILL_SEC + (ns % MILL_SEC >= MILL_SEC / 2);
	if (ns == 0) {
		snprintf(buf, len, "0s");
	} else if (ns < 1000) {
		snprintf(buf, len, "%uns", (unsigned)ns);
	} else if (ns < MILL_MS) {
		snprintf(buf, len, "%uus", (unsigned)(ns / 1000));
	} else if (ns < MILL_SEC - MILL_MS / 2) {
		snprintf(buf, len, "%ums", (unsigned)((ns + MILL_MS / 2) / MILL_MS));
	} else if (ns < 10 * MILL_SEC - 50 * MILL_MS) {
		uint64_t tenths = (ns + 50 * MILL_MS) / (100 * MILL_MS);
		if (tenths % 10)
			snprintf(buf, len, "%u.%us", (unsigned)(tenths / 10), (unsigned)(tenths % 10));
		else
			snprintf(buf, len, "%us", (unsigned)(tenths / 10));
	} else if (s < 60) {
		snprintf(buf, len, "%us", (unsigned)s);
	} else if (s < 3600) {
		snprintf(buf, len, s % 60 ? "%um%us" : "%um", (unsigned)(s / 60), (unsigned)(s % 60));
	} else {
		uint64_t m = (s + 30) / 60;
		if (m < 48 * 60)
			snprintf(buf, len, m % 60 ? "%uh%um" : "%uh", (unsigned)(m / 60),
				 (unsigned)(m % 60));
		else
			snprintf(buf, len, m / 60 % 24 ? "%ud%uh" : "%ud", (unsigned)(m / 1440),
				 (unsigned)(m / 60 % 24));
	}
	return buf;
}

#define SUGGEST_MAX 64

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;
	return m < c ? m : c;
}

/*
 * Damerau-Levenshtein distance, the variant in which no piece is edited twice
 * (optimal string alignment); three rows of the table are enough.
 */
static size_t distance(const char *a, size_t n, const char *b, size_t m)
{
	size_t rows[3][SUGGEST_MAX + 1];
	size_t *before = rows[0], *last = rows[1], *now = rows[2];
	for (size_t j = 0; j <= m; j++)
		last[j] = j;
	for (size_t i = 1; i <= n; i++) {
		now[0] = i;
		for (size_t j = 1; j <= m; j++) {
			size_t cost = a[i - 1] != b[j - 1];
			now[j] = min3(last[j] + 1, now[j - 1] + 1, last[j - 1] + cost);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				now[j] = min3(now[j], before[j - 2] + 1, SIZE_MAX);
		}
		size_t *t = before;
		before = last;
		last = now;
		now = t;
	}
	return last[m];
}

const char *mill_suggest(const char *word, const char *const *names, size_t n)
{
	size_t len = strlen(word);
	size_t limit = len / 3 > 1 ? len / 3 : 1;
	const char *best = NULL;
	size_t best_distance = limit + 1;
	if (len > SUGGEST_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t m = strlen(names[i]);
		if (m > SUGGEST_MAX || m > len + limit || len > m + limit)
			continue;
		size_t d = distance(word, len, names[i], m);
		/* Replacing all of a one-letter word is no likeness. */
		if (d < best_distance && d < (len > m ? len : m)) {
			best = names[i];
			best_distance = d;
		}
	}
	return best;
}
