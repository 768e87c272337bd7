/*
 * From a component's record and specs to the generic chart's values
 * (helm-charts/component/values.yaml) and the Secrets that they name.  Values
 * hold no secret: what does goes, resolved, into the Secret
 * <workload>-<first digits of the fingerprint>.
 */
#include "runtime/kubernetes/internal.h"

#include "base/io.h"
#include "base/json.h"
#include "base/parse.h"
#include "runtime/native/hook_input.h"
#include "secret/secret.h"
#include "spec/place.h"
#include "spec/taint.h"

#define MIB            ((uint64_t)1 << 20)
#define MEMORY_DEFAULT (256 * MIB)

struct bundle {
	struct mill_kube *k;
	const json_t *spec, *pod;
	json_t *files;   /* of the ConfigMap */
	json_t *private; /* of the Secret */
	json_t *entry;   /* entry.json */
	unsigned count;
};

/* Owned, to be freed with mill_secret_free(). */
static int resolve(const struct mill_kube *k, const json_t *value, char **ret, struct mill_error *err)
{
	if (!k->names_only)
		return mill_native_resolve_text(k->n, value, ret, err);
	*ret = mill_xstrdup("");
	return 0;
}

static int keep_private(struct bundle *b, const char *key, const json_t *value, struct mill_error *err)
{
	char *text = NULL;
	int r = resolve(b->k, value, &text, err);

	if (r < 0)
		return r;
	json_object_set_new(b->private, key, json_string_nocheck(text));
	mill_secret_free(text);
	return 0;
}

/* ---- files ---- */

static int add_file(struct bundle *b, const json_t *file, json_t *list, struct mill_error *err)
{
	const json_t *content = json_object_get(file, "content");
	_cleanup_free_ char *key = mill_xasprintf("f%u", b->count++);
	bool tainted = mill_value_is_tainted(content);
	int r = 0;

	if (tainted)
		r = keep_private(b, key, content, err);
	else
		json_object_set_new(b->files, key, json_string(json_string_value(content)));
	json_array_append_new(list, json_pack("{s:s, s:s, s:o}", "path", mill_json_get_string(file, "path", ""), "mode",
					      mill_json_get_string(file, "mode", "0600"), "from",
					      json_sprintf("%s/%s", tainted ? "secret" : "config", key)));
	return r;
}

static json_t *add_files(struct bundle *b, const json_t *files, int *r, struct mill_error *err)
{
	json_t *list = json_array();
	const json_t *file;
	size_t i;

	json_array_foreach((json_t *)files, i, file)
		if (*r == 0)
			*r = add_file(b, file, list, err);
	return list;
}

/* ---- tasks ---- */

/* A hook gets its question on standard input and the small environment of every hook. */
static int add_question(struct bundle *b, const char *component, const char *name, json_t *task, struct mill_error *err)
{
	_cleanup_json_ json_t *request = json_pack("{s:s}", "task", name);
	struct mill_strbuf text = MILL_STRBUF_INIT_MAX(16 << 20);
	const struct mill_hook_call call = {.component = component, .hook = "task", .cancel_fd = -1};
	const char *program = json_string_value(json_array_get(json_object_get(task, "command"), 0));
	_cleanup_free_ char *key = mill_xasprintf("hook-%s", name);
	_cleanup_free_ char *bin = mill_path_dirname(program ? program : "/");
	int r = b->k->names_only ? 0 : mill_hook_input(b->k->n, &call, request, &text, err);

	if (r == 0) {
		json_object_set_new(b->private, key, json_string_nocheck(text.data ? text.data : ""));
		json_object_set_new(task, "input", json_sprintf("secret/%s", key));
		json_object_set_new(task, "environment",
				    json_pack("{s:o, s:s, s:s, s:s, s:s}", "PATH", json_sprintf("%s:/usr/local/bin:/usr/bin:/bin", bin),
					      "HOME", MILL_POD_FOLDER "/run/tmp", "TMPDIR", MILL_POD_FOLDER "/run/tmp", "LANG",
					      "C.UTF-8", "PYTHONDONTWRITEBYTECODE", "1"));
	}
	if (text.data)
		explicit_bzero(text.data, text.len);
	mill_strbuf_release(&text);
	return r;
}

