/* Names, labels and small objects. */
#include "runtime/kubernetes/internal.h"

#include <openssl/evp.h>

#include "base/json.h"
#include "spec/filter.h"

const char *mill_kube_release(const json_t *record)
{
	return mill_json_get_string(record, "release", "");
}

/* The record says by which host name each service is reached, which is its Service's and its workload's. */
char *mill_kube_workload(const json_t *record, const char *service)
{
	const json_t *s = json_object_get(json_object_get(record, "services"), service);
	const char *host = mill_json_get_string(s, "host", NULL);

	return host ? mill_xstrdup(host) : NULL;
}

json_t *mill_kube_specs(const struct mill_plan *plan, const char *component)
{
	_cleanup_free_ char *prefix = mill_xasprintf("%s.", component);
	json_t *out = json_object(), *spec;
	const char *id;

	json_object_foreach(plan->specs, id, spec)
		if (mill_starts_with(id, prefix))
			json_object_set(out, id, spec);
	return out;
}

json_t *mill_kube_labels(const struct mill_kube *k, const char *component, const char *service)
{
	json_t *o = json_pack("{s:s, s:s}", "app.kubernetes.io/part-of", "data-mill", MILL_KUBE_LABEL, k->namespace);

	if (component)
		json_object_set_new(o, "data-mill.io/component", json_string(component));
	if (service && *service)
		json_object_set_new(o, "data-mill.io/service", json_string(service));
	return o;
}

json_t *mill_kube_meta(const struct mill_kube *k, const char *name, const char *component, const char *service)
{
	return json_pack("{s:s, s:s, s:o}", "name", name, "namespace", k->namespace, "labels",
			 mill_kube_labels(k, component, service));
}

json_t *mill_kube_secret(const struct mill_kube *k, const char *name, const char *component, const char *service, const json_t *data)
{
	json_t *encoded = json_object(), *value;
	const char *key;

	json_object_foreach((json_t *)data, key, value) {
		struct mill_strbuf text = MILL_STRBUF_INIT_MAX(8 << 20);

		(void)mill_filter_apply("base64", json_is_string(value) ? json_string_value(value) : "", &text, NULL);
		json_object_set_new(encoded, key, json_string(text.data ? text.data : ""));
		if (text.data)
			explicit_bzero(text.data, text.len);
		mill_strbuf_release(&text);
	}
	return json_pack("{s:s, s:s, s:s, s:o, s:o}", "apiVersion", "v1", "kind", "Secret", "type", "Opaque", "metadata",
			 mill_kube_meta(k, name, component, service), "data", encoded);
}

int mill_kube_decode(const char *base64, char **ret, size_t *ret_len)
{
	size_t len = strlen(base64);
	unsigned char *out = mill_xcalloc(1, len + 1);
	int n = EVP_DecodeBlock(out, (const unsigned char *)base64, (int)len);

	if (n < 0) {
		free(out);
		return -EBADMSG;
	}
	for (size_t i = len; i > 0 && base64[i - 1] == '=' && n > 0; i--)
		n--;
	out[n] = '\0';
	*ret = (char *)out;
	*ret_len = (size_t)n;
	return 0;
}
