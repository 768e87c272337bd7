#include "fake_host.h"

#include "base/hash.h"
#include "base/json.h"
#include "base/parse.h"

static struct fake_host *self(const struct mill_plan_host *h)
{
	return h->arg;
}

static json_t *section(const struct fake_host *f, const char *name)
{
	return json_object_get(f->config, name);
}

static int store_key(void *arg, const json_t *recipe, char **ret_key, struct mill_error *err)
{
	*ret_key = mill_xasprintf("k-%s-%s", mill_json_get_string(recipe, "name", "x"),
				  mill_json_get_string(recipe, "version", "0"));
	return 0;
}

static bool store_has(void *arg, const char *key)
{
	const struct fake_host *f = arg;
	const json_t *have = section(f, "store_has"), *name;
	size_t i;

	if (!json_is_array(have))
		return json_is_true(have);
	json_array_foreach((json_t *)have, i, name) {
		size_t n = strlen(json_string_value(name));

		if (!strncmp(key + 2, json_string_value(name), n) && key[2 + n] == '-')
			return true;
	}
	return false;
}

static int toolchain(void *arg, const char *want, struct mill_toolchain_at *ret, struct mill_error *err)
{
	const struct fake_host *f = arg;

	if (json_is_true(section(f, "missing_toolchains"))) {
		mill_fail(err, ENOENT, "this machine has none");
		return mill_error_hint(err, "install a JRE");
	}
	*ret = (struct mill_toolchain_at){.key = mill_xstrdup("k-toolchain-1"), .dir = mill_xstrdup("/store/k-toolchain-1"),
					  .recipe = json_pack("{s:s, s:s}", "name", want, "version", "1")};
	return 0;
}

static json_t *tools_recipe(void *arg)
{
	return json_pack("{s:s, s:s}", "name", "tools", "version", "1");
}

static void observe(void *arg, const char *id, struct mill_observed *ret)
{
	const struct fake_host *f = arg;
	const json_t *said = json_object_get(section(f, "observed"), id), *o = json_object_get(f->observed, id);

	*ret = (struct mill_observed){0};
	snprintf(ret->state, sizeof(ret->state), "%s",
		 mill_json_get_string(said, "state", mill_json_get_string(o, "state", "")));
	snprintf(ret->reason, sizeof(ret->reason), "%s", mill_json_get_string(said, "reason", ""));
	snprintf(ret->fingerprint, sizeof(ret->fingerprint), "%s",
		 mill_json_get_string(said, "fingerprint", mill_json_get_string(o, "fingerprint", "")));
}

static json_t *find(const json_t *from, const char *id)
{
	return json_incref(json_object_get(from, id));
}
static json_t *spec(const struct mill_plan_host *h, const char *id, json_t *wanted)
{
	(void)wanted;
	return find(self(h)->specs, id);
}
static json_t *applied(const struct mill_plan_host *h, const char *id)
{
	return find(self(h)->applied, id);
}
static json_t *data(const struct mill_plan_host *h, const char *id)
{
	return find(section(self(h), "data"), id);
}
static json_t *record(const struct mill_plan_host *h, const char *component)
{
	return find(self(h)->records, component);
}

static unsigned secret_version(const struct mill_plan_host *h, const char *component, const char *name)
{
	_cleanup_free_ char *key = mill_xasprintf("%s/%s", component, name);

	return (unsigned)mill_json_get_int(section(self(h), "secrets"), key, 0);
}

static char *port_holder(const struct mill_plan_host *h, uint16_t port)
{
	char key[8];
	const char *who;

	snprintf(key, sizeof(key), "%u", port);
	who = mill_json_get_string(section(self(h), "taken_ports"), key, NULL);
	return who ? mill_xstrdup(who) : NULL;
}

static bool is_free(const struct mill_plan_host *h, unsigned port)
{
	_cleanup_free_ char *holder = port_holder(h, (uint16_t)port);
	const char *key;
	json_t *v;

	json_object_foreach(h->platform->ports, key, v)
		if (json_integer_value(v) == (json_int_t)port)
			return false;
	return !holder;
}

static int assign(const struct mill_plan_host *h, const char *key, uint16_t preferred, uint16_t pinned, uint16_t *ret_port,
		  bool *ret_moved, struct mill_error *err)
{
	unsigned port = pinned ? pinned : preferred;
	json_t *recorded = json_object_get(h->platform->ports, key);

	*ret_moved = false;
	if (recorded) {
		*ret_port = (uint16_t)json_integer_value(recorded);
		return 0;
	}
	if (pinned && !is_free(h, pinned)) {
		_cleanup_free_ char *holder = port_holder(h, pinned);

		return mill_fail_usage(err, "port %u is pinned for %s and taken by %s", pinned, key,
				       holder ? holder : "another service");
	}
	while (!is_free(h, port))
		port++;
	*ret_moved = !pinned && port != preferred;
	*ret_port = (uint16_t)port;
	return 0;
}

static int folder_digest(const struct mill_plan_host *h, const char *folder, char ret[65], struct mill_error *err)
{
	snprintf(ret, 65, "%s", mill_json_get_string(self(h)->config, "folder", "one"));
	return 0;
}

