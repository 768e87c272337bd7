/* What we made of a chart, object by object: a ConfigMap in its namespace, written before they are applied. */
#include "base/io.h"
#include "base/json.h"
#include "base/parse.h"
#include "base/proc.h"
#include "chart/layer_call.h"

#define RECORD_MAX ((size_t)1 << 20) /* of a ConfigMap */
#define OBJECTS_MAX ((size_t)64 << 20)

static const char *name_of(const json_t *object)
{
	return mill_json_get_string(json_object_get(object, "metadata"), "name", "");
}

static const char *layer_of(const json_t *object)
{
	return mill_json_get_string(json_object_get(json_object_get(object, "metadata"), "labels"), MILL_LAYER_LABEL, "");
}

/* An object reduced to what names it. */
static json_t *entry_of(const json_t *object)
{
	const json_t *metadata = json_object_get(object, "metadata");
	const char *where = mill_json_get_string(metadata, "namespace", NULL);
	json_t *entry = json_pack("{s:O, s:O, s:{s:s}}", "apiVersion", json_object_get(object, "apiVersion"), "kind",
				  json_object_get(object, "kind"), "metadata", "name", name_of(object));

	if (where)
		json_object_set_new(json_object_get(entry, "metadata"), "namespace", json_string(where));
	return entry;
}

static const json_t *find_entry(const json_t *list, const json_t *entry)
{
	_cleanup_json_ json_t *wanted = entry_of(entry);
	const json_t *one;
	size_t i;

	json_array_foreach((json_t *)list, i, one) {
		_cleanup_json_ json_t *has = entry_of(one);

		if (json_equal(has, wanted))
			return one;
	}
	return NULL;
}

/* The namespace that an object is in, said; a kind that has none says none. */
static void place(const struct mill_layer_kinds *kinds, const struct mill_chart_release *rel, json_t *object)
{
	json_t *metadata = json_object_get(object, "metadata");
	int scope = mill_layer_kind_scope(kinds, object);

	if (scope == 0)
		json_object_del(metadata, "namespace");
	else if (scope == 1 && !mill_json_get_string(metadata, "namespace", NULL))
		json_object_set_new(metadata, "namespace", json_string(rel->own_namespace));
}

static char *list_text(const json_t *items)
{
	_cleanup_json_ json_t *list = json_pack("{s:s, s:s, s:O}", "apiVersion", "v1", "kind", "List", "items", items);
	_cleanup_strbuf_ struct mill_strbuf text = MILL_STRBUF_INIT_MAX(OBJECTS_MAX);

	mill_json_file_text(list, &text);
	return mill_strbuf_steal(&text);
}

/* kubectl prints a List, one object alone, or nothing. */
static int parse_found(const struct mill_strbuf *text, json_t **ret, struct mill_error *err)
{
	_cleanup_json_ json_t *got = NULL;
	int r = text->len ? mill_json_parse("kubectl's answer", text->data, text->len, &got, err) : 0;

	if (r < 0)
		return r;
	json_t *items = json_object_get(got, "items");
	*ret = json_is_array(items) ? json_incref(items) : got ? json_pack("[O]", got) : json_array();
	return 0;
}

/* Those of the entries that exist, as the API server has them. */
static int look_up(const struct mill_layer *l, const struct mill_layer_kinds *kinds, const json_t *entries, json_t **ret, struct mill_error *err)
{
	_cleanup_strbuf_ struct mill_strbuf text = MILL_STRBUF_INIT_MAX(OBJECTS_MAX);
	_cleanup_json_ json_t *known = json_array();
	const json_t *entry;
	size_t i;
	int r;

	json_array_foreach((json_t *)entries, i, entry)
		if (mill_layer_kind_scope(kinds, entry) != -ENOENT) /* of a kind that is not there, there is nothing */
			json_array_append_new(known, entry_of(entry));
	if (!json_array_size(known)) {
		*ret = json_array();
		return 0;
	}
	_cleanup_free_ char *sent = list_text(known);
	r = mill_layer_call(l, MILL_LAYER_WORDS("get", "--filename=-", "--ignore-not-found", "--output=json"), sent, false, &text, err);
	return r < 0 ? r : parse_found(&text, ret, err);
}