static int add_environment(struct bundle *b, const char *name, const json_t *environment, json_t *task, struct mill_error *err)
{
	_cleanup_free_ char *key = mill_xasprintf("task-%s", name);
	_cleanup_wipe_ json_t *secret = json_object();
	json_t *plain = json_object(), *value;
	const char *variable;
	char *text;

	json_object_set_new(task, "environment", plain);
	json_object_foreach((json_t *)environment, variable, value) {
		int r;

		if (!mill_value_is_tainted(value)) {
			json_object_set(plain, variable, value);
			continue;
		}
		r = resolve(b->k, value, &text, err);
		if (r < 0)
			return r;
		json_object_set_new(secret, variable, json_string_nocheck(text));
		mill_secret_free(text);
	}
	if (!json_object_size(secret))
		return 0;
	text = json_dumps(secret, JSON_COMPACT);
	json_object_set_new(b->private, key, json_string_nocheck(text));
	json_object_set_new(task, "secret", json_sprintf("secret/%s", key));
	mill_secret_free(text);
	return 0;
}

static int add_task(struct bundle *b, const json_t *rendered, json_t *list, struct mill_error *err)
{
	static const char *const copied[] = {"name", "fingerprint", "command", "cwd", "timeout_ms"};
	const char *component = mill_json_get_string(b->spec, "component", "");
	const char *name = mill_json_get_string(rendered, "name", "");
	json_t *task = json_object();
	int r = 0;

	json_array_append_new(list, task);
	for (size_t i = 0; i < MILL_ARRAY_LEN(copied); i++)
		json_object_set(task, copied[i], json_object_get(rendered, copied[i]));
	json_object_set_new(task, "files", add_files(b, json_object_get(rendered, "files"), &r, err));
	if (r < 0)
		return r;
	if (mill_json_get_bool(rendered, "plain", false))
		return add_environment(b, name, json_object_get(rendered, "environment"), task, err);
	return add_question(b, component, name, task, err);
}

/* ---- probes ---- */

static json_int_t seconds(const json_t *probe, const char *key, json_int_t fallback, json_int_t least)
{
	json_int_t s = (json_int_t)((mill_json_get_int(probe, key, fallback * 1000) + 999) / 1000);

	return s < least ? least : s;
}

static bool usual_codes(const json_t *probe)
{
	const json_t *status = json_object_get(probe, "status");

	return !status || (json_integer_value(json_array_get(status, 0)) >= 200 && json_integer_value(json_array_get(status, 1)) < 400);
}

/* How kubelet asks; what it cannot ask itself, `entry ready` does. */
static json_t *ask(struct bundle *b, const json_t *probe)
{
	const char *type = mill_json_get_string(probe, "type", "");
	json_int_t port = (json_int_t)mill_json_get_int(probe, "port", 0);

	if (mill_streq(type, "tcp"))
		return json_pack("{s:{s:I}}", "tcpSocket", "port", port);
	if (mill_streq(type, "http") && usual_codes(probe))
		return json_pack("{s:{s:s, s:I}}", "httpGet", "path", mill_json_get_string(probe, "path", "/"), "port", port);
	if (mill_streq(type, "exec"))
		return json_pack("{s:{s:O}}", "exec", "command", json_object_get(probe, "command"));
	if (!mill_streq(type, "log") && !mill_streq(type, "notify") && !mill_streq(type, "http"))
		return NULL;
	json_object_set(b->entry, "ready", (json_t *)probe);
	return json_pack("{s:{s:[s, s]}}", "exec", "command", MILL_IMAGE_ENTRY, "ready");
}

static json_t *probe(struct bundle *b, const json_t *p, json_int_t period, json_int_t failures)
{
	json_t *o = ask(b, p);

	if (!o)
		return NULL;
	json_object_set_new(o, "periodSeconds", json_integer(period));
	json_object_set_new(o, "timeoutSeconds", json_integer(seconds(p, "timeout_ms", 2, 1)));
	json_object_set_new(o, "failureThreshold", json_integer(failures));
	return o;
}

