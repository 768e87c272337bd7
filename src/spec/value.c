/* Values of a spec: strings with secrets in them, resolved for the one who needs them now. */
#include "spec/spec.h"

#include "base/io.h"
#include "base/json.h"
#include "spec/filter.h"

#define SECRET_MAX ((size_t)64 << 10)

static void wipe_free(char *p, size_t n)
{
	if (p)
		explicit_bzero(p, n);
	free(p);
}

/* `arg`: the platform's folder. */
static int read_secret(void *arg, const char *name, char **ret, struct mill_error *err)
{
	_cleanup_free_ char *path = mill_xasprintf("%s/secrets/%s", (const char *)arg, name);
	char *text = NULL;
	size_t len = 0;
	int rc = mill_read_file(path, SECRET_MAX, &text, &len, err);
	if (rc < 0)
		return mill_error_wrap(err, "secret %s", name);
	if (memchr(text, '\0', len)) {
		wipe_free(text, len);
		return mill_fail(err, EINVAL, "secret %s holds a zero byte", name);
	}
	*ret = text;
	return 0;
}

static int add_secret(const json_t *part, mill_spec_secret_fn *read, void *arg, struct mill_strbuf *out, struct mill_error *err)
{
	const char *name = mill_json_get_string(part, "secret", NULL);
	char *text = NULL;
	if (!name || !mill_path_is_inside(name))
		return mill_fail(err, EINVAL, "a part of a value is neither text nor a secret");
	int rc = read(arg, name, &text, err);
	if (rc < 0)
		return rc;
	rc = mill_filter_apply(mill_json_get_string(part, "filter", NULL), text, out, err);
	wipe_free(text, strlen(text));
	return rc;
}

int mill_spec_resolve_value_by(const json_t *value, mill_spec_secret_fn *read, void *arg, struct mill_strbuf *out, struct mill_error *err)
{
	size_t i;
	json_t *part;
	if (json_is_string(value)) {
		mill_strbuf_addstr(out, json_string_value(value));
		return 0;
	}
	if (!json_is_array(value))
		return mill_fail(err, EINVAL, "a value must be text or a list of parts");
	json_array_foreach(value, i, part)
	{
		int rc = 0;
		if (json_is_string(part))
			mill_strbuf_addstr(out, json_string_value(part));
		else
			rc = add_secret(part, read, arg, out, err);
		if (rc < 0)
			return rc;
	}
	if (out->overflow)
		return mill_fail(err, E2BIG, "a resolved value is larger than its ceiling");
	return 0;
}

int mill_spec_resolve_value(const json_t *value, const char *platform_dir, struct mill_strbuf *out,
			    struct mill_error *err)
{
	return mill_spec_resolve_value_by(value, read_secret, (void *)platform_dir, out, err);
}

int mill_spec_environment(const struct mill_spec *s, struct mill_strv *ret_env, struct mill_error *err)
{
	const char *name;
	json_t *value;
	json_object_foreach(json_object_get(s->root, "environment"), name, value)
	{
		struct mill_strbuf b = MILL_STRBUF_INIT_MAX(MILL_SPEC_VALUE_MAX);
		if (!*name || strchr(name, '='))
			return mill_fail(err, EINVAL, "environment: '%s' is not a name", name);
		mill_strbuf_printf(&b, "%s=", name);
		int rc = mill_spec_resolve_value(value, s->platform_dir, &b, err);
		if (rc == 0)
			mill_strv_add(ret_env, b.data);
		if (b.cap)
			explicit_bzero(b.data, b.len);
		mill_strbuf_release(&b);
		if (rc < 0)
			return mill_error_wrap(err, "environment.%s", name);
	}
	return 0;
}

int mill_spec_command(const struct mill_spec *s, const char *probe, struct mill_strv *ret_argv,
		      struct mill_error *err)
{
	const json_t *list = json_object_get(s->root, "command");
	const char *what = probe ? probe : "command";
	size_t i;
	json_t *item;
	if (probe)
		list = json_object_get(json_object_get(json_object_get(s->root, "probes"), probe), "command");
	if (json_array_size(list) == 0)
		return mill_fail(err, EINVAL, "%s: the command is missing or empty", what);
	json_array_foreach(list, i, item)
	{
		if (!json_is_string(item))
			return mill_fail(err, EINVAL, "%s: part %zu of the command is not text", what, i + 1);
		mill_strv_add(ret_argv, json_string_value(item));
	}
	return 0;
}
