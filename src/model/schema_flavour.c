/* The flavour, its component blocks, a component's configuration and target files
 * (docs/flavours.md) as tables. */
#include "model/schema_kubernetes.h"
#include "model/schema_parts.h"

#define REQ MILL_S_REQUIRED
#define OLD MILL_S_RETIRED

/* ---- the project section ---- */
static const struct mill_schema namespace_name = {
	.type = MILL_T_TEXT,
	.what = "a namespace (lower-case letters, digits, dashes; at most 63 characters)",
	.pattern = "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$",
	.match = mill_match_namespace};
static const struct mill_schema name_list = {
	.type = MILL_T_LIST, .item = &mill_s_name, .max = 256};
static const struct mill_schema name_text = {.type = MILL_T_TEXT,
					     .what = "components, separated by commas"};
static const struct mill_schema names = {.type = MILL_T_UNION,
					 .what = "components: a comma list, a YAML list or all",
					 .scalar = &name_text,
					 .list = &name_list};
static const struct mill_schema use_key = {.type = MILL_T_TEXT,
					   .what = "a capability or a component's name",
					   .pattern = "^[a-z][a-z0-9_-]{0,40}$",
					   .match = mill_match_capability};
static const struct mill_schema use = {
	.type = MILL_T_MAP, .key = &use_key, .item = &mill_s_name, .max = 64};
static const struct mill_schema budget = {.type = MILL_T_MEMORY,
					  .what = "a share such as 75% or a size such as 8Gi"};
static bool match_bucket(const char *s)
{
	size_t n = strlen(s);
	if (n < 3 || n > 63 || s[0] == '-' || s[0] == '.' || s[n - 1] == '-' || s[n - 1] == '.')
		return false;
	return s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789.-")] == '\0' &&
	       !strstr(s, "..");
}
static const struct mill_schema bucket = {.type = MILL_T_TEXT,
					  .what = "a bucket's name (3 to 63 lower-case letters, "
						  "digits, dots and dashes)",
					  .pattern = "^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
					  .match = match_bucket};

static const struct mill_schema_key project_keys[] = {
	{"k8s_namespace", &namespace_name, 0, "the platform's name; data-mill unless said"},
	{"proxy_port", &mill_s_port, 0, "where the Kubernetes UI is proxied"},
	{"flavour", &names, REQ, "components: a comma list, a YAML list, or all"},
	{"environments", &names, 0, "data-science environments that are built beforehand"},
	{"k8s_default_config", &mill_s_text, 0, "target file; -t overrides it"},
	{"component_default_config", &mill_s_text, 0,
	 "name of components' configuration files; config.yaml unless said"},
	{"config_folder", &mill_s_text, 0, "where components' configurations are looked for too"},
	{"data_folder", &mill_s_text, 0, "what is mirrored into the lake"},
	{"data_bucket", &bucket, 0, "the bucket for it; the folder's name unless said"},
	{"use", &use, 0, "which provider of a capability, which stand-in of a component"},
	{"memory", &budget, 0, "what all services share; 75% unless said"},
	{"kubernetes", &mill_schema_pods_project, 0, "of all pods, on a cluster"},
	{"disk", &budget, 0, "what data with a retention may fill, of what is free; 50% unless said"},
	{"without", &names, 0, "components to leave out of `all`"},
	{0}};
static const struct mill_schema project = {.type = MILL_T_OBJECT, .keys = project_keys};

/* ---- target sections ---- */
static const char *const local_providers[] = {"native", "minikube", "microk8s", "multipass", "kind", "k3d",
					      NULL};
static const char *const remote_providers[] = {"aws", "gke", NULL};
static const struct mill_schema local_provider = {.type = MILL_T_ENUM, .values = local_providers};
static const struct mill_schema remote_provider = {.type = MILL_T_ENUM, .values = remote_providers};
static const struct mill_schema cpus = {.type = MILL_T_INT, .min = 1, .max = 4096};
static const struct mill_schema nodes = {.type = MILL_T_INT, .min = 1, .max = 10000};
static const struct mill_schema local_memory = {
	.type = MILL_T_SIZE, .what = "memory in MiB, or a size such as 8Gi"};
