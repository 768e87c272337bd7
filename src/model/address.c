#include <arpa/inet.h>
#include <ctype.h>

#include "model/address.h"

/* Bytes that may stand in a word next to an address and make it something else. */
static bool is_wordy(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

static bool is_localhost(const char *text, size_t len, size_t at, size_t *ret_len)
{
	static const char word[] = "localhost";
	const size_t n = sizeof(word) - 1;
	if (len - at < n || strncasecmp(text + at, word, n) != 0)
		return false;
	if (at > 0 && (is_wordy(text[at - 1]) || text[at - 1] == '-' || text[at - 1] == '.'))
		return false;
	if (at + n < len && (is_wordy(text[at + n]) || text[at + n] == '-'))
		return false;
	*ret_len = n;
	return true;
}

static bool is_ipv4(const char *text, size_t len, size_t at, size_t *ret_len)
{
	if (!isdigit((unsigned char)text[at]))
		return false;
	if (at > 0 && (is_wordy(text[at - 1]) || text[at - 1] == '.' || text[at - 1] == '-'))
		return false;
	size_t n = 0;
	while (at + n < len && (isdigit((unsigned char)text[at + n]) || text[at + n] == '.'))
		n++;
	if (n > 0 && text[at + n - 1] == '.')
		n--; /* the full stop of a sentence */
	if (n < 7 || n > 15 || (at + n < len && (is_wordy(text[at + n]) || text[at + n] == '-')))
		return false;
	char buf[16] = "";
	memcpy(buf, text + at, n);
	struct in_addr ignored;
	if (inet_pton(AF_INET, buf, &ignored) != 1)
		return false;
	*ret_len = n;
	return true;
}

static bool is_ipv6(const char *text, size_t len, size_t at, size_t *ret_len)
{
	const char first = text[at];
	if (first != ':' && !isxdigit((unsigned char)first))
		return false;
	if (at > 0 && (is_wordy(text[at - 1]) || text[at - 1] == ':'))
		return false;
	size_t n = 0, colons = 0;
	while (at + n < len && (isxdigit((unsigned char)text[at + n]) || text[at + n] == ':' ||
				(text[at + n] == '.' && colons > 1)))
		colons += text[at + n++] == ':';
	if (colons < 2 || n > 45 || (at + n < len && is_wordy(text[at + n])))
		return false;
	/* "::" alone is punctuation in many languages, an address only where one is written */
	bool bracketed = at > 0 && text[at - 1] == '[' && at + n < len && text[at + n] == ']';
	if (n == 2 && !bracketed && n != len)
		return false;
	char buf[46] = "";
	memcpy(buf, text + at, n);
	struct in6_addr ignored;
	if (inet_pton(AF_INET6, buf, &ignored) != 1)
		return false;
	*ret_len = n;
	return true;
}

bool mill_address_find(const char *text, size_t len, size_t *ret_at, size_t *ret_len)
{
	for (size_t at = 0; at < len; at++) {
		const char c = text[at];
		/* only these can begin an address: most bytes are done with here */
		if (!isxdigit((unsigned char)c) && c != ':' && c != 'l' && c != 'L')
			continue;
		if (is_localhost(text, len, at, ret_len) || is_ipv4(text, len, at, ret_len) ||
		    is_ipv6(text, len, at, ret_len)) {
			*ret_at = at;
			return true;
		}
	}
	return false;
}