/* ---- the record ---- */
static char *record_name(const struct mill_chart_release *rel)
{
	return mill_xasprintf("data-mill-layer-%s", rel->name);
}

int mill_layer_record_load(const struct mill_layer *l, const struct mill_chart_release *rel, json_t **ret, char **ret_since,
			   struct mill_error *err)
{
	_cleanup_free_ char *name = record_name(rel), *where = mill_xasprintf("--namespace=%s", rel->own_namespace);
	_cleanup_strbuf_ struct mill_strbuf text = MILL_STRBUF_INIT_MAX(2 * RECORD_MAX);
	_cleanup_json_ json_t *map = NULL;
	const char *objects, *since;
	int r = mill_layer_call(l, MILL_LAYER_WORDS("get", "configmap", name, where, "--ignore-not-found", "--output=json"), NULL, false, &text, err);

	if (r == 0 && text.len)
		r = mill_json_parse("kubectl's answer", text.data, text.len, &map, err);
	if (r < 0)
		return r;
	if (map && !mill_streq(layer_of(map), rel->name)) {
		mill_fail(err, EEXIST, "ConfigMap %s/%s is not a record of ours: it does not carry the label " MILL_LAYER_LABEL "=%s",
			  rel->own_namespace, name, rel->name);
		return mill_error_hint(err, "look at who made it, and rename it");
	}
	objects = mill_json_get_string(json_object_get(map, "data"), "objects", "[]");
	r = mill_json_parse(name, objects, strlen(objects), ret, err);
	if (r == 0 && !json_is_array(*ret)) {
		json_decref(*ret);
		*ret = NULL;
		r = mill_fail(err, EPROTO, "ConfigMap %s/%s: 'objects' is not a list", rel->own_namespace, name);
	}
	since = mill_json_get_string(json_object_get(map, "metadata"), "creationTimestamp", NULL);
	if (r == 0)
		*ret_since = since ? mill_xstrdup(since) : NULL;
	return r;
}

/* This process, as /proc tells it on this machine until the next boot. */
static char *holder(void)
{
	uint64_t start = 0;

	mill_proc_start_time(getpid(), &start);
	return mill_xasprintf("%s %d %llu", mill_boot_id(), (int)getpid(), (unsigned long long)start);
}

/* What an earlier version made and this one does not stays in it, before the rest. */
static int record_add(const struct mill_layer *l, const struct mill_chart_release *rel, const json_t *objects, bool begin, struct mill_error *err)
{
	_cleanup_strbuf_ struct mill_strbuf text = MILL_STRBUF_INIT_MAX(RECORD_MAX);
	_cleanup_free_ char *name = record_name(rel), *since = NULL, *who = holder();
	_cleanup_json_ json_t *record = NULL, *list = NULL;
	const json_t *one;
	size_t i, before;
	int r = mill_layer_record_load(l, rel, &record, &since, err);

	if (r < 0)
		return r;
	before = json_array_size(record);
	json_array_foreach((json_t *)objects, i, one)
		if (!find_entry(record, one))
			json_array_append_new(record, entry_of(one));
	if (!begin && since && json_array_size(record) == before)
		return 0;
	mill_json_file_text(record, &text);
	if (text.overflow)
		return mill_fail(err, EFBIG, "%s: the names of its objects are more than the 1 MiB of a ConfigMap", rel->name);
	list = json_pack("[{s:s, s:s, s:{s:s, s:s, s:{s:s, s:s}}, s:{s:s, s:s}}]", "apiVersion", "v1", "kind", "ConfigMap", "metadata", "name", name,
			 "namespace", rel->own_namespace, "labels", MILL_LAYER_LABEL, rel->name, "app.kubernetes.io/managed-by", "data-mill",
			 "data", "objects", text.data, "holder", who);
	return mill_layer_apply(l, list, err);
}

