/* Words for helm and kubectl. Flags: https://helm.sh/docs/helm/ (3.19). */
#include "chart/chart.h"

static void words(struct mill_strv *argv, const char *const *w)
{
	for (; *w; w++)
		mill_strv_add(argv, *w);
}

static void option(struct mill_strv *argv, const char *name, const char *value)
{
	if (!value)
		return;
	mill_strv_add(argv, name);
	mill_strv_add(argv, value);
}

static const char *namespace_of(const struct mill_chart_helm *h, const struct mill_chart_release *rel)
{
	return rel->own_namespace ? rel->own_namespace : h->name_space;
}

static void access_to(const struct mill_chart_helm *h, struct mill_strv *argv)
{
	option(argv, "--kubeconfig", h->kubeconfig);
	option(argv, "--kube-context", h->context);
}

void mill_chart_argv_pull(const struct mill_chart_helm *h, const struct mill_chart *chart, const char *folder,
			  struct mill_strv *argv)
{
	words(argv, (const char *const[]){h->helm, "pull", NULL});
	if (mill_starts_with(chart->repository, "oci://")) {
		size_t n = strlen(chart->repository);
		bool slash = chart->repository[n - 1] == '/';

		mill_strv_addf(argv, "%s%s%s", chart->repository, slash ? "" : "/", chart->name);
	} else {
		mill_strv_add(argv, chart->name);
		option(argv, "--repo", chart->repository);
	}
	option(argv, "--version", chart->version);
	option(argv, "--destination", folder);
}

void mill_chart_argv_template(const struct mill_chart_helm *h, const struct mill_chart_release *rel, const char *package,
			      const char *values, struct mill_strv *argv)
{
	words(argv, (const char *const[]){h->helm, "template", rel->name, package, NULL});
	option(argv, "--namespace", namespace_of(h, rel));
	option(argv, "--values", values);
	option(argv, "--values", rel->secret_values_path);
	mill_strv_add(argv, h->skip_crds ? "--skip-crds" : "--include-crds");
}

void mill_chart_argv_upgrade(const struct mill_chart_helm *h, const struct mill_chart_release *rel, const char *package,
			     const char *values, struct mill_strv *argv)
{
	words(argv, (const char *const[]){h->helm, "upgrade", rel->name, package, "--install", NULL});
	option(argv, "--namespace", namespace_of(h, rel));
	option(argv, "--values", values);
	option(argv, "--values", rel->secret_values_path);
	/* What an earlier release was given is not mixed in: values are what the flavour says now. */
	words(argv, (const char *const[]){"--reset-values", "--history-max", "5", NULL});
	mill_strv_addf(argv, "--timeout=%us", h->timeout_s ? h->timeout_s : 600);
	if (h->wait)
		words(argv, (const char *const[]){"--wait", "--wait-for-jobs", "--atomic", NULL});
	if (h->skip_crds)
		mill_strv_add(argv, "--skip-crds");
	if (rel->own_namespace)
		mill_strv_add(argv, "--create-namespace");
	access_to(h, argv);
}

void mill_chart_argv_uninstall(const struct mill_chart_helm *h, const struct mill_chart_release *rel, struct mill_strv *argv)
{
	words(argv, (const char *const[]){h->helm, "uninstall", rel->name, "--ignore-not-found", "--wait", NULL});
	option(argv, "--namespace", namespace_of(h, rel));
	mill_strv_addf(argv, "--timeout=%us", h->timeout_s ? h->timeout_s : 600);
	access_to(h, argv);
}

void mill_chart_argv_hooks(const struct mill_chart_helm *h, const struct mill_chart_release *rel, struct mill_strv *argv)
{
	words(argv, (const char *const[]){h->helm, "get", "hooks", rel->name, NULL});
	option(argv, "--namespace", namespace_of(h, rel));
	access_to(h, argv);
}

void mill_chart_argv_kustomize(const struct mill_chart_helm *h, const char *root, struct mill_strv *argv)
{
	words(argv, (const char *const[]){h->kubectl, "kustomize", root, NULL});
}

char *mill_chart_reason(const char *output)
{
	const char *at = NULL, *next = output;

	while ((next = strstr(next, "Error: "))) {
		if (next == output || next[-1] == '\n')
			at = next;
		next++;
	}
	if (!at)
		return mill_xstrdup(output);
	at += strlen("Error: ");
	size_t n = strlen(at);
	while (n && (at[n - 1] == '\n' || at[n - 1] == ' '))
		n--;
	return mill_xstrndup(at, n);
}
