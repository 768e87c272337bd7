/* Taking a chart of the cluster's layer away again: exactly what we made, in the order in which it can go. */
#include "base/json.h"
#include "base/proc.h"
#include "chart/layer.h"
#include "chart/layer_call.h"

/* ---- CRDs and what is of their kinds ---- */

/* Names of the CRDs that go with the release: those that we labelled, and those that Helm holds for it. */
static int find_crds(const struct mill_layer *l, const struct mill_chart_release *rel, struct mill_strv *ret, struct mill_error *err)
{
	_cleanup_strbuf_ struct mill_strbuf text = MILL_STRBUF_INIT_MAX((size_t)64 << 20);
	_cleanup_json_ json_t *list = NULL;
	json_t *crd;
	size_t i;
	int r = mill_layer_call(l, MILL_LAYER_WORDS("get", "customresourcedefinitions", "--output=json"), NULL, false, &text, err);

	r = r < 0 ? r : mill_json_parse("kubectl's answer", text.data, text.len, &list, err);
	if (r < 0)
		return r;
	json_array_foreach(json_object_get(list, "items"), i, crd) {
		const json_t *metadata = json_object_get(crd, "metadata"), *notes = json_object_get(metadata, "annotations");
		bool labelled = mill_streq(mill_json_get_string(json_object_get(metadata, "labels"), MILL_LAYER_LABEL, NULL), rel->name);
		bool helms = mill_streq(mill_json_get_string(notes, "meta.helm.sh/release-name", NULL), rel->name) &&
			     mill_streq(mill_json_get_string(notes, "meta.helm.sh/release-namespace", NULL), rel->own_namespace);

		if (labelled || helms)
			mill_strv_add(ret, mill_json_get_string(metadata, "name", ""));
	}
	return 0;
}

/* One line of find_instances(): of the release itself, or made of something that is listed on its own. */
static bool is_own(const struct mill_chart_release *rel, const struct mill_strv *words)
{
	return mill_streq(words->items[3], rel->name) || !mill_streq(words->items[6], "<none>") ||
	       (mill_streq(words->items[4], rel->name) && mill_streq(words->items[5], rel->own_namespace));
}

/* Objects of its kinds: CRDs that have some, and "Kafka default events" for each that others made. */
static int find_instances(const struct mill_layer *l, const struct mill_chart_release *rel, const struct mill_strv *crds, struct mill_strv *ret_used,
			  struct mill_strv *ret_theirs, struct mill_error *err)
{
	for (size_t i = 0; i < crds->n; i++) {
		_cleanup_strbuf_ struct mill_strbuf text = MILL_STRBUF_INIT_MAX((size_t)16 << 20);
		_cleanup_strv_ struct mill_strv lines = {0};
		int r = mill_layer_call(l, MILL_LAYER_WORDS("get", crds->items[i], "--all-namespaces", "--ignore-not-found", "--no-headers",
							    "--output=custom-columns=K:.kind,NS:.metadata.namespace,N:.metadata.name,"
							    "L:.metadata.labels.data-mill\\.io/layer,R:.metadata.annotations.meta\\.helm\\.sh/release-name,"
							    "RN:.metadata.annotations.meta\\.helm\\.sh/release-namespace,O:.metadata.ownerReferences[0].kind"),
					NULL, false, &text, err);

		if (r < 0)
			return r;
		mill_strv_split(&lines, text.data, "\n");
		if (lines.n)
			mill_strv_add(ret_used, crds->items[i]);
		for (size_t k = 0; k < lines.n; k++) {
			_cleanup_strv_ struct mill_strv words = {0};

			mill_strv_split(&words, lines.items[k], " ");
			if (words.n >= 7 && !is_own(rel, &words))
				mill_strv_addf(ret_theirs, "%s %s %s", words.items[0], words.items[1], words.items[2]);
		}
	}
	return 0;
}

static int refuse_instances(const struct mill_chart_release *rel, const struct mill_strv *theirs, struct mill_error *err)
{
	_cleanup_free_ char *list = mill_strv_join(theirs, "\n");

	mill_fail(err, EBUSY, "%s: %zu object%s of its kinds exist%s, and would go with it", rel->component->name, theirs->n,
		  theirs->n == 1 ? "" : "s", theirs->n == 1 ? "s" : "");
	mill_error_detail(err, list);
	return mill_error_hint(err, "remove them first, or say --force");
}

/* The operator ends what it made of them before it goes itself. */
static int remove_instances(const struct mill_layer *l, const struct mill_strv *used, struct mill_error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < used->n; i++)
		r = mill_layer_call(l, MILL_LAYER_WORDS("delete", used->items[i], "--all", "--all-namespaces", "--timeout=120s"), NULL, false, NULL, err);
	return r;
}

static int remove_crds(const struct mill_layer *l, const struct mill_strv *crds, struct mill_error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < crds->n; i++)
		r = mill_layer_call(l, MILL_LAYER_WORDS("delete", "customresourcedefinition", crds->items[i], "--ignore-not-found", "--timeout=120s"),
				    NULL, false, NULL, err);
	return r;
}

