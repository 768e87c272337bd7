#include "image/wire.h"

const char mill_registry_kinds[] = "containerd|kind|k3d|microk8s|minikube";

static const struct kind {
	const char *name;
	const char *host;  /* this machine, as nodes know it; NULL: nodes are this machine */
	const char *folder; /* where its containerd looks for registries */
} kinds[] = {
	{"containerd", NULL, "/etc/containerd/certs.d"},
	{"kind", "172.17.0.1", "/etc/containerd/certs.d"},
	{"k3d", "host.k3d.internal", NULL},
	{"microk8s", NULL, "/var/snap/microk8s/current/args/certs.d"},
	{"minikube", "host.minikube.internal", "/etc/containerd/certs.d"},
};

static const struct kind *find(const char *name)
{
	for (size_t i = 0; i < MILL_ARRAY_LEN(kinds); i++)
		if (mill_streq(kinds[i].name, name))
			return &kinds[i];
	return NULL;
}

/* Owned. */
static char *reached_at(const struct mill_registry_wire *w)
{
	const struct kind *k = find(w->kind);
	const char *port = strrchr(w->registry, ':');
	if (w->address)
		return mill_xstrdup(w->address);
	return k && k->host ? mill_xasprintf("%s%s", k->host, port ? port : "") : mill_xstrdup(w->registry);
}

void mill_registry_hosts_toml(const struct mill_registry_wire *w, struct mill_strbuf *out)
{
	_cleanup_free_ char *at = reached_at(w);
	mill_strbuf_printf(out, "server = \"http://%s\"\n\n[host.\"http://%s\"]\n  capabilities = [\"pull\", \"resolve\"]\n", at, at);
}

static void add_hosts(const struct mill_registry_wire *w, const struct kind *k, const char *before, const char *after,
		      struct mill_strbuf *out)
{
	mill_strbuf_printf(out, "%smkdir -p %s/%s%s\n", before, k->folder, w->registry, after);
	mill_strbuf_printf(out, "%stee %s/%s/hosts.toml%s <<'END'\n", before, k->folder, w->registry, after);
	mill_registry_hosts_toml(w, out);
	mill_strbuf_addstr(out, "END\n");
}

static void add_shared(struct mill_strbuf *out)
{
	mill_strbuf_addstr(out, "# Its nodes are other hosts than this machine: the registry must listen for them.\n"
				"data-mill registry start --share\n");
}

static void add_k3d(const struct mill_registry_wire *w, struct mill_strbuf *out)
{
	_cleanup_free_ char *at = reached_at(w);
	add_shared(out);
	mill_strbuf_printf(out, "# When the cluster is made (k3d cannot change it later):\n"
				"tee registries.yaml <<'END'\n"
				"mirrors:\n  \"%s\":\n    endpoint:\n      - http://%s\n"
				"END\n"
				"k3d cluster create --registry-config registries.yaml\n", w->registry, at);
}

int mill_registry_wire_text(const struct mill_registry_wire *w, struct mill_strbuf *out, struct mill_error *err)
{
	const struct kind *k = find(w->kind);
	if (!k)
		return mill_fail_usage(err, "registry config: '%s' is none of %s", w->kind, mill_registry_kinds);
	if (mill_streq(k->name, "k3d")) {
		add_k3d(w, out);
	} else if (mill_streq(k->name, "kind")) {
		add_shared(out);
		mill_strbuf_addstr(out, "# On each node (kind get nodes); clusters made by kind before 0.27 want config_path set, see its page on local\n"
					"# registries.\n"
					"for node in $(kind get nodes); do\n");
		add_hosts(w, k, "docker exec -i \"$node\" ", "", out);
		mill_strbuf_addstr(out, "done\n");
	} else if (mill_streq(k->name, "minikube")) {
		add_shared(out);
		mill_strbuf_addstr(out, "# Made with: minikube start --container-runtime=containerd (Docker inside has no such folder).\n");
		add_hosts(w, k, "minikube ssh -- sudo ", "", out);
	} else {
		mill_strbuf_printf(out, "# On each node; containerd reads it at the next pull%s.\n",
				   mill_streq(k->name, "containerd") ? " (config_path must name the folder)" : "");
		add_hosts(w, k, "sudo ", "", out);
	}
	return 0;
}
