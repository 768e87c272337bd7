/*
 * Values of a target section that its provider cannot use: regions, zones,
 * machine types, names, sizes.  A table says the shape of each; it is looked at
 * only for the section that the location picks.
 */
#include <ctype.h>

#include "base/parse.h"
#include "model/loading.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"
#define MIB ((uint64_t)1 << 20)

static bool only(const char *s, const char *allowed, size_t max)
{
	size_t n = strlen(s);

	return n > 0 && n <= max && strspn(s, allowed) == n;
}

static bool ends_well(const char *s)
{
	return isalnum((unsigned char)s[0]) && isalnum((unsigned char)s[strlen(s) - 1]);
}

/* eu-central-1, us-gov-west-1 */
static bool aws_region(const char *s)
{
	const char *dash = strrchr(s, '-');

	return only(s, LOWER DIGITS "-", 32) && islower((unsigned char)s[0]) && strchr(s, '-') != dash && dash[1] &&
	       only(dash + 1, DIGITS, 2);
}

/* europe-west3 */
static bool gcp_region(const char *s)
{
	const char *dash = strchr(s, '-');

	return only(s, LOWER DIGITS "-", 32) && islower((unsigned char)s[0]) && dash && !strchr(dash + 1, '-') &&
	       islower((unsigned char)dash[1]) && isdigit((unsigned char)s[strlen(s) - 1]);
}

static bool aws_zone(const char *s)
{
	size_t n = strlen(s);
	char region[40];

	if (n < 2 || n > sizeof(region) || !islower((unsigned char)s[n - 1]))
		return false;
	snprintf(region, sizeof(region), "%.*s", (int)(n - 1), s);
	return aws_region(region);
}

static bool gcp_zone(const char *s)
{
	size_t n = strlen(s);
	char region[40];

	if (n < 3 || n > sizeof(region) || s[n - 2] != '-' || !islower((unsigned char)s[n - 1]))
		return false;
	snprintf(region, sizeof(region), "%.*s", (int)(n - 2), s);
	return gcp_region(region);
}

/* m5.xlarge */
static bool aws_machine(const char *s)
{
	const char *dot = strchr(s, '.');

	return only(s, LOWER DIGITS "-.", 40) && islower((unsigned char)s[0]) && dot && ends_well(s) && !strchr(dot + 1, '.');
}

/* e2-standard-4 */
static bool gcp_machine(const char *s)
{
	return only(s, LOWER DIGITS "-", 60) && islower((unsigned char)s[0]) && strchr(s, '-') && ends_well(s);
}

static bool bucket(const char *s)
{
	return strlen(s) >= 3 && only(s, LOWER DIGITS ".-", 63) && ends_well(s) && !strstr(s, "..");
}

static bool dns_name(const char *s)
{
	return only(s, LOWER DIGITS ".-", 253) && ends_well(s) && strchr(s, '.') && !strstr(s, "..");
}

static bool gke_name(const char *s)
{
	return only(s, LOWER DIGITS "-", 40) && islower((unsigned char)s[0]) && ends_well(s);
}

static bool local_name(const char *s)
{
	return strlen(s) >= 2 && only(s, LOWER DIGITS "-", 50) && islower((unsigned char)s[0]) && ends_well(s);
}

/* k3d makes host names of containers with it. */
static bool k3d_name(const char *s)
{
	return local_name(s) && strlen(s) <= 32;
}

static bool kubernetes_version(const char *s)
{
	s += *s == 'v';
	return only(s, DIGITS ".", 12) && mill_starts_with(s, "1.") && isdigit((unsigned char)s[strlen(s) - 1]);
}

static bool full_version(const char *s)
{
	const char *dot = strchr(s, '.');

	return kubernetes_version(s) && dot && strchr(dot + 1, '.');
}

static bool minikube_driver(const char *s)
{
	static const char *const drivers[] = {"docker", "podman", "kvm2", "qemu", "qemu2", "virtualbox", "vmware", "none", "ssh"};

	for (size_t i = 0; i < MILL_ARRAY_LEN(drivers); i++)
		if (mill_streq(s, drivers[i]))
			return true;
	return false;
}

static bool engine(const char *s)
{
	return mill_streq(s, "docker") || mill_streq(s, "podman");
}

static bool docker_only(const char *s)
{
	return mill_streq(s, "docker");
}