/* ---- the release and what we applied beside it ---- */
static int remove_release(const struct mill_layer *l, const struct mill_chart_release *rel, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};

	if (!rel->chart->name)
		return 0;
	mill_layer_say(l, "helm uninstall %s", rel->name);
	mill_chart_argv_uninstall(&l->helm, rel, &argv);
	return mill_layer_run(l, &argv, NULL, false, NULL, err);
}

enum part { PART_OBJECTS, PART_SECRETS, PART_ELSEWHERE /* CRDs and namespaces go by their own rules */ };

static enum part part_of(const json_t *entry)
{
	const char *kind = mill_json_get_string(entry, "kind", "");

	if (mill_streq(kind, "CustomResourceDefinition") || mill_streq(kind, "Namespace"))
		return PART_ELSEWHERE;
	return mill_streq(kind, "Secret") ? PART_SECRETS : PART_OBJECTS;
}

/* What was found of them, in this order. */
static int remove_list(const struct mill_layer *l, const json_t *ours, const char *what, struct mill_error *err)
{
	_cleanup_strbuf_ struct mill_strbuf text = MILL_STRBUF_INIT_MAX((size_t)4 << 20);
	_cleanup_json_ json_t *list = json_pack("{s:s, s:s, s:O}", "apiVersion", "v1", "kind", "List", "items", ours);
	size_t n = json_array_size(ours);

	if (!n)
		return 0;
	mill_layer_say(l, "%zu object%s %s", n, n == 1 ? "" : "s", what);
	mill_json_file_text(list, &text);
	return mill_layer_call(l, MILL_LAYER_WORDS("delete", "--filename=-", "--ignore-not-found", "--timeout=120s"), text.data, false, NULL, err);
}

/* Those of the record that still carry our label, the last one first. */
static int remove_recorded(const struct mill_layer *l, const struct mill_chart_release *rel, const json_t *record, enum part part,
			   struct mill_error *err)
{
	_cleanup_json_ json_t *some = json_array(), *ours = NULL;
	int r;

	for (size_t i = json_array_size(record); i > 0; i--)
		if (part_of(json_array_get(record, i - 1)) == part)
			json_array_append(some, json_array_get(record, i - 1));
	r = mill_layer_owned(l, rel, some, NULL, &ours, err);
	return r < 0 ? r : remove_list(l, ours, "beside it", err);
}

/* Helm leaves what the hooks of a release made: all of it when an install was interrupted. */
static int find_hooks(const struct mill_layer *l, const struct mill_chart_release *rel, json_t **ret, struct mill_error *err)
{
	_cleanup_strbuf_ struct mill_strbuf text = MILL_STRBUF_INIT_MAX((size_t)64 << 20);
	_cleanup_json_ json_t *crds = json_array(), *rest = json_array();
	_cleanup_strv_ struct mill_strv argv = {0};
	int r;

	mill_chart_argv_hooks(&l->helm, rel, &argv);
	r = rel->chart->name ? mill_layer_run(l, &argv, NULL, true, &text, err) : 0;
	if (r < 0 && r != -EIO)
		return r;
	if (r == 0 && strstr(text.data, "apiVersion")) /* -EIO: there is no such release */
		r = mill_layer_parse(l, rel, text.data, crds, rest, err);
	else
		r = 0;
	if (r == 0)
		*ret = MILL_TAKE(rest);
	return r;
}

static int remove_hooks(const struct mill_layer *l, const struct mill_chart_release *rel, const json_t *hooks, const char *since,
			struct mill_error *err)
{
	_cleanup_json_ json_t *ours = NULL;
	int r = since ? mill_layer_owned(l, rel, hooks, since, &ours, err) : 0;

	return r < 0 || !since ? r : remove_list(l, ours, "of its hooks", err);
}

/* ---- namespaces ---- */

