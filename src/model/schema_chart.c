/* `kubernetes.chart` of a manifest (docs/charts.md) as tables. */
#include "model/schema.h"
#include "model/schema_parts.h"

#define REQ MILL_S_REQUIRED

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* 1.2.3, v1.21.1, 88.5.3-rc.1+build */
static bool match_version(const char *s)
{
	s += *s == 'v';
	if (*s < '0' || *s > '9' || strlen(s) > 64)
		return false;
	for (; *s; s++)
		if (!is_alnum(*s) && !strchr(".+-", *s))
			return false;
	return true;
}

/* http only from this machine: what `charts serve` serves. */
static bool match_repository(const char *s)
{
	size_t n = mill_starts_with(s, "https://") ? 8 : mill_starts_with(s, "oci://") ? 6 : mill_starts_with(s, "http://127.0.0.1:") ? 7 : 0;
	return n && s[n] && s[n] != '/' && !strpbrk(s, " \t\"'@?#\\");
}

static bool match_digest(const char *s)
{
	return mill_starts_with(s, "sha256:") && mill_match_sha256(s + strlen("sha256:"));
}

/* A key of a Secret. */
static bool match_secret_key(const char *s)
{
	size_t n = strlen(s);
	if (!n || n > 253 || mill_streq(s, ".") || mill_streq(s, ".."))
		return false;
	for (; *s; s++)
		if (!is_alnum(*s) && !strchr("-_.", *s))
			return false;
	return true;
}

/* persistence.storageClass, server.volumes[0].size; a dot in a key is \. */
static bool match_place(const char *s)
{
	if (!*s || *s == '.' || *s == '[' || strlen(s) > 200)
		return false;
	for (; *s; s++)
		if (!is_alnum(*s) && !strchr("-_.[]/\\", *s))
			return false;
	return true;
}

static const char *const layers[] = {"namespace", "cluster", NULL};
static const struct mill_schema layer = {.type = MILL_T_ENUM, .values = layers};

/* ---- the chart ---- */
static const struct mill_schema repository = {.type = MILL_T_TEXT, .what = "a repository, https://... or oci://...",
	.pattern = "^(https://|oci://|http://127[.]0[.]0[.]1:)[^/ \"'@?#\\\\][^ \"'@?#\\\\]*$", .match = match_repository};
static const struct mill_schema version = {.type = MILL_T_TEXT, .what = "an exact version such as 1.2.3",
	.pattern = "^v?[0-9][0-9A-Za-z.+-]*$", .match = match_version};
static const struct mill_schema digest = {.type = MILL_T_TEXT, .what = "sha256: and 64 hexadecimal digits",
	.pattern = "^sha256:[0-9a-f]{64}$", .match = match_digest};
static const struct mill_schema component_list = {.type = MILL_T_LIST, .item = &mill_s_name, .max = 16};
static const struct mill_schema url_list = {.type = MILL_T_LIST, .item = &mill_s_text, .min = 1, .max = 16};

static const struct mill_schema_key file_keys[] = {
	{"template", &mill_s_path, REQ, "a file of the component's kubernetes/ folder"},
	{"when", &mill_s_when, 0, "left out unless this holds"},
	{0}};
static const struct mill_schema file_map = {.type = MILL_T_OBJECT, .keys = file_keys};
static const struct mill_schema file = {.type = MILL_T_UNION, .what = "a file, or {template, when}",
	.scalar = &mill_s_path, .map = &file_map};
static const struct mill_schema file_list = {.type = MILL_T_LIST, .item = &file, .max = 64};
static const struct mill_schema values = {.type = MILL_T_UNION, .what = "a file, or a list of files that are merged",
	.scalar = &mill_s_path, .list = &file_list};

static const struct mill_schema secret_key = {.type = MILL_T_TEXT, .what = "a key of a Secret (letters, digits, . _ -)",
	.pattern = "^[-._a-zA-Z0-9]+$", .match = match_secret_key};
static const struct mill_schema secret = {.type = MILL_T_MAP, .key = &secret_key, .item = &mill_s_conditional, .min = 1, .max = 64};
static const struct mill_schema secrets = {.type = MILL_T_MAP, .item = &secret, .max = 32};

static const struct mill_schema service_ports = {.type = MILL_T_MAP, .key = &mill_s_name, .item = &mill_s_port, .max = 32};
static const struct mill_schema_key service_keys[] = {
	{"name", &mill_s_template, REQ, "of the Kubernetes Service"},
	{"ports", &service_ports, 0, "those whose number differs from the manifest's"},
	{0}};
static const struct mill_schema service = {.type = MILL_T_OBJECT, .keys = service_keys};
static const struct mill_schema services = {.type = MILL_T_MAP, .key = &mill_s_name, .item = &service, .max = 64};

static const struct mill_schema place = {.type = MILL_T_TEXT, .what = "a place in the values such as persistence.size",
	.pattern = "^[^.[].*$", .match = match_place};
static const struct mill_schema place_list = {.type = MILL_T_LIST, .item = &place, .max = 32};
static const struct mill_schema places = {.type = MILL_T_UNION, .what = "a place in the values, or a list of such",
	.scalar = &place, .list = &place_list};
