#include <math.h>

#include "base/parse.h"
#include "yaml/scalar.h"

static bool one_of(const char *s, const char *const *words)
{
	for (; *words; words++)
		if (strcmp(s, *words) == 0)
			return true;
	return false;
}

/* Digits of base 8 or 16 to the end; false when there is another character. */
static bool in_base(const char *s, unsigned base, double *ret_number, int64_t *ret_integer,
		    bool *ret_fits)
{
	double number = 0;
	uint64_t v = 0;
	bool fits = *s != '\0';
	if (!*s)
		return false;
	for (; *s; s++) {
		unsigned digit = *s >= '0' && *s <= '9'	  ? (unsigned)(*s - '0')
				 : *s >= 'a' && *s <= 'f' ? (unsigned)(*s - 'a') + 10
				 : *s >= 'A' && *s <= 'F' ? (unsigned)(*s - 'A') + 10
							  : 99;
		if (digit >= base)
			return false;
		number = number * base + digit;
		if (__builtin_mul_overflow(v, base, &v) || __builtin_add_overflow(v, digit, &v))
			fits = false;
	}
	*ret_number = number;
	*ret_integer = (int64_t)v;
	*ret_fits = fits && v <= INT64_MAX;
	return true;
}

static void set_float(struct mill_node *node, double v)
{
	node->type = MILL_NODE_FLOAT;
	node->number = v;
}

static void set_int(struct mill_node *node, int64_t v)
{
	node->type = MILL_NODE_INT;
	node->integer = v;
}

/* 0o17, 0xff */
static bool resolve_based(struct mill_node *node)
{
	const char *s = node->text;
	double number;
	int64_t integer;
	bool fits;
	if (s[0] != '0' || (s[1] != 'o' && s[1] != 'x'))
		return false;
	if (!in_base(s + 2, s[1] == 'o' ? 8 : 16, &number, &integer, &fits))
		return false;
	if (fits)
		set_int(node, integer);
	else
		set_float(node, number);
	return true;
}

static bool resolve_decimal(struct mill_node *node)
{
	int64_t integer;
	double number;
	int r = mill_parse_i64(node->text, &integer);
	if (r == 0) {
		set_int(node, integer);
		return true;
	}
	r = mill_parse_double(node->text, &number);
	if (r == -ERANGE)
		number = node->text[0] == '-' ? -INFINITY : INFINITY;
	else if (r < 0)
		return false;
	set_float(node, number);
	return true;
}

void mill_scalar_resolve(struct mill_node *node)
{
	static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
	static const char *const trues[] = {"true", "True", "TRUE", NULL};
	static const char *const falses[] = {"false", "False", "FALSE", NULL};
	static const char *const infinities[] = {".inf", ".Inf", ".INF", NULL};
	static const char *const nans[] = {".nan", ".NaN", ".NAN", NULL};
	const char *s = node->text;
	const char *unsigned_part = s + (*s == '-' || *s == '+');

	node->type = MILL_NODE_STRING;
	/* Most texts show by their first character that they are no more than that. */
	if (*s && !strchr("~nNtTfF.+-0123456789", *s))
		return;
	if (one_of(s, nulls)) {
		node->type = MILL_NODE_NULL;
	} else if (one_of(s, trues) || one_of(s, falses)) {
		node->type = MILL_NODE_BOOL;
		node->boolean = one_of(s, trues);
	} else if (one_of(s, nans)) {
		set_float(node, NAN);
	} else if (one_of(unsigned_part, infinities)) {
		set_float(node, *s == '-' ? -INFINITY : INFINITY);
	} else if ((*unsigned_part >= '0' && *unsigned_part <= '9') || *unsigned_part == '.') {
		if (!resolve_based(node))
			resolve_decimal(node);
	}
}