/* "Secret/auth" of what is left in a namespace, but for what the cluster itself puts into each. */
static int find_left(const struct mill_layer *l, const char *name, struct mill_strv *ret, struct mill_error *err)
{
	static const char *const clusters[] = {"Event", "Lease", "Endpoints", "EndpointSlice", "PodMetrics"};
	_cleanup_free_ char *where = mill_xasprintf("--namespace=%s", name), *all = NULL;
	_cleanup_strbuf_ struct mill_strbuf kinds = MILL_STRBUF_INIT_MAX((size_t)1 << 20), text = MILL_STRBUF_INIT_MAX((size_t)16 << 20);
	_cleanup_strv_ struct mill_strv resources = {0}, lines = {0};
	int r = mill_layer_call(l, MILL_LAYER_WORDS("api-resources", "--namespaced", "--verbs=list", "--output=name"), NULL, true, &kinds, err);

	mill_strv_split(&resources, kinds.data, "\n");
	if (!resources.n)
		return r < 0 ? mill_fail(err, EIO, "kubectl api-resources: no answer") : 0;
	all = mill_strv_join(&resources, ",");
	r = mill_layer_call(l, MILL_LAYER_WORDS("get", all, where, "--ignore-not-found", "--no-headers",
						"--output=custom-columns=K:.kind,N:.metadata.name,O:.metadata.ownerReferences[0].kind"),
			    NULL, false, &text, err);
	mill_strv_split(&lines, text.data, "\n");
	for (size_t i = 0; r == 0 && i < lines.n; i++) {
		_cleanup_strv_ struct mill_strv words = {0};
		bool skip = false;

		mill_strv_split(&words, lines.items[i], " ");
		if (words.n < 3)
			continue;
		for (size_t k = 0; k < MILL_ARRAY_LEN(clusters); k++)
			skip = skip || mill_streq(words.items[0], clusters[k]);
		skip = skip || !mill_streq(words.items[2], "<none>") || mill_streq(words.items[1], "kube-root-ca.crt") ||
		       (mill_streq(words.items[0], "ServiceAccount") && mill_streq(words.items[1], "default"));
		if (!skip)
			mill_strv_addf(ret, "%s/%s", words.items[0], words.items[1]);
	}
	return r;
}

/* Only one that we made, and only an empty one: other charts may be in it (KServe is three), and people's own things. */
static int remove_namespace(const struct mill_layer *l, const char *name, const char *label, struct mill_error *err)
{
	_cleanup_free_ char *which = mill_xasprintf("--selector=" MILL_LAYER_LABEL "=%s", label);
	_cleanup_free_ char *named = mill_xasprintf("--field-selector=metadata.name=%s", name);
	_cleanup_strbuf_ struct mill_strbuf ours = MILL_STRBUF_INIT;
	_cleanup_strv_ struct mill_strv left = {0};
	int r = mill_layer_call(l, MILL_LAYER_WORDS("get", "namespaces", which, named, "--output=name"), NULL, false, &ours, err);

	if (r == 0 && ours.len)
		r = find_left(l, name, &left, err);
	if (r < 0 || !ours.len)
		return r;
	if (left.n) {
		bool more = left.n > 5;
		_cleanup_free_ char *some = NULL;

		for (; left.n > 5; left.n--)
			free(left.items[left.n - 1]);
		left.items[left.n] = NULL;
		some = mill_strv_join(&left, ", ");
		mill_layer_say(l, "namespace %s stays: %s%s %s in it", name, some, more ? ", ..." : "", left.n == 1 ? "is" : "are");
		return 0;
	}
	mill_layer_say(l, "namespace %s", name);
	return mill_layer_call(l, MILL_LAYER_WORDS("delete", "namespace", name, "--ignore-not-found", "--timeout=180s"), NULL, false, NULL, err);
}

static int remove_namespaces(const struct mill_layer *l, const struct mill_chart_release *rel, const json_t *record, struct mill_error *err)
{
	int r = 0;

	for (size_t i = json_array_size(record); r == 0 && i > 0; i--) {
		const json_t *entry = json_array_get(record, i - 1);
		const char *name = mill_json_get_string(json_object_get(entry, "metadata"), "name", "");

		if (mill_streq(mill_json_get_string(entry, "kind", ""), "Namespace") && !mill_streq(name, rel->own_namespace))
			r = remove_namespace(l, name, rel->name, err);
	}
	return r < 0 ? r : remove_namespace(l, rel->own_namespace, rel->own_namespace, err);
}

int mill_layer_uninstall(const struct mill_layer *l, const struct mill_chart_release *rel, bool force, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv crds = {0}, used = {0}, theirs = {0};
	_cleanup_json_ json_t *record = NULL, *hooks = NULL;
	_cleanup_free_ char *since = NULL;
	enum mill_layer_owner owner;
	int r = mill_layer_owner(l, rel, &owner, err);

	if (r == 0 && owner == MILL_LAYER_THEIRS) {
		mill_layer_say(l, "not ours: it stays");
		return 0;
	}
	r = r < 0 ? r : mill_layer_record_load(l, rel, &record, &since, err);
	r = r < 0 ? r : find_hooks(l, rel, &hooks, err);
	r = r < 0 ? r : find_crds(l, rel, &crds, err);
	r = r < 0 ? r : find_instances(l, rel, &crds, &used, &theirs, err);
	if (r == 0 && theirs.n && !force)
		r = refuse_instances(rel, &theirs, err);
	r = r < 0 ? r : remove_instances(l, &used, err);
	r = r < 0 ? r : remove_recorded(l, rel, record, PART_OBJECTS, err);
	r = r < 0 ? r : remove_release(l, rel, err);
	r = r < 0 ? r : remove_hooks(l, rel, hooks, since, err);
	r = r < 0 ? r : remove_recorded(l, rel, record, PART_SECRETS, err);
	r = r < 0 ? r : remove_crds(l, &crds, err);
	r = r < 0 ? r : mill_layer_record_remove(l, rel, err);
	return r < 0 ? r : remove_namespaces(l, rel, record, err);
}