static const struct mill_schema secret_values = {.type = MILL_T_MAP, .key = &place, .item = &mill_s_conditional, .max = 16};
static const struct mill_schema_key path_keys[] = {
	{"storage_class", &places, 0, "StorageClass of its volumes"},
	{"storage", &places, 0, "size of its volumes"},
	{"node_selector", &places, 0, "nodeSelector of its pods"},
	{"tolerations", &places, 0, "tolerations of its pods"},
	{"priority_class", &places, 0, "priorityClassName of its pods"},
	{"replicas", &places, 0, "how many pods"},
	{"labels", &places, 0, "labels of its pods"},
	{"image_registry", &places, 0, "a registry in place of its images' own"},
	{"pull_secrets", &places, 0, "[{name}] of image pull secrets"},
	{"pull_secret_names", &places, 0, "the same as a list of names"},
	{0}};
static const struct mill_schema paths = {.type = MILL_T_OBJECT, .keys = path_keys};

static const struct mill_schema label_map = {.type = MILL_T_MAP, .item = &mill_s_text, .max = 32};
static const struct mill_schema_key config_map_keys[] = {
	{"name", &mill_s_template, REQ, "of the ConfigMap"},
	{"folder", &mill_s_path, REQ, "whose files it holds, below the component's folder"},
	{"component", &mill_s_name, 0, "another component, whose folder it is"},
	{"labels", &label_map, 0, "by which a sidecar finds it"},
	{0}};
static const struct mill_schema config_map = {.type = MILL_T_OBJECT, .keys = config_map_keys};
static const struct mill_schema config_maps = {.type = MILL_T_LIST, .item = &config_map, .max = 16};

static const struct mill_schema_key ready_keys[] = {
	{"what", &mill_s_template, REQ, "deployment/NAME, crd/NAME, kafka.kafka.strimzi.io/NAME"},
	{"condition", &mill_s_text, 0, "of its status; by its kind unless said"},
	{"timeout", &mill_s_duration, 0, "10m unless said"},
	{"when", &mill_s_when, 0, "not waited for unless this holds"},
	{0}};
static const struct mill_schema ready_map = {.type = MILL_T_OBJECT, .keys = ready_keys};
static const struct mill_schema ready_item = {.type = MILL_T_UNION, .what = "KIND/NAME, or {what, condition, timeout}",
	.scalar = &mill_s_template, .map = &ready_map};
static const struct mill_schema ready = {.type = MILL_T_LIST, .item = &ready_item, .max = 64};

static const struct mill_schema_key stop_keys[] = {
	{"delete", &mill_s_template, REQ, "KIND/NAME, or a KIND with `selector`, that the operator makes again"},
	{"selector", &mill_s_template, 0, "labels of what is deleted"},
	{0}};
static const struct mill_schema stop_map = {.type = MILL_T_OBJECT, .keys = stop_keys};
static const struct mill_schema stop_item = {.type = MILL_T_UNION, .what = "a file with part of an object, or {delete, selector}",
	.scalar = &mill_s_path, .map = &stop_map};
static const struct mill_schema stop = {.type = MILL_T_LIST, .item = &stop_item, .max = 16};

static const struct mill_schema_key chart_keys[] = {
	{"repository", &repository, 0, "https://... (a Helm repository; http://127.0.0.1:PORT, too) or oci://... (a registry's folder)"},
	{"name", &mill_s_name, 0, "of the chart"},
	{"version", &version, 0, "of the chart, exact"},
	{"digest", &digest, 0, "of the package; left out where none could be verified"},
	{"app_version", &mill_s_text, 0, "of what it installs"},
	{"path", &mill_s_path, 0, "a chart beside the components folder, such as helm-charts/ksqldb, instead of a repository"},
	{"kustomize", &url_list, 0, "roots for kubectl's kustomize, in order, where no chart is published"},
	{"layer", &layer, 0, "namespace unless said; cluster: CRDs and operators, once, by an admin"},
	{"release", &mill_s_template, 0, "of Helm; the component's release unless said"},
	{"namespace", &mill_s_template, 0, "one of its own"},
	{"needs", &component_list, 0, "components of the cluster's layer that must be there"},
	{"values", &values, 0, "templates in the kubernetes/ folder"},
	{"objects", &file_list, 0, "objects of ours beside the chart, one a file"},
	{"config_maps", &config_maps, 0, "files of a component's folder, such as dashboards"},
	{"secrets", &secrets, 0, "name: {key: value}: Secrets that exist before the chart"},
	{"secret_values", &secret_values, 0, "place in the values: a secret, only where the chart knows no existing Secret for it"},
	{"services", &services, 0, "service of the manifest: the Service that the chart makes for it"},
	{"paths", &paths, 0, "where in the values a platform's own choices belong"},
	{"ready", &ready, 0, "what is waited for"},
	{"stop", &stop, 0, "how `down` stops what an operator runs, in order; workloads of the chart are scaled to zero anyway"},
	{"selector", &mill_s_template, 0, "labels of the pods and volume claims that an operator makes of the objects"},
	{"crds", &mill_s_bool, 0, "it brings CRDs"},
	{0}};
static const struct mill_schema chart = {.type = MILL_T_OBJECT, .keys = chart_keys};
static const struct mill_schema chart_list = {.type = MILL_T_LIST, .item = &chart, .min = 1, .max = 8};
const struct mill_schema mill_s_charts = {.type = MILL_T_UNION, .what = "a chart, or a list of them", .list = &chart_list, .map = &chart};
