#include <locale.h>
#include <math.h>

#include "base/parse.h"
#include "base/clock.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Digits at *s (at least one); advances. */
static int scan_u64(const char **s, uint64_t *ret)
{
	uint64_t v = 0;
	if (!is_digit(**s))
		return -EINVAL;
	bool overflow = false;
	for (; is_digit(**s); (*s)++) {
		overflow |= __builtin_mul_overflow(v, 10, &v);
		overflow |= __builtin_add_overflow(v, (unsigned)(**s - '0'), &v);
	}
	if (overflow)
		return -ERANGE;
	*ret = v;
	return 0;
}

int mill_parse_u64(const char *s, uint64_t *ret)
{
	uint64_t v = 0;
	int r = scan_u64(&s, &v);
	if (*s)
		return -EINVAL; /* also behind an overflow: it is not a number at all */
	if (r < 0)
		return r;
	*ret = v;
	return 0;
}

int mill_parse_i64(const char *s, int64_t *ret)
{
	bool negative = *s == '-';
	if (*s == '-' || *s == '+')
		s++;
	uint64_t v;
	int r = mill_parse_u64(s, &v);
	if (r < 0)
		return r;
	if (v > (uint64_t)INT64_MAX + (negative ? 1 : 0))
		return -ERANGE;
	*ret = negative ? (int64_t)(0 - v) : (int64_t)v;
	return 0;
}

int mill_parse_int(const char *s, int min, int max, int *ret)
{
	int64_t v;
	int r = mill_parse_i64(s, &v);
	if (r < 0)
		return r;
	if (v < min || v > max)
		return -ERANGE;
	*ret = (int)v;
	return 0;
}

/* [-+]?(d+(.d*)?|.d+)([eE][-+]?d+)? and nothing else: strtod alone takes hex, inf and nan. */
static bool looks_decimal(const char *s)
{
	bool mantissa = false;
	if (*s == '-' || *s == '+')
		s++;
	for (; is_digit(*s); s++)
		mantissa = true;
	if (*s == '.')
		for (s++; is_digit(*s); s++)
			mantissa = true;
	if (!mantissa)
		return false;
	if (*s == 'e' || *s == 'E') {
		s++;
		if (*s == '-' || *s == '+')
			s++;
		if (!is_digit(*s))
			return false;
		while (is_digit(*s))
			s++;
	}
	return !*s;
}

int mill_parse_double(const char *s, double *ret)
{
	if (!looks_decimal(s))
		return -EINVAL;
	/* A locale with a decimal comma must not change what a file means. */
	static locale_t c_locale;
	locale_t have = __atomic_load_n(&c_locale, __ATOMIC_ACQUIRE);
	if (!have) {
		locale_t none = NULL;
		have = newlocale(LC_ALL_MASK, "C", NULL);
		if (!__atomic_compare_exchange_n(&c_locale, &none, have, false, __ATOMIC_ACQ_REL,
						 __ATOMIC_ACQUIRE)) {
			freelocale(have);
			have = none;
		}
	}
	double v = have ? strtod_l(s, NULL, have) : strtod(s, NULL);
	if (!isfinite(v))
		return -ERANGE;
	*ret = v;
	return 0;
}

int mill_parse_port(const char *s, uint16_t *ret)
{
	uint64_t v;
	int r = mill_parse_u64(s, &v);
	if (r < 0)
		return r;
	if (v < 1 || v > 65535)
		return -ERANGE;
	*ret = (uint16_t)v;
	return 0;
}

/*
 * d+(.d*)? at *s times `unit`, exact (no floating point), rounded down.  The
 * fraction is taken digit by digit, so that no precision is lost.
 */
static int scan_scaled(const char **s, const char *number_end, uint64_t unit, uint64_t *ret)
{
	uint64_t whole = 0, part = 0, total;
	int r = scan_u64(s, &whole);
	if (r < 0)
		return r;
	if (**s == '.' && *s < number_end) {
		(*s)++;
		if (!is_digit(**s))
			return -EINVAL;
		/* 128 bits hold 18 digits times the largest unit (2^40, or 3.6e12). */
		unsigned __int128 numerator = 0, denominator = 1;
		for (int i = 0; is_digit(**s); i++, (*s)++) {
			if (i >= 18)
				continue; /* below the last unit anyway */
			numerator = numerator * 10 + (unsigned)(**s - '0');
			denominator *= 10;
		}
		part = (uint64_t)(numerator * unit / denominator);
	}
	if (__builtin_mul_overflow(whole, unit, &total) || __builtin_add_overflow(total, part, &total))
		return -ERANGE;
	*ret = total;
	return 0;
}

/* Where the number at s ends. */
static const char *number_end(const char *s)
{
	while (is_digit(*s) || *s == '.')
		s++;
	return s;
}

int mill_parse_size(const char *s, uint64_t *ret_bytes)
{
	static const struct {
		const char *suffix;
		uint64_t unit;
	} units[] = {
		{"", 1}, {"B", 1}, {"k", 1000}, {"K", 1000}, {"M", 1000000}, {"G", 1000000000},
		{"T", UINT64_C(1000000000000)}, {"Ki", UINT64_C(1) << 10}, {"Mi", UINT64_C(1) << 20},
		{"Gi", UINT64_C(1) << 30}, {"Ti", UINT64_C(1) << 40},
	};
	const char *suffix = number_end(s);
	for (size_t i = 0; i < MILL_ARRAY_LEN(units); i++) {
		if (strcmp(suffix, units[i].suffix) != 0)
			continue;
		uint64_t v;
		int r = scan_scaled(&s, suffix, units[i].unit, &v);
		if (r < 0)
			return r;
		if (s != suffix)
			return -EINVAL; /* a second point */
		*ret_bytes = v;
		return 0;
	}
	return -EINVAL;
}

int mill_parse_duration(const char *s, uint64_t *ret_ns)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = {
		/* longer names first: "ms" is not "m" followed by "s" */
		{"ns", 1}, {"us", 1000}, {"ms", MILL_MS}, {"s", MILL_SEC}, {"m", 60 * MILL_SEC},
		{"h", 3600 * MILL_SEC}, {"d", 86400 * MILL_SEC},
	};
	uint64_t total = 0;
	if (strcmp(s, "0") == 0) {
		*ret_ns = 0;
		return 0;
	}
	if (!*s)
		return -EINVAL;
	while (*s) {
		const char *end = number_end(s);
		size_t i = 0;
		while (i < MILL_ARRAY_LEN(units) && !mill_starts_with(end, units[i].name))
			i++;
		if (i == MILL_ARRAY_LEN(units))
			return -EINVAL;
		uint64_t v;
		int r = scan_scaled(&s, end, units[i].ns, &v);
		if (r < 0)
			return r;
		if (s != end)
			return -EINVAL;
		if (__builtin_add_overflow(total, v, &total))
			return -ERANGE;
		s = end + strlen(units[i].name);
	}
	*ret_ns = total;
	return 0;
}

int mill_parse_fraction(const char *s, double *ret)
{
	char number[32];
	size_t n = strlen(s);
	bool percent = n && s[n - 1] == '%';
	if (percent)
		n--;
	if (n >= sizeof(number))
		return -EINVAL;
	memcpy(number, s, n);
	number[n] = '\0';
	double v;
	int r = mill_parse_double(number, &v);
	if (r < 0)
		return r;
	if (percent)
		v /= 100;
	if (!(v >= 0 && v <= 1))
		return -ERANGE;
	*ret = v;
	return 0;
}