static const struct mill_schema zone_list = {.type = MILL_T_LIST, .item = &mill_s_text, .max = 32};
static const struct mill_schema zones = {.type = MILL_T_UNION,
					 .what = "zones: a comma list or a YAML list",
					 .scalar = &mill_s_text,
					 .list = &zone_list};

/* What is specific to a provider is checked by target_check.c. */
static const struct mill_schema_key images_keys[] = {
	{"registry", &mill_s_text, 0, "where images of ours are pushed to and pulled from: host[:port][/path]"},
	{"pull_secret", &mill_s_text, 0, "a Secret of the namespace that pods pull with"},
	{"mirror", &mill_s_text, 0, "a registry with copies of other people's images: host[:port][/path]"},
	{0}};
static const struct mill_schema images = {.type = MILL_T_OBJECT, .keys = images_keys};
static const struct mill_schema class_name = {
	.type = MILL_T_TEXT, .what = "a StorageClass's name", .pattern = "^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$"};
static const char *const access_modes[] = {"ReadWriteOnce", "ReadWriteMany", NULL};
static const struct mill_schema access_mode = {.type = MILL_T_ENUM, .values = access_modes};
static const struct mill_schema_key data_keys[] = {
	{"mount", &mill_s_bool, 0, "false: the data folder is in the lake only"},
	{"storage", &mill_s_size, 0, "size of its volume; 10Gi unless said"},
	{"storage_class", &class_name, 0, "of its volume; project.kubernetes.storage_class, or the cluster's default class, unless said"},
	{"access", &access_mode, 0, "ReadWriteMany where the class can: else all pods that mount it run on one node"},
	{0}};
static const struct mill_schema data = {.type = MILL_T_OBJECT, .keys = data_keys};
static const struct mill_schema accelerators = {.type = MILL_T_INT, .min = 1, .max = 1000};

static const struct mill_schema_key local_keys[] = {
	{"provider", &local_provider, 0, "native, or what makes the cluster"},
	{"cpus", &cpus, 0, "of the cluster's machine"},
	{"memory", &local_memory, 0, "of the cluster's machine, in MiB"},
	{"storage", &mill_s_size, 0, "of the cluster's machine"},
	{"gpu_support", &mill_s_bool, 0, "give the cluster a GPU"},
	{"vm_driver", &mill_s_text, 0, "minikube's driver (docker, podman, kvm2); kind's engine (docker, podman)"},
	{"use_multipass", &mill_s_bool, 0, "microk8s inside a multipass machine"},
	{"istio_support", &mill_s_bool, 0, "enable Istio on the cluster"},
	{"cluster_name", &mill_s_text, 0, "its name; data-mill unless said"},
	{"kubernetes_version", &mill_s_text, 0, "1.34.1; what the vendor's tool takes unless said"},
	{"images", &images, 0, "where images come from"},
	{"data", &data, 0, "the volume that the data folder is mounted from"},
	{"use_overlay", &mill_s_text, OLD,
	 "the container runtime chooses its own storage driver today; remove the line"},
	{0}};
static const struct mill_schema_key remote_keys[] = {
	{"provider", &remote_provider, 0, "aws (by kops) or gke"},
	{"cluster_name", &mill_s_text, 0, "its name"},
	{"bucket_name", &mill_s_text, 0, "where kops keeps its state"},
	{"region", &mill_s_text, 0, "of the cluster"},
	{"zones", &zones, 0, "of its nodes"},
	{"no_nodes", &nodes, 0, "number of nodes"},
	{"node_size", &mill_s_text, 0, "machine type of the nodes"},
	{"project", &mill_s_text, 0, "project of the cloud (gke)"},
	{"storage", &mill_s_size, 0, "root disk of each node"},
	{"kubernetes_version", &mill_s_text, 0, "1.34.1; the vendor's default unless said"},
	{"gpu_support", &mill_s_bool, 0, "add nodes with a GPU"},
	{"gpu_nodes", &accelerators, 0, "how many (gke: in each zone); 1 unless said"},
	{"gpu_type", &mill_s_text, 0, "aws: machine type (g4dn.xlarge); gke: accelerator (nvidia-tesla-t4)"},
	{"images", &images, 0, "where images come from"},
	{"data", &data, 0, "the volume that the data folder is mounted from"},
	{0}};
