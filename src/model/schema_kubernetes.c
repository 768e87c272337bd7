/* What a manifest, a flavour and a component's block say about pods. */
#include "model/schema_kubernetes.h"
#include "model/schema_parts.h"

#define REQ MILL_S_REQUIRED

static const struct mill_schema any = {.type = MILL_T_ANY};

/* ---- a component's block, or project.kubernetes for all of them ---- */
static const char *const deployments[] = {"generic", "chart", NULL};
static const struct mill_schema deployment = {.type = MILL_T_ENUM, .values = deployments};
static const struct mill_schema replicas = {.type = MILL_T_INT, .min = 1, .max = 1000};
static const struct mill_schema object_name = {.type = MILL_T_TEXT,
	.what = "a Kubernetes name (lower-case letters, digits, dashes, dots)",
	.pattern = "^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$"};
static const struct mill_schema text_map = {.type = MILL_T_MAP, .item = &mill_s_text, .max = 64};
static const struct mill_schema value_map = {.type = MILL_T_MAP, .item = &any, .max = 256};
static const struct mill_schema toleration_list = {.type = MILL_T_LIST, .item = &any, .max = 32};

#define PLACEMENT \
	{"storage_class", &object_name, 0, "of its volumes; the cluster's default class unless said"}, \
	{"node_selector", &text_map, 0, "labels of the nodes that its pods may run on"}, \
	{"tolerations", &toleration_list, 0, "taints that its pods bear, as Kubernetes writes them"}, \
	{"labels", &text_map, 0, "added to its pods"}, \
	{"priority_class", &object_name, 0, "of its pods"}

static const struct mill_schema_key block_keys[] = {
	{"deployment", &deployment, 0, "generic: our chart and image; chart: the project's own"},
	{"replicas", &replicas, 0, "pods of its main service, where it keeps no data"},
	{"storage", &mill_s_size, 0, "size of its volume"},
	{"values", &value_map, 0, "of its (first) chart, over all else; Helm keeps them for everybody to read: no secrets"},
	PLACEMENT,
	{0}};
const struct mill_schema mill_schema_pods_block = {.type = MILL_T_OBJECT, .keys = block_keys};
static const struct mill_schema_key project_keys[] = {PLACEMENT, {0}};
const struct mill_schema mill_schema_pods_project = {.type = MILL_T_OBJECT, .keys = project_keys};

/* ---- a manifest ---- */
static const char *const proofs[] = {"started", "dry-run", "rendered", NULL};
static const struct mill_schema proof = {.type = MILL_T_ENUM, .values = proofs};
static const struct mill_schema_key proof_keys[] = {
	{"status", &proof, REQ, "started, dry-run or rendered"},
	{"note", &mill_s_text, 0, "on what, and what was not tried"},
	{0}};
static const struct mill_schema noted_proof_map = {.type = MILL_T_OBJECT, .keys = proof_keys};
static const struct mill_schema noted_proof = {.type = MILL_T_UNION, .what = "started, dry-run or rendered; or {status, note}",
	.scalar = &proof, .map = &noted_proof_map};
static const struct mill_schema_key tested_keys[] = {
	{"generic", &noted_proof, 0, "what was seen of our chart: started on a real cluster, dry-run by its API, or only rendered"},
	{"chart", &noted_proof, 0, "what was seen of the project's own chart"},
	{0}};
static const struct mill_schema tested = {.type = MILL_T_OBJECT, .keys = tested_keys};
static const struct mill_schema rule_list = {.type = MILL_T_LIST, .item = &any, .max = 16};
static const struct mill_schema_key service_keys[] = {
	{"rules", &rule_list, 0, "what its pods may do at the API server, as a Role's rules"},
	{"data_folder", &mill_s_bool, 0, "it runs people's code: its pods mount the data folder, read-only, and MILL_DATA_FOLDER says where it is"},
	{0}};
static const struct mill_schema service = {.type = MILL_T_OBJECT, .keys = service_keys};
static const struct mill_schema service_map = {.type = MILL_T_MAP, .key = &mill_s_name, .item = &service, .max = 32};
static const struct mill_schema secret_map = {.type = MILL_T_MAP, .item = &mill_s_template, .max = 32};

static const struct mill_schema_key manifest_keys[] = {
	{"default", &deployment, 0, "generic or chart: whose smoke test passed on a real cluster"},
	{"tested", &tested, 0, "what was seen of each"},
	{"service", &mill_s_name, 0, "its main service: the Service that has the release's name"},
	{"secret", &secret_map, 0, "keys of the Secret that has the release's name"},
	{"services", &service_map, 0, "what its services need beside the rest of the manifest"},
	{"chart", &mill_s_charts, 0, "the project's own chart or operator, or a list of them in order"},
	{"namespace", &any, 0, "one of its own"},
	{0}};
const struct mill_schema mill_schema_kubernetes = {.type = MILL_T_OBJECT, .keys = manifest_keys};
