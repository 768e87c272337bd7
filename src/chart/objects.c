/* Text for kubectl's standard input and Helm's values file. */
#include "base/io.h"
#include "base/json.h"
#include "chart/chart.h"
#include "spec/filter.h"

static void label(json_t *object, const struct mill_chart_release *rel, const struct mill_chart_where *w)
{
	json_t *metadata = json_object_get(object, "metadata");
	json_t *labels = json_object_get(metadata, "labels");
	_cleanup_json_ json_t *ours = json_pack(
		"{s:s, s:s, s:s}", "app.kubernetes.io/managed-by", w->managed_by ? w->managed_by : "data-mill",
		"app.kubernetes.io/component", rel->component->name, "app.kubernetes.io/instance", rel->name);

	if (w->labels)
		json_object_update(ours, (json_t *)w->labels);
	if (w->platform)
		json_object_set_new(ours, "app.kubernetes.io/part-of", json_string(w->platform));
	if (w->layer)
		json_object_set_new(ours, "data-mill.io/layer", json_string(w->layer));
	if (!json_is_object(labels)) {
		labels = json_object();
		json_object_set_new(metadata, "labels", labels);
	}
	json_object_update_missing(labels, ours);
	if (w->name_space)
		json_object_set_new(metadata, "namespace", json_string(w->name_space));
}

static int list_text(json_t *items, struct mill_strbuf *out, struct mill_error *err)
{
	_cleanup_json_ json_t *list = json_pack("{s:s, s:s, s:O}", "apiVersion", "v1", "kind", "List", "items", items);

	mill_json_file_text(list, out);
	return out->overflow ? mill_fail(err, EFBIG, "objects of more than 8 MiB") : 0;
}

json_t *mill_chart_objects(const struct mill_chart_release *rel, const struct mill_chart_where *w)
{
	json_t *items = json_deep_copy(rel->objects), *o;
	size_t i;

	json_array_foreach(items, i, o)
		label(o, rel, w);
	return items;
}

int mill_chart_objects_text(const struct mill_chart_release *rel, const struct mill_chart_where *w, struct mill_strbuf *out,
			    struct mill_error *err)
{
	_cleanup_json_ json_t *items = mill_chart_objects(rel, w);

	return json_array_size(items) ? list_text(items, out, err) : 0;
}

void mill_chart_text_wipe(struct mill_strbuf *text)
{
	explicit_bzero(text->data, text->len);
	mill_strbuf_release(text);
}

/* JSON is written straight into `out`: no copy of a value stays behind in a tree. */
static int put_secret(const struct mill_chart_release *rel, const json_t *secret, const struct mill_chart_where *w,
		      mill_chart_resolve_fn *resolve, void *arg, struct mill_json_writer *out, struct mill_error *err)
{
	_cleanup_json_ json_t *shell = json_pack("{s:{s:O}}", "metadata", "name", json_object_get(secret, "name"));
	const char *key;
	json_t *value;
	int r = 0;

	label(shell, rel, w);
	mill_json_begin_object(out);
	mill_json_kv_string(out, "apiVersion", "v1");
	mill_json_kv_string(out, "kind", "Secret");
	mill_json_kv_string(out, "type", "Opaque");
	mill_json_key(out, "metadata");
	mill_json_value(out, json_object_get(shell, "metadata"));
	mill_json_key(out, "data");
	mill_json_begin_object(out);
	json_object_foreach(json_object_get(secret, "keys"), key, value) {
		struct mill_strbuf text = MILL_STRBUF_INIT_MAX((size_t)1 << 20), coded = MILL_STRBUF_INIT;

		r = resolve(arg, value, &text, err);
		if (r == 0 && (r = mill_filter_apply("base64", text.data, &coded, err)) == 0)
			mill_json_kv_string(out, key, coded.data);
		mill_chart_text_wipe(&text);
		mill_chart_text_wipe(&coded);
		if (r < 0)
			break;
	}
	mill_json_end_object(out);
	mill_json_end_object(out);
	return r < 0 ? mill_error_wrap(err, "Secret %s", json_string_value(json_object_get(secret, "name"))) : 0;
}

int mill_chart_secrets_text(const struct mill_chart_release *rel, const struct mill_chart_where *w,
			    mill_chart_resolve_fn *resolve, void *arg, struct mill_strbuf *out, struct mill_error *err)
{
	struct mill_json_writer writer;
	size_t i;
	json_t *secret;
	int r = 0;

	if (!json_array_size(rel->secrets))
		return 0;
	mill_json_writer_init(&writer, out, true);
	mill_json_begin_object(&writer);
	mill_json_kv_string(&writer, "apiVersion", "v1");
	mill_json_kv_string(&writer, "kind", "List");
	mill_json_key(&writer, "items");
	mill_json_begin_array(&writer);
	json_array_foreach(rel->secrets, i, secret) {
		r = put_secret(rel, secret, w, resolve, arg, &writer, err);
		if (r < 0)
			return r;
	}
	mill_json_end_array(&writer);
	mill_json_end_object(&writer);
	mill_strbuf_addch(out, '\n');
	return out->overflow ? mill_fail(err, EFBIG, "Secrets of more than %zu bytes", out->max) : 0;
}
