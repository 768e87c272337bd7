/* What people and their code need to connect: credentials, environment, a provider's values. */
#include <ctype.h>

#include "runtime/native/ops.h"

#include "base/json.h"
#include "runtime/native/remote.h"
#include "runtime/native/context.h"
#include "secret/secret.h"

/* ---- credentials ---- */

static int add_secrets(struct mill_native *n, const char *component, const json_t *record, json_t *o,
		       struct mill_error *err)
{
	json_t *values = json_object();
	json_object_set_new(o, "secrets", values);
	size_t i;
	json_t *secret;
	json_array_foreach(json_object_get(record, "secrets"), i, secret) {
		const char *name = mill_json_get_string(secret, "name", "");
		char *value = NULL;
		int r = mill_secret_read(n->p, component, name, &value, err);
		if (r < 0)
			return r;
		json_object_set_new(values, name, json_string(value));
		mill_secret_free(value);
	}
	return 0;
}

static json_t *links_with_passwords(const json_t *record, const json_t *secrets)
{
	json_t *links = json_array();
	size_t i;
	json_t *link;
	json_array_foreach(json_object_get(record, "links"), i, link) {
		json_t *copy = json_deep_copy(link);
		const char *secret = mill_json_get_string(link, "secret", NULL);
		const char *value = secret ? mill_json_get_string(secrets, secret, NULL) : NULL;
		if (value)
			json_object_set_new(copy, "password", json_string(value));
		json_array_append_new(links, copy);
	}
	return links;
}

static int credentials_of(struct mill_native *n, const char *component, const json_t *record, json_t **ret,
			  struct mill_error *err)
{
	json_t *provides = NULL;
	_cleanup_wipe_ json_t *o = json_pack("{s:s, s:s}", "component", component, "title",
					     mill_json_get_string(record, "title", component));
	int r = add_secrets(n, component, record, o, err);
	if (r == 0)
		r = mill_native_resolve(n, json_object_get(record, "provides"), &provides, err);
	if (r < 0)
		return r;
	json_object_set_new(o, "provides", json_is_object(provides) ? json_incref(provides) : json_object());
	json_decref(provides);
	json_object_set_new(o, "links", links_with_passwords(record, json_object_get(o, "secrets")));
	json_object_set_new(o, "open", json_deep_copy(json_object_get(record, "open")));
	*ret = MILL_TAKE(o);
	return 0;
}

int mill_ops_credentials(struct mill_native *n, const char *component, json_t **ret, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv names = {0};
	const json_t *record = NULL;
	int r = 0;
	if (component) {
		r = mill_native_record(n, component, &record, err);
		mill_strv_add(&names, component);
	} else {
		r = mill_native_components(n, &names, err);
	}
	_cleanup_wipe_ json_t *list = json_array();
	for (size_t i = 0; i < names.n && r == 0; i++) {
		json_t *o = NULL;
		r = mill_native_record(n, names.items[i], &record, err);
		if (r == 0 && !component && json_array_size(json_object_get(record, "secrets")) == 0 &&
		    json_array_size(json_object_get(record, "open")) == 0)
			continue;
		if (r == 0)
			r = credentials_of(n, names.items[i], record, &o, err);
		if (r == 0)
			json_array_append_new(list, o);
	}
	if (r == 0)
		*ret = MILL_TAKE(list);
	return r;
}

/* ---- env ---- */

