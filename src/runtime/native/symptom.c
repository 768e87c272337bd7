#include "runtime/native/symptom.h"

#include "base/strbuf.h"

static const char *const network[] = {
	"Temporary failure in name resolution", "Temporary failure resolving", "Could not resolve",
	"Name or service not known", "Connection refused", "connection refused", "Network is unreachable",
	"network is unreachable", "No route to host", "ENOTFOUND", "ECONNREFUSED", "EAI_AGAIN", "ENETUNREACH",
	"ETIMEDOUT", "Failed to establish a new connection", "Cannot connect to proxy", "ProxyError",
	"proxyconnect", "Unable to connect to proxy", "i/o timeout", "no such host", "dns error",
	"tcp connect error", "Unknown host", "UnknownHostException", "Connect timed out", "connect timed out",
	"Could not connect to", "Unable to connect to", "tunnel error", "Connection timed out",
};
static const char *const disk_full[] = {
	"No space left on device", "no space left on device", "Disk quota exceeded", "disk quota exceeded",
	"ENOSPC", "EDQUOT", "File too large", "os error 28", "os error 27", "os error 122",
};
static const char *const checksum[] = {
	"checksum mismatch", "Hash mismatch", "hash mismatch", "DO NOT MATCH THE HASHES", "EINTEGRITY",
	"Hash Sum mismatch", "ChecksumFailureException", "SECURITY ERROR",
};

static bool any(const char *text, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strstr(text, words[i]))
			return true;
	return false;
}

bool mill_symptom_network(const char *line)
{
	return any(line, network, MILL_ARRAY_LEN(network));
}

bool mill_symptom_disk_full(const char *line)
{
	return any(line, disk_full, MILL_ARRAY_LEN(disk_full));
}

bool mill_symptom_checksum(const char *text)
{
	return any(text, checksum, MILL_ARRAY_LEN(checksum));
}

char *mill_symptom_tail(const char *text, size_t lines)
{
	_cleanup_strv_ struct mill_strv all = {0};
	mill_strv_split(&all, text, "\n\r");
	size_t from = all.n > lines ? all.n - lines : 0;
	struct mill_strv last = {.items = all.items + from, .n = all.n - from};
	return mill_strv_join(&last, "\n");
}