static const struct mill_schema_key hybrid_keys[] = {
	{"config", &mill_s_text, 0, "path of a kubeconfig; ~ is expanded"},
	{"context", &mill_s_text, 0, "its context; the current one unless said"},
	{"images", &images, 0, "where images come from"},
	{"data", &data, 0, "the volume that the data folder is mounted from"},
	{0}};
static const struct mill_schema local = {.type = MILL_T_OBJECT, .keys = local_keys};
static const struct mill_schema remote = {.type = MILL_T_OBJECT, .keys = remote_keys};
static const struct mill_schema hybrid = {.type = MILL_T_OBJECT, .keys = hybrid_keys};

static const struct mill_schema_key target_keys[] = {
	{"local", &local, 0, "this machine, or a cluster on it (-l)"},
	{"remote", &remote, 0, "a cluster made in a cloud (-r)"},
	{"hybrid", &hybrid, 0, "a cluster that exists (-h)"},
	{0}};
const struct mill_schema mill_schema_target = {
	.type = MILL_T_OBJECT, .keys = target_keys};

/* ---- a component's block; what else it holds are settings of that component ---- */
static const struct mill_schema release = {
	.type = MILL_T_TEXT,
	.what = "a release name (lower-case letters, digits, dashes; at most 63 characters)",
	.pattern = "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$",
	.match = mill_match_namespace};
static const struct mill_schema pins = {.type = MILL_T_MAP,
					.what = "{service.port: number}",
					.item = &mill_s_port,
					.max = 64};
static const struct mill_schema any = {.type = MILL_T_ANY};
static const struct mill_schema_key block_keys[] = {
	{"release", &release, 0, "name of its release; the component's name unless said"},
	{"config_file", &mill_s_path, 0, "another name of its configuration file"},
	{"memory", &mill_s_size, 0, "of its services together, instead of the manifest's"},
	{"ports", &pins, 0, "pinned ports, by service.port"},
	{"kubernetes", &mill_schema_pods_block, 0, "of its pods, on a cluster"},
	{0}};
const struct mill_schema mill_schema_block = {.type = MILL_T_OBJECT,
					      .flags = MILL_S_OPEN,
					      .keys = block_keys,
					      .item = &any};
/* A configuration file is a block without the key that would find it. */
static const struct mill_schema_key config_keys[] = {
	{"release", &release, 0, "name of its release; the component's name unless said"},
	{"memory", &mill_s_size, 0, "of its services together, instead of the manifest's"},
	{"ports", &pins, 0, "pinned ports, by service.port"},
	{"kubernetes", &mill_schema_pods_block, 0, "of its pods, on a cluster"},
	{0}};
const struct mill_schema mill_schema_config = {.type = MILL_T_OBJECT,
					       .flags = MILL_S_OPEN,
					       .keys = config_keys,
					       .item = &any};

/* The blocks are checked when their component is known. */
static const struct mill_schema_key flavour_keys[] = {
	{"project", &project, REQ, "what the platform is and which components it has"},
	{"local", &local, 0, "this machine, or a cluster on it (-l)"},
	{"remote", &remote, 0, "a cluster made in a cloud (-r)"},
	{"hybrid", &hybrid, 0, "a cluster that exists (-h)"},
	{0}};
const struct mill_schema mill_schema_flavour = {.type = MILL_T_OBJECT,
						.flags = MILL_S_OPEN,
						.keys = flavour_keys,
						.item = &mill_schema_block};