static int file_digest(const struct mill_plan_host *h, const char *path, char ret[65], struct mill_error *err)
{
	const char *slash = strrchr(path, '/');

	snprintf(ret, 65, "%s", mill_json_get_string(section(self(h), "sources"), slash + 1, "one"));
	return 0;
}

static uint64_t size(const json_t *config, const char *key, uint64_t fallback)
{
	uint64_t v;

	return mill_parse_size(mill_json_get_string(config, key, ""), &v) < 0 ? fallback : v;
}

static int disk(const struct mill_plan_host *h, const char *path, uint64_t *ret_free, uint64_t *ret_id,
		struct mill_error *err)
{
	const json_t *config = self(h)->config;
	bool own = json_object_get(config, "data_disk_free") && !mill_starts_with(path, "/store");

	*ret_free = size(config, own ? "data_disk_free" : "disk_free", (uint64_t)100 << 30);
	*ret_id = own ? 2 : 1;
	return 0;
}

static bool writable(const struct mill_plan_host *h, const char *path)
{
	return !json_is_true(section(self(h), "read_only"));
}

static bool has_program(const struct mill_plan_host *h, const char *name)
{
	return !json_is_true(section(self(h), "missing_programs"));
}

static int image(void *arg, const json_t *source, char *ret_tag, bool *ret_exists, struct mill_error *err)
{
	snprintf(ret_tag, 32, "tag-%zu", json_array_size(json_object_get(source, "recipes")));
	*ret_exists = false;
	return 0;
}

static json_t *data_volume(void *arg)
{
	return json_incref(section(arg, "volume"));
}

void fake_host_init(struct fake_host *f, struct mill_platform *p, json_t *config)
{
	json_decref(f->config);
	f->config = config ? config : json_object();
	if (!f->specs)
		f->specs = json_object();
	if (!f->applied)
		f->applied = json_object();
	if (!f->records)
		f->records = json_object();
	if (!f->observed)
		f->observed = json_object();
	f->host = (struct mill_plan_host){
		.arg = f, .platform = p, .cpus = (unsigned)mill_json_get_int(f->config, "cpus", 4),
		.memory_total = size(f->config, "memory_total", (uint64_t)8 << 30),
		.memory_available = size(f->config, "memory_available", (uint64_t)6 << 30),
		.store = "/store", .store_key = store_key, .store_has = store_has, .toolchain = toolchain,
		.tools_recipe = tools_recipe, .observe = observe, .spec = spec, .applied = applied, .data = data,
		.record = record, .secret_version = secret_version, .port = assign, .port_holder = port_holder,
		.folder_digest = folder_digest, .file_digest = file_digest,
		.nofile_max = (uint64_t)mill_json_get_int(f->config, "nofile_max", 0),
		.inotify_instances = (uint64_t)mill_json_get_int(f->config, "inotify_instances", 0),
		.disk = disk, .writable = writable, .has_program = has_program,
	};
	f->host.pods = mill_json_get_bool(f->config, "pods", false);
	f->host.image = f->host.pods ? image : NULL;
	f->host.data_volume = f->host.pods ? data_volume : NULL;
	f->host.registry = f->host.pods ? "registry.test:5000" : NULL;
}

static void carry_out_action(struct fake_host *f, struct mill_platform *p, const struct mill_action *a)
{
	const char *id = mill_json_get_string(a->data, "id", NULL);
	json_t *new_spec = json_object_get(a->data, "spec");
	json_t *tasks = json_object_get(p->desired, "tasks");

	switch (a->kind) {
	case MILL_ACTION_TASK:
	case MILL_ACTION_PROVISION:
	case MILL_ACTION_HOOK:
	case MILL_ACTION_PUBLISH:
		json_object_set_new(tasks, id, json_pack("{s:O, s:i}", "fingerprint",
							 json_object_get(a->data, "fingerprint"), "done_ms", 1));
		break;
	case MILL_ACTION_START:
	case MILL_ACTION_RESTART:
		json_object_set_new(f->observed, id, json_pack("{s:s, s:O}", "state", "ready", "fingerprint",
							       json_object_get(new_spec, "fingerprint")));
		__attribute__((fallthrough));
	case MILL_ACTION_RELOAD:
		json_object_set_new(f->applied, id, json_pack("{s:O}", "reload_fingerprint",
							      json_object_get(new_spec, "reload_fingerprint")));
		__attribute__((fallthrough));
	case MILL_ACTION_CONFIGURE:
		if (new_spec)
			json_object_set(f->specs, id, new_spec);
		break;
	case MILL_ACTION_STOP:
		json_object_del(f->observed, id);
		break;
	case MILL_ACTION_INSTALL:
		break;
	}
}

void fake_host_carry_out(struct fake_host *f, struct mill_platform *p, const struct mill_plan *plan)
{
	json_decref(p->desired);
	p->desired = json_deep_copy(plan->desired);
	json_object_update(f->records, plan->records);
	for (size_t i = 0; i < plan->n_actions; i++)
		carry_out_action(f, p, &plan->actions[i]);
	json_object_set_new(f->config, "store_has", json_true());
}

void fake_host_release(struct fake_host *f)
{
	json_decref(f->config);
	json_decref(f->specs);
	json_decref(f->applied);
	json_decref(f->records);
	json_decref(f->observed);
}