/* Of what a provider takes; NULL as provider: of all clusters. */
static const struct rule {
	const char *provider, *key;
	bool (*ok)(const char *text);
	const char *what, *hint;
} rules[] = {
	{"aws", "region", aws_region, "a region of AWS", "such as eu-central-1"},
	{"gke", "region", gcp_region, "a region of Google Cloud", "such as europe-west3; a zone has a letter more"},
	{"aws", "node_size", aws_machine, "a machine type of AWS", "such as m5.xlarge"},
	{"gke", "node_size", gcp_machine, "a machine type of Google Cloud", "such as e2-standard-4"},
	{"aws", "bucket_name", bucket, "a bucket's name", "3 to 63 lower-case letters, digits, dots and dashes"},
	{"aws", "cluster_name", dns_name, "a DNS name", "such as data-mill.k8s.local: names that end in .k8s.local need no zone of yours"},
	{"gke", "cluster_name", gke_name, "a name of a GKE cluster", "at most 40 lower-case letters, digits and dashes, a letter first"},
	{"minikube", "cluster_name", local_name, "a cluster's name", "2 to 50 lower-case letters, digits and dashes, a letter first"},
	{"kind", "cluster_name", local_name, "a cluster's name", "2 to 50 lower-case letters, digits and dashes, a letter first"},
	{"k3d", "cluster_name", k3d_name, "a cluster's name", "2 to 32 lower-case letters, digits and dashes, a letter first"},
	{"multipass", "cluster_name", local_name, "a machine's name", "2 to 50 lower-case letters, digits and dashes, a letter first"},
	{"minikube", "vm_driver", minikube_driver, "a driver of minikube", "docker, podman or kvm2"},
	{"kind", "vm_driver", engine, "a container engine", "docker or podman"},
	{"k3d", "vm_driver", docker_only, "a container engine of k3d", "docker"},
	{"kind", "kubernetes_version", full_version, "a full version of Kubernetes", "such as 1.34.0: kind's images are named so"},
	{"k3d", "kubernetes_version", full_version, "a full version of Kubernetes", "such as 1.34.1: k3s' images are named so"},
	{NULL, "kubernetes_version", kubernetes_version, "a version of Kubernetes", "such as 1.34"},
};

static void check_texts(struct mill_loading *l, const char *provider)
{
	for (size_t i = 0; i < MILL_ARRAY_LEN(rules); i++) {
		const struct rule *r = &rules[i];
		const struct mill_node *node = mill_read_scalar(l->m->project.target, r->key);

		if (!node || (r->provider && !mill_streq(r->provider, provider)) || r->ok(node->text))
			continue;
		mill_diag_hint(mill_diag_error(l->r.diags, node->mark, "%s: '%s' is not %s", r->key, node->text, r->what), "%s", r->hint);
	}
}

static void check_zone(struct mill_loading *l, const char *provider, const struct mill_node *node, const char *zone)
{
	bool aws = mill_streq(provider, "aws");
	const char *region = mill_read_text(l->m->project.target, "region", NULL);

	if (aws ? !aws_zone(zone) : !gcp_zone(zone))
		mill_diag_hint(mill_diag_error(l->r.diags, node->mark, "zones: '%s' is not a zone", zone), "such as %s",
			       aws ? "eu-central-1a" : "europe-west3-a");
	else if (region && !mill_starts_with(zone, region))
		mill_diag_error(l->r.diags, node->mark, "zones: '%s' is not in the region %s", zone, region);
}

static void check_zones(struct mill_loading *l, const char *provider)
{
	const struct mill_node *node = mill_node_get(l->m->project.target, "zones");

	if (mill_node_is_scalar(node)) {
		_cleanup_strv_ struct mill_strv zones = {0};

		mill_strv_split(&zones, node->text, ",");
		for (size_t i = 0; i < zones.n; i++)
			check_zone(l, provider, node, zones.items[i]);
	}
	MILL_SEQ_EACH (item, node)
		if (mill_node_is_scalar(item))
			check_zone(l, provider, item, item->text);
}