static json_t *probes(struct bundle *b)
{
	const json_t *all = json_object_get(b->spec, "probes");
	const json_t *startup = json_object_get(all, "startup"), *readiness = json_object_get(all, "readiness");
	const json_t *liveness = json_object_get(all, "liveness");
	json_int_t deadline = seconds(startup, "deadline_ms", 60, 1);
	json_t *o = json_object(), *p;

	/* A pod's start includes what one machine does before: a volume is mounted, caches are cold. */
	if ((p = probe(b, startup, 1, 2 * deadline)))
		json_object_set_new(o, "startup", p);
	if ((p = probe(b, readiness, seconds(readiness, "period_ms", 5, 5), (json_int_t)mill_json_get_int(readiness, "failures", 3))))
		json_object_set_new(o, "readiness", p);
	if ((p = probe(b, liveness, seconds(liveness, "period_ms", 15, 5), (json_int_t)mill_json_get_int(liveness, "failures", 4))))
		json_object_set_new(o, "liveness", p);
	return o;
}

/* ---- one service ---- */

static int variables(struct bundle *b, json_t *list, struct mill_error *err)
{
	const char *name;
	json_t *value;

	json_object_foreach(json_object_get(b->spec, "environment"), name, value) {
		_cleanup_free_ char *key = mill_xasprintf("env-%s", name);
		int r;

		if (!mill_value_is_tainted(value)) {
			json_array_append_new(list, json_pack("{s:s, s:O}", "name", name, "value", value));
			continue;
		}
		r = keep_private(b, key, value, err);
		if (r < 0)
			return r;
		json_array_append_new(list, json_pack("{s:s, s:s}", "name", name, "key", key));
	}
	return 0;
}

static int make_entry(struct bundle *b, struct mill_error *err)
{
	static const char *const copied[] = {"v", "id", "command", "cwd", "folders", "stop", "reload"};
	const json_t *task;
	json_t *tasks = json_array();
	size_t i;
	int r = 0;

	json_object_set_new(b->entry, "v", json_integer(1));
	for (i = 1; i < MILL_ARRAY_LEN(copied); i++)
		json_object_set(b->entry, copied[i], json_object_get(b->spec, copied[i]));
	json_object_set(b->entry, "wait", json_object_get(b->pod, "wait"));
	json_object_set_new(b->entry, "files", add_files(b, json_object_get(b->spec, "files"), &r, err));
	json_object_set_new(b->entry, "tasks", tasks);
	json_array_foreach(json_object_get(b->pod, "tasks"), i, task)
		if (r == 0)
			r = add_task(b, task, tasks, err);
	return r;
}

static uint64_t least(int64_t bytes, uint64_t min)
{
	return bytes > 0 && (uint64_t)bytes > min ? (uint64_t)bytes : min;
}

static json_t *quantity(uint64_t bytes)
{
	return json_sprintf("%lluMi", (unsigned long long)((bytes + MIB - 1) / MIB));
}

static json_t *describe(struct bundle *b, const char *secret, json_t *environment)
{
	bool data = mill_json_get_bool(b->pod, "data", false), main = mill_json_get_bool(b->pod, "main", false);
	const json_t *options = json_object_get(b->pod, "options");
	uint64_t memory = least(mill_json_get_int(json_object_get(b->spec, "resources"), "memory_bytes", 0), 0);
	json_int_t replicas = main && !data ? (json_int_t)mill_json_get_int(options, "replicas", 1) : 1;
	json_t *o = json_pack("{s:s, s:s, s:I, s:s, s:o, s:O, s:O}", "name", mill_json_get_string(b->pod, "name", ""), "kind",
			      data ? "StatefulSet" : "Deployment", "replicas", replicas, "fingerprint",
			      mill_json_get_string(b->spec, "fingerprint", ""), "environment", environment, "files", b->files, "ports",
			      json_object_get(b->spec, "ports"));

	if (!memory)
		memory = MEMORY_DEFAULT;
	json_object_set_new(o, "memory", quantity(memory));
	/* The manifest's figure is what it likes to have, not what it can never pass. */
	json_object_set_new(o, "memoryLimit", quantity(2 * memory + 128 * MIB));
	if (data)
		json_object_set_new(o, "storage", quantity((uint64_t)mill_json_get_int(b->pod, "volume_bytes", 0)));
	if (json_object_size(b->private))
		json_object_set_new(o, "secret", json_string(secret));
	json_object_set_new(o, "probes", probes(b));
	json_object_set_new(o, "tasks", json_boolean(json_array_size(json_object_get(b->entry, "tasks"))));
	json_object_set_new(o, "graceSeconds", json_integer(seconds(json_object_get(b->spec, "stop"), "grace_ms", 20, 1) + 5));
	if (json_is_object(json_object_get(b->pod, "scrape")))
		json_object_set(o, "scrape", json_object_get(b->pod, "scrape"));
	if (json_object_get(b->pod, "data_folder"))
		json_object_set(o, "dataFolder", json_object_get(b->pod, "data_folder"));
	if (json_object_get(b->pod, "rules"))
		json_object_set(o, "rules", json_object_get(b->pod, "rules"));
	json_object_set_new(o, "entry", json_null()); /* its place: probes had a say in it */
	return o;
}