static int by_key(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static json_t *sorted(const json_t *o)
{
	size_t count = json_object_size(o), i = 0;
	const char **keys = mill_xcalloc(count + 1, sizeof(*keys)), *key;
	json_t *value, *out = json_object();
	json_object_foreach((json_t *)o, key, value)
		keys[i++] = key;
	qsort(keys, count, sizeof(*keys), by_key);
	for (i = 0; i < count; i++)
		json_object_set(out, keys[i], json_object_get(o, keys[i]));
	free(keys);
	return out;
}

/* Every component's own, under what the planner settled where several set a name. */
int mill_ops_env(struct mill_native *n, json_t **ret, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv names = {0};
	_cleanup_json_ json_t *all = json_object();
	_cleanup_json_ json_t *resolved = NULL; /* its strings live on in the result */
	int r = mill_native_components(n, &names, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < names.n; i++)
		json_object_update(all, json_object_get(json_object_get(n->records, names.items[i]), "environment"));
	json_t *settled = json_object_get(n->p->record, "environment");
	if (json_is_object(settled))
		json_object_update(all, settled);
	r = mill_native_resolve(n, all, &resolved, err);
	if (r == 0)
		*ret = sorted(resolved);
	return r;
}

static void print_sh(const char *name, const char *value, struct mill_strbuf *out)
{
	mill_strbuf_printf(out, "export %s='", name);
	for (; *value; value++) {
		if (*value == '\'')
			mill_strbuf_addstr(out, "'\\''");
		else
			mill_strbuf_addch(out, *value);
	}
	mill_strbuf_addstr(out, "'\n");
}

static void print_dotenv(const char *name, const char *value, struct mill_strbuf *out)
{
	mill_strbuf_printf(out, "%s=\"", name);
	for (; *value; value++) {
		if (*value == '\n') {
			mill_strbuf_addstr(out, "\\n");
			continue;
		}
		if (strchr("\\\"$`", *value))
			mill_strbuf_addch(out, '\\');
		mill_strbuf_addch(out, *value);
	}
	mill_strbuf_addstr(out, "\"\n");
}

/* What a shell would take for something else than a name is left out: it cannot be exported. */
static bool is_name(const char *s)
{
	if (!isalpha((unsigned char)*s) && *s != '_')
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && *s != '_')
			return false;
	return true;
}

void mill_env_print(const json_t *env, enum mill_env_format format, struct mill_strbuf *out)
{
	const char *name;
	json_t *value;
	if (format == MILL_ENV_JSON) {
		struct mill_json_writer w;
		mill_json_writer_init(&w, out, true);
		mill_json_value(&w, env);
		mill_strbuf_addch(out, '\n');
		return;
	}
	json_object_foreach((json_t *)env, name, value) {
		if (!json_is_string(value) || !is_name(name))
			continue;
		if (format == MILL_ENV_SH)
			print_sh(name, json_string_value(value), out);
		else
			print_dotenv(name, json_string_value(value), out);
	}
}

/* ---- providers ---- */

/* Who the components that need it are bound to; else whoever provides it, the first by name. */
char *mill_ops_provider(struct mill_native *n, const char *capability)
{
	_cleanup_strv_ struct mill_strv names = {0};
	const char *found = NULL;
	if (mill_native_components(n, &names, NULL) < 0)
		return NULL;
	for (size_t i = 0; i < names.n; i++) {
		const json_t *record = json_object_get(n->records, names.items[i]);
		const char *bound = mill_json_get_string(
			json_object_get(json_object_get(record, "requires"), capability), "provider", NULL);
		if (bound && json_object_get(n->records, bound))
			return mill_xstrdup(bound);
		if (!found && json_object_get(json_object_get(record, "provides"), capability))
			found = names.items[i];
	}
	return found ? mill_xstrdup(found) : NULL;
}

int mill_ops_reach(struct mill_native *n, const char *url, char **ret, struct mill_error *err)
{
	if (n->remote)
		return n->remote->reach(n->remote_arg, url, ret, err);
	*ret = mill_xstrdup(url);
	return 0;
}

int mill_ops_logs(struct mill_native *n, const struct mill_logs *l, struct mill_error *err)
{
	return n->remote ? n->remote->logs(n->remote_arg, l, err) : mill_logs_read(n->p, l, err);
}

int mill_ops_provides(struct mill_native *n, const char *component, const char *capability, json_t **ret,
		      struct mill_error *err)
{
	const json_t *record = NULL;
	int r = mill_native_record(n, component, &record, err);
	if (r < 0)
		return r;
	const json_t *values = json_object_get(json_object_get(record, "provides"), capability);
	if (!values)
		return mill_fail(err, ENOENT, "%s provides no %s", component, capability);
	return mill_native_resolve(n, values, ret, err);
}
