/* Types that more than one table uses, and what their texts look like. */
#include "model/schema_parts.h"

#include "base/io.h"

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* A lower-case letter, then up to 40 lower-case letters, digits or bytes of `more`. */
static bool match_word(const char *s, const char *more)
{
	if (!is_lower(*s))
		return false;
	size_t n = strlen(s);
	if (n > 41)
		return false;
	for (size_t i = 1; i < n; i++)
		if (!is_lower(s[i]) && !is_digit(s[i]) && !strchr(more, s[i]))
			return false;
	return true;
}

bool mill_match_name(const char *s)
{
	return match_word(s, "-");
}

bool mill_match_identifier(const char *s)
{
	return match_word(s, "_");
}

bool mill_match_capability(const char *s)
{
	return match_word(s, "_-");
}

bool mill_match_env_name(const char *s)
{
	if (!*s || is_digit(*s) || strlen(s) > 128)
		return false;
	for (; *s; s++)
		if (!is_lower(*s) && !is_digit(*s) && !(*s >= 'A' && *s <= 'Z') && *s != '_')
			return false;
	return true;
}

bool mill_match_namespace(const char *s)
{
	size_t n = strlen(s);
	if (n < 1 || n > 63 || s[0] == '-' || s[n - 1] == '-')
		return false;
	for (; *s; s++)
		if (!is_lower(*s) && !is_digit(*s) && *s != '-')
			return false;
	return true;
}

bool mill_match_sha256(const char *s)
{
	size_t n = 0;
	for (; s[n]; n++)
		if (!is_digit(s[n]) && !(s[n] >= 'a' && s[n] <= 'f'))
			return false;
	return n == 64;
}

bool mill_match_toolchain(const char *s)
{
	static const char *const names[] = {"go", "python", "node", "java", "uv", "maven"};
	for (size_t i = 0; i < MILL_ARRAY_LEN(names); i++) {
		size_t n = strlen(names[i]);
		if (strncmp(s, names[i], n) != 0)
			continue;
		const char *rest = s + n;
		if (!*rest)
			return true;
		if (mill_starts_with(rest, ">=") && is_digit(rest[2]) &&
		    rest[2 + strspn(rest + 2, "0123456789.")] == '\0')
			return true;
	}
	return false;
}

static bool match_file_name(const char *s)
{
	return *s && *s != '.' && *s != '-' && !strchr(s, '/') && strlen(s) <= 255;
}

const struct mill_schema mill_s_text = {.type = MILL_T_TEXT};
const struct mill_schema mill_s_template = {.type = MILL_T_TEMPLATE};
const struct mill_schema mill_s_bool = {.type = MILL_T_BOOL};
const struct mill_schema mill_s_size = {.type = MILL_T_SIZE};
const struct mill_schema mill_s_duration = {.type = MILL_T_DURATION};
const struct mill_schema mill_s_fraction = {.type = MILL_T_FRACTION};
const struct mill_schema mill_s_path = {
	.type = MILL_T_PATH, .what = "a relative path that stays inside its folder"};
const struct mill_schema mill_s_file_name = {.type = MILL_T_TEXT,
					     .what = "a file's name",
					     .pattern = "^[^./-][^/]*$",
					     .match = match_file_name};
const struct mill_schema mill_s_name = {
	.type = MILL_T_TEXT,
	.what = "a name (lower-case letters, digits, dashes; at most 41 characters)",
	.pattern = "^[a-z][a-z0-9-]{0,40}$",
	.match = mill_match_name};
const struct mill_schema mill_s_identifier = {
	.type = MILL_T_TEXT,
	.what = "a key (lower-case letters, digits, underscores; at most 41 characters)",
	.pattern = "^[a-z][a-z0-9_]{0,40}$",
	.match = mill_match_identifier};
const struct mill_schema mill_s_port = {
	.type = MILL_T_INT, .what = "a port number", .min = 1, .max = 65535};