int mill_layer_record_begin(const struct mill_layer *l, const struct mill_chart_release *rel, struct mill_error *err)
{
	return record_add(l, rel, NULL, true, err);
}

/* 1: gone, 0: at work, -ENOENT: of another machine, or of before this boot. */
static int is_gone(const char *who)
{
	_cleanup_strv_ struct mill_strv words = {0};
	struct mill_proc p = MILL_PROC_INIT;
	uint64_t pid = 0, start = 0;

	mill_strv_split(&words, who, " ");
	if (words.n != 3 || !mill_streq(words.items[0], mill_boot_id()) || mill_parse_u64(words.items[1], &pid) < 0 ||
	    mill_parse_u64(words.items[2], &start) < 0)
		return -ENOENT;
	if (mill_proc_open((pid_t)pid, start, &p) < 0)
		return 1;
	mill_proc_release(&p);
	return 0;
}

int mill_layer_take_over(const struct mill_layer *l, const struct mill_chart_release *rel, struct mill_error *err)
{
	_cleanup_free_ char *name = record_name(rel), *where = mill_xasprintf("--namespace=%s", rel->own_namespace);
	_cleanup_free_ char *which = mill_xasprintf("--selector=owner=helm,name=%s,status in (pending-install,pending-upgrade,pending-rollback)", rel->name);
	_cleanup_strbuf_ struct mill_strbuf pending = MILL_STRBUF_INIT_MAX((size_t)1 << 16), who = MILL_STRBUF_INIT_MAX((size_t)1 << 16);
	_cleanup_strv_ struct mill_strv names = {0};
	int r = mill_layer_call(l, MILL_LAYER_WORDS("get", "secrets", where, which, "--output=name"), NULL, false, &pending, err), gone;

	mill_strv_split(&names, pending.data, "\n");
	if (r < 0 || !names.n)
		return r;
	r = mill_layer_call(l, MILL_LAYER_WORDS("get", "configmap", name, where, "--ignore-not-found", "--output=jsonpath={.data.holder}"), NULL, false,
			    &who, err);
	if (r < 0)
		return r;
	gone = is_gone(who.data);
	if (gone != 1) {
		mill_fail(err, EBUSY, "%s: another `cluster install` is at work on it%s", rel->name, gone == 0 ? "" : ", or was killed on another machine");
		return mill_error_hint(err, "wait for it; if nobody is at work: kubectl --namespace=%s delete %s", rel->own_namespace, names.items[0]);
	}
	mill_layer_say(l, "an earlier helm was killed: going on from there");
	return mill_layer_call(l, MILL_LAYER_WORDS("delete", "secrets", where, which), NULL, false, NULL, err);
}

int mill_layer_record_remove(const struct mill_layer *l, const struct mill_chart_release *rel, struct mill_error *err)
{
	_cleanup_free_ char *label = mill_xasprintf("--selector=" MILL_LAYER_LABEL "=%s", rel->name);
	_cleanup_free_ char *which = mill_xasprintf("--field-selector=metadata.name=data-mill-layer-%s", rel->name);
	_cleanup_free_ char *where = mill_xasprintf("--namespace=%s", rel->own_namespace);

	return mill_layer_call(l, MILL_LAYER_WORDS("delete", "configmap", where, label, which, "--ignore-not-found"), NULL, false, NULL, err);
}

/* ---- whose an object is ---- */
static bool is_shared(const json_t *object)
{
	const char *kind = mill_json_get_string(object, "kind", "");

	return mill_streq(kind, "Namespace") || mill_streq(kind, "CustomResourceDefinition") || mill_streq(kind, "Secret");
}

static void describe(const json_t *object, struct mill_strbuf *out)
{
	const char *where = mill_json_get_string(json_object_get(object, "metadata"), "namespace", NULL);

	mill_strbuf_printf(out, "%s %s%s%s", mill_json_get_string(object, "kind", "?"), where ? where : "", where ? "/" : "", name_of(object));
}