static void check_sizes(struct mill_loading *l, const char *provider)
{
	const struct mill_node *memory = mill_read_scalar(l->m->project.target, "memory");
	const struct mill_node *storage = mill_read_scalar(l->m->project.target, "storage");
	uint64_t bytes = 0, number = 0;

	if (memory && mill_parse_size(memory->text, &bytes) == 0) {
		bool bare = mill_parse_u64(memory->text, &number) == 0;
		uint64_t mib = bare ? number : bytes / MIB;
		/* minikube and microk8s want about 2 GB, and the platform more */
		uint64_t least = mill_streq(provider, "minikube") ? 1800 : 1024;

		if (mib < least)
			mill_diag_hint(mill_diag_error(l->r.diags, memory->mark, "memory: %s is %llu MiB; %s needs at least %llu",
						       memory->text, (unsigned long long)mib, provider, (unsigned long long)least),
				       "a number alone is MiB: 8192, or 8Gi");
		else if (mib > MIB * 64)
			mill_diag_hint(mill_diag_error(l->r.diags, memory->mark, "memory: %s is more than any machine has", memory->text),
				       "a number alone is MiB: 8192, or 8Gi");
	}
	if (storage && mill_parse_u64(storage->text, &number) == 0)
		mill_diag_hint(mill_diag_error(l->r.diags, storage->mark, "storage: '%s' has no unit", storage->text), "such as 60G");
	else if (storage && mill_parse_size(storage->text, &bytes) == 0 && bytes < 2000 * MIB)
		mill_diag_hint(mill_diag_error(l->r.diags, storage->mark, "storage: %s is too small for a cluster", storage->text), "such as 60G");
}

/* host[:port][/path], as image references have it. */
static bool reference(const char *s)
{
	return only(s, LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ" DIGITS ".-_:/", 255) && isalnum((unsigned char)s[0]) &&
	       isalnum((unsigned char)s[strlen(s) - 1]) && !strstr(s, "//");
}

static void check_images(struct mill_loading *l)
{
	static const char *const keys[] = {"registry", "mirror"};
	const struct mill_node *images = mill_read_map(l->m->project.target, "images");
	const struct mill_node *secret = mill_read_scalar(images, "pull_secret");

	for (size_t i = 0; i < MILL_ARRAY_LEN(keys); i++) {
		const struct mill_node *node = mill_read_scalar(images, keys[i]);

		if (node && !reference(node->text))
			mill_diag_hint(mill_diag_error(l->r.diags, node->mark, "images.%s: '%s' is not a registry", keys[i], node->text),
				       strstr(node->text, "://") ? "without its scheme: %s" : "such as %s",
				       "127.0.0.1:5000 or ghcr.io/team");
	}
	if (secret && !(only(secret->text, LOWER DIGITS ".-", 253) && ends_well(secret->text)))
		mill_diag_error(l->r.diags, secret->mark, "images.pull_secret: '%s' is not a Secret's name", secret->text);
}

static void check_data(struct mill_loading *l)
{
	const struct mill_node *storage = mill_read_scalar(mill_read_map(l->m->project.target, "data"), "storage");
	uint64_t bytes = 0;

	if (storage && mill_parse_size(storage->text, &bytes) == 0 && bytes < 16 * MIB)
		mill_diag_hint(mill_diag_error(l->r.diags, storage->mark, "data.storage: %s is too small for a volume", storage->text), "such as 10Gi");
}

/* Asked for and not to be had: it loads, and is said. */
static void check_extras(struct mill_loading *l, const char *provider)
{
	const struct mill_node *istio = mill_read_scalar(l->m->project.target, "istio_support");
	const struct mill_node *gpu = mill_read_scalar(l->m->project.target, "gpu_support");
	bool plain = mill_streq(provider, "kind") || mill_streq(provider, "k3d");

	if (istio && plain && mill_read_bool(l->m->project.target, "istio_support", false))
		mill_diag_hint(mill_diag_warning(l->r.diags, istio->mark, "istio_support: %s has no add-ons; it is left out", provider),
			       "Istio's own charts install it: https://istio.io/latest/docs/setup/install/helm/");
	if (gpu && (mill_streq(provider, "kind") || mill_streq(provider, "multipass")) &&
	    mill_read_bool(l->m->project.target, "gpu_support", false))
		mill_diag_warning(l->r.diags, gpu->mark, "gpu_support: %s hands no GPU to its nodes; it is left out", provider);
}

void mill_target_check(struct mill_loading *l)
{
	const char *provider = l->m->project.provider;

	if (mill_streq(provider, "native") || !l->m->project.target)
		return;
	check_texts(l, provider);
	check_images(l);
	check_data(l);
	if (mill_streq(provider, "aws") || mill_streq(provider, "gke"))
		check_zones(l, provider);
	else if (!mill_streq(provider, "kubeconfig"))
		check_extras(l, provider);
	check_sizes(l, provider);
}