static int add_service(struct mill_kube *k, const json_t *spec, json_t *services, json_t *secrets, struct mill_error *err)
{
	struct bundle b = {.k = k, .spec = spec, .pod = json_object_get(spec, "pod"), .files = json_object(),
			   .private = json_object(), .entry = json_object()};
	const char *component = mill_json_get_string(spec, "component", ""), *service = mill_json_get_string(spec, "service", "");
	/* One a fingerprint: what a rollback goes back to still has its own. */
	_cleanup_free_ char *secret = mill_xasprintf("%s-%.8s", mill_json_get_string(b.pod, "name", ""),
						     mill_json_get_string(spec, "fingerprint", ""));
	json_t *environment = json_array(), *o;
	int r = variables(&b, environment, err);

	if (r == 0)
		r = make_entry(&b, err);
	o = describe(&b, secret, environment);
	if (r == 0) {
		char *text = json_dumps(b.entry, JSON_INDENT(1));

		json_object_set_new(o, "entry", json_string(text));
		free(text);
		if (json_object_size(b.private))
			json_array_append_new(secrets, mill_kube_secret(k, secret, component, service, b.private));
		json_object_set(services, service, o);
	} else {
		mill_error_wrap(err, "%s.%s", component, service);
	}
	json_decref(o);
	json_decref(b.files);
	json_decref(b.entry);
	mill_native_wipe(b.private);
	return r;
}

/* ---- the component ---- */

static json_t *placement(const json_t *options)
{
	static const struct {
		const char *ours, *chart;
	} names[] = {{"storage_class", "storageClass"}, {"node_selector", "nodeSelector"}, {"tolerations", "tolerations"},
		     {"labels", "labels"}, {"priority_class", "priorityClass"}};
	json_t *o = json_object();

	for (size_t i = 0; i < MILL_ARRAY_LEN(names); i++)
		if (json_object_get(options, names[i].ours))
			json_object_set(o, names[i].chart, json_object_get(options, names[i].ours));
	return o;
}

/* The Secret that has the release's name: what people read with kubectl. */
static int release_secret(struct mill_kube *k, const char *component, const json_t *record, json_t *secrets, struct mill_error *err)
{
	const json_t *wanted = json_object_get(record, "release_secret");
	json_t *resolved = NULL;
	int r;

	if (!json_object_size(wanted))
		return 0;
	if (k->names_only)
		resolved = json_deep_copy(wanted);
	r = resolved ? 0 : mill_native_resolve(k->n, wanted, &resolved, err);
	if (r == 0)
		json_array_append_new(secrets, mill_kube_secret(k, mill_kube_release(record), component, NULL, resolved));
	mill_native_wipe(resolved);
	return r;
}

int mill_kube_values(struct mill_kube *k, const char *component, const json_t *specs, json_t **ret_values, json_t *secrets,
		     struct mill_error *err)
{
	const json_t *record = NULL, *spec, *options = NULL;
	json_t *services = json_object();
	const char *id;
	int r = mill_native_record(k->n, component, &record, err);

	if (r == 0)
		r = release_secret(k, component, record, secrets, err);
	json_object_foreach((json_t *)specs, id, spec)
		if (r == 0) {
			options = json_object_get(json_object_get(spec, "pod"), "options");
			r = add_service(k, spec, services, secrets, err);
		}
	if (r < 0) {
		json_decref(services);
		return r;
	}
	*ret_values = json_pack("{s:s, s:s, s:s, s:{s:o, s:s}, s:o, s:o}", "component", component, "version",
				mill_json_get_string(record, "version", ""), "platform", k->namespace, "image", "reference",
				json_sprintf("%s/%s", k->registry, mill_json_get_string(record, "image", "")), "pullSecret",
				k->pull_secret ? k->pull_secret : "", "pod", placement(options), "services", services);
	return 0;
}