static int refuse(const struct mill_chart_release *rel, size_t n, const struct mill_strbuf *theirs, struct mill_error *err)
{
	mill_fail(err, EEXIST, "%s: %zu object%s of these names %s there and not ours, and nothing was applied over %s", rel->name, n,
		  n == 1 ? "" : "s", n == 1 ? "is" : "are", n == 1 ? "it" : "them");
	mill_error_detail(err, theirs->data);
	return mill_error_hint(err, "remove or rename what is there, or give the component another `release` in the flavour");
}

int mill_layer_claim(const struct mill_layer *l, const struct mill_chart_release *rel, const json_t *objects, json_t **ret_ours,
		     struct mill_error *err)
{
	_cleanup_strbuf_ struct mill_strbuf theirs = MILL_STRBUF_INIT_MAX((size_t)1 << 20);
	_cleanup_kinds_ struct mill_layer_kinds kinds = {0};
	_cleanup_json_ json_t *all = json_deep_copy(objects), *found = NULL, *ours = json_array();
	size_t i, n = 0;
	json_t *one;
	int r = mill_layer_kinds_load(l, &kinds, err);

	json_array_foreach(all, i, one)
		place(&kinds, rel, one);
	r = r < 0 ? r : look_up(l, &kinds, all, &found, err);
	if (r < 0)
		return r;
	json_array_foreach(all, i, one) {
		const json_t *there = find_entry(found, one);

		if (!there || mill_streq(layer_of(there), rel->name)) {
			json_t *metadata = json_object_get(one, "metadata"), *labels = json_object_get(metadata, "labels");

			if (!json_is_object(labels))
				json_object_set_new(metadata, "labels", labels = json_object());
			json_object_set_new(labels, MILL_LAYER_LABEL, json_string(rel->name));
			json_array_append(ours, one);
		} else if (is_shared(one)) {
			_cleanup_strbuf_ struct mill_strbuf text = MILL_STRBUF_INIT;

			describe(one, &text);
			mill_layer_say(l, "%s is there and not ours: used as it is", text.data);
		} else {
			describe(one, &theirs);
			mill_strbuf_addch(&theirs, '\n');
			n++;
		}
	}
	r = n ? refuse(rel, n, &theirs, err) : record_add(l, rel, ours, false, err);
	if (r == 0)
		*ret_ours = MILL_TAKE(ours);
	return r;
}

int mill_layer_apply(const struct mill_layer *l, const json_t *objects, struct mill_error *err)
{
	if (!json_array_size(objects))
		return 0;
	_cleanup_free_ char *text = list_text(objects);

	return mill_layer_call(l, MILL_LAYER_WORDS("apply", "--server-side", "--force-conflicts", "--field-manager=data-mill", "--filename=-"), text,
			       false, NULL, err);
}

static bool is_younger(const json_t *object, const char *since)
{
	return strcmp(mill_json_get_string(json_object_get(object, "metadata"), "creationTimestamp", ""), since) >= 0;
}

int mill_layer_owned(const struct mill_layer *l, const struct mill_chart_release *rel, const json_t *entries, const char *since, json_t **ret,
		     struct mill_error *err)
{
	_cleanup_kinds_ struct mill_layer_kinds kinds = {0};
	_cleanup_json_ json_t *all = json_deep_copy(entries), *found = NULL, *ours = json_array();
	json_t *entry;
	size_t i;
	int r = mill_layer_kinds_load(l, &kinds, err);

	json_array_foreach(all, i, entry)
		place(&kinds, rel, entry);
	r = r < 0 ? r : look_up(l, &kinds, all, &found, err);
	if (r < 0)
		return r;
	json_array_foreach(all, i, entry) {
		const json_t *there = find_entry(found, entry);

		if (there && (since ? is_younger(there, since) : mill_streq(layer_of(there), rel->name)))
			json_array_append_new(ours, entry_of(entry));
	}
	*ret = MILL_TAKE(ours);
	return 0;
}
