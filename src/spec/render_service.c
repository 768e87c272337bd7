/* One service's spec: docs/internals/state.md, "The service spec". */
#include <signal.h>

#include "spec/render.h"

#include "base/clock.h"
#include "base/json.h"
#include "plan/fit.h"
#include "spec/fingerprint.h"
#include "spec/place.h"
#include "spec/scope.h"

#define LOG_MAX_BYTES ((json_int_t)10 << 20)
#define LOG_KEEP      4
#define LOG_LINE_MAX  16384

static json_int_t ms(uint64_t ns)
{
	return (json_int_t)(ns / MILL_MS);
}

static json_t *command(struct mill_scope *s, const struct mill_template *words, size_t n, const struct mill_when *when)
{
	json_t *argv = json_array();

	for (size_t i = 0; i < n; i++)
		if (!when || mill_when_holds(&when[i], s->c->component))
			json_array_append_new(argv, mill_scope_text(s, &words[i], "a command"));
	return argv;
}

/* ---- files of the component that a command runs ---- */

/* "${component}/server.py" names one; what it says is part of what runs. */
static void note_source(struct mill_scope *s, const struct mill_template *t, json_t *sources)
{
	const struct mill_plan_host *h = s->r->host;

	for (size_t i = 0; i + 1 < t->n; i++) {
		const char *rest = t->parts[i + 1].text;
		_cleanup_free_ char *path = NULL;
		char digest[65];

		if (!mill_streq(t->parts[i].group, "component") || !rest || rest[0] != '/' || !rest[1])
			continue;
		path = mill_model_component_file(s->r->model, s->c->component, rest + 1);
		if (h->file_digest && h->file_digest(h, path, digest, NULL) == 0)
			json_object_set_new(sources, rest + 1, json_string(digest));
	}
}

static json_t *sources_of(struct mill_scope *s, const struct mill_template *words, size_t n)
{
	json_t *sources = json_object();

	for (size_t i = 0; i < n; i++)
		note_source(s, &words[i], sources);
	return sources;
}

json_t *mill_render_hook(struct mill_render *r, struct mill_rendered *c, const struct mill_hook *h)
{
	struct mill_scope scope = mill_scope_component(r, c);
	json_t *hook;

	if (!h->n_command)
		return NULL;
	hook = json_pack("{s:o, s:I}", "command", command(&scope, h->command, h->n_command, NULL), "timeout_ms",
			 ms(h->timeout_ns));
	json_object_set_new(hook, "sources", sources_of(&scope, h->command, h->n_command));
	return hook;
}

/* ---- files ---- */

json_t *mill_render_files(struct mill_render *r, struct mill_rendered *c, const struct mill_service *s,
			  const struct mill_file *files, size_t n)
{
	struct mill_scope scope = mill_scope_service(r, c, s);
	json_t *out = json_array();

	for (size_t i = 0; i < n; i++) {
		const struct mill_file *f = &files[i];
		json_t *file;

		if (!mill_when_holds(&f->when, c->component))
			continue;
		file = json_pack("{s:o, s:s}", "path", json_sprintf("config/%s", f->name), "mode", "0600");
		json_object_set_new(file, "content",
				    f->value ? mill_scope_render_tree(&scope, f->value, f->format) :
					       mill_scope_render_file(&scope, &f->content, f->format));
		if (f->reload)
			json_object_set_new(file, "reload", json_true());
		json_array_append_new(out, file);
	}
	return out;
}

/* ---- probes ---- */

static const char *probe_type(enum mill_probe_type t)
{
	switch (t) {
	case MILL_PROBE_HTTP:
		return "http";
	case MILL_PROBE_TCP:
		return "tcp";
	case MILL_PROBE_EXEC:
		return "exec";
	case MILL_PROBE_LOG:
		return "log";
	case MILL_PROBE_NOTIFY:
		return "notify";
	case MILL_PROBE_NONE:
		break;
	}
	return NULL;
}

static json_t *probe(struct mill_scope *s, const struct mill_probe *p)
{
	json_t *o;

	if (p->type == MILL_PROBE_NONE)
		return json_null();
	o = json_pack("{s:s, s:I, s:I, s:I, s:i, s:i}", "type", probe_type(p->type), "period_ms", ms(p->period_ns),
		      "timeout_ms", ms(p->timeout_ns), "initial_delay_ms", ms(p->initial_delay_ns), "failures",
		      (int)p->failures, "successes", (int)p->successes);
	if (p->type == MILL_PROBE_HTTP || p->type == MILL_PROBE_TCP) {
		json_object_set_new(o, "host", json_string("127.0.0.1") /* its own, wherever it runs */);
		json_object_set_new(o, "port", json_integer(mill_scope_port(s->r, s->c->component->name,
									    s->service->name, p->port)));
	}
	if (p->type == MILL_PROBE_HTTP) {
		json_object_set_new(o, "path", mill_scope_text(s, &p->path, "a probe"));
		json_object_set_new(o, "status", json_pack("[i, i]", p->status_min, p->status_max));
	} else if (p->type == MILL_PROBE_EXEC) {
		json_object_set_new(o, "command", command(s, p->command, p->n_command, NULL));
	} else if (p->type == MILL_PROBE_LOG) {
		json_object_set_new(o, "pattern", json_string(p->pattern));
	}
	return o;
}

static json_t *probes(struct mill_scope *s, const struct mill_service *svc)
{
	const struct mill_probe *first = svc->startup.type == MILL_PROBE_NONE ? &svc->readiness : &svc->startup;
	json_t *startup = probe(s, first);

	if (json_is_null(startup)) {
		json_decref(startup);
		startup = json_object();
	}
	json_object_set_new(startup, "deadline_ms", json_integer(ms(svc->start_deadline_ns)));
	return json_pack("{s:o, s:o, s:o}", "readiness", probe(s, &svc->readiness), "startup", startup, "liveness",
			 probe(s, &svc->liveness));
}

/* ---- the rest ---- */

static json_t *environment(struct mill_scope *s, const struct mill_entry *own, size_t n)
{
	_cleanup_json_ json_t *entries = mill_scope_entries(s, own, n);
	json_t *env = json_object();

	json_object_set_new(env, "PATH", json_string(s->c->path));
	json_object_set_new(env, "HOME", json_sprintf("%s/data", s->folder));
	json_object_set_new(env, "TMPDIR", json_sprintf("%s/run/tmp", s->folder));
	json_object_set_new(env, "LANG", json_string("C.UTF-8"));
	json_object_update(env, entries);
	return env;
}

static json_t *ports(const struct mill_scope *s)
{
	json_t *o = json_object();

	for (size_t i = 0; i < s->service->n_ports; i++) {
		const char *name = s->service->ports[i].name;

		json_object_set_new(o, name, json_integer(mill_scope_port(s->r, s->c->component->name,
									  s->service->name, name)));
	}
	return o;
}

static void add_unique(json_t *list, const char *text)
{
	const json_t *have;
	size_t i;

	json_array_foreach(list, i, have)
		if (mill_streq(json_string_value(have), text))
			return;
	json_array_append_new(list, json_string(text));
}

json_t *mill_render_after(struct mill_render *r, struct mill_rendered *c, const struct mill_service *s)
{
	json_t *list = json_array();

	for (size_t i = 0; s && i < s->n_after; i++) {
		_cleanup_free_ char *id = mill_xasprintf("%s.%s", c->component->name, s->after[i]);

		add_unique(list, id);
	}
	for (size_t i = 0; i < c->n_bound; i++) {
		const struct mill_component *p = c->bound[i].requirement->provider;
		_cleanup_free_ char *unit = mill_xasprintf("%s." MILL_CHART_UNIT, p->name);

		if (r->host->pods && mill_streq(p->deployment, "chart")) {
			add_unique(list, unit);
			continue;
		}

		for (size_t k = 0; k < p->n_services; k++) {
			_cleanup_free_ char *id = mill_scope_id(p, &p->services[k]);

			if (mill_when_holds(&p->services[k].when, p))
				add_unique(list, id);
		}
	}
	return list;
}

static json_t *landlock(struct mill_scope *s)
{
	const struct mill_service *svc = s->service;
	json_t *write;

	if (!svc->landlock)
		return json_null();
	write = json_array();
	json_array_append_new(write, json_sprintf("%s/data", s->folder));
	json_array_append_new(write, json_sprintf("%s/run", s->folder));
	for (size_t i = 0; i < svc->n_writes; i++)
		json_array_append_new(write, mill_scope_text(s, &svc->writes[i], "a path"));
	return json_pack("{s:o}", "write", write);
}

static void set_identity(json_t *spec, const struct mill_scope *s, const char *id)
{
	const struct mill_render *r = s->r;
	const struct mill_component *c = s->c->component;

	json_object_set_new(spec, "spec", json_integer(1));
	json_object_set_new(spec, "id", json_string(id));
	json_object_set_new(spec, "component", json_string(c->name));
	json_object_set_new(spec, "service", json_string(s->service->name));
	/* A cluster goes by other names on other machines. */
	json_object_set_new(spec, "platform", r->host->pods ? json_string(r->platform->name) :
							       json_sprintf("%s.%s", r->platform->target, r->platform->name));
	json_object_set_new(spec, "platform_dir", json_string(mill_place_platform(r)));
	json_object_set_new(spec, "dir", json_string(s->folder));
	json_object_set_new(spec, "component_version", json_string(c->version ? c->version : ""));
	json_object_set_new(spec, "data_format", json_integer(c->data_format));
	json_object_set_new(spec, "store", json_string(r->host->store ? r->host->store : ""));
	json_object_set(spec, "store_entries", s->c->entries);
}

static void set_user(json_t *spec, const struct mill_layout *l, bool pods)
{
	if (l && l->root && !pods)
		json_object_set_new(spec, "user", json_pack("{s:I, s:I}", "uid", (json_int_t)l->uid, "gid",
							    (json_int_t)l->gid));
}

static void set_policy(json_t *spec, const struct mill_service *svc, uint64_t memory)
{
	json_object_set_new(spec, "restart",
			    json_pack("{s:s, s:I, s:I, s:i, s:I}", "policy", svc->restart_policy ? svc->restart_policy : "always",
				      "delay_ms", ms(svc->restart_delay_ns), "max_delay_ms", ms(svc->restart_max_delay_ns),
				      "limit", (int)svc->restart_limit, "window_ms", ms(svc->restart_window_ns)));
	json_object_set_new(spec, "stop", json_pack("{s:i, s:I}", "signal", svc->stop_signal ? svc->stop_signal : SIGTERM,
						    "grace_ms", ms(svc->stop_grace_ns)));
	json_object_set_new(spec, "reload", svc->reload_signal ? json_pack("{s:i}", "signal", svc->reload_signal) :
								 json_null());
	/* The fit is advice that heaps and caches are sized by; a hard limit of data would end a JVM that only reserves. */
	json_object_set_new(spec, "limits", json_pack("{s:I, s:i}", "nofile", (json_int_t)svc->nofile, "memory_bytes", 0));
	json_object_set_new(spec, "resources", json_pack("{s:I, s:I}", "memory_bytes", (json_int_t)memory, "disk_bytes",
							 (json_int_t)svc->disk));
	json_object_set_new(spec, "log", json_pack("{s:I, s:i, s:i}", "max_bytes", LOG_MAX_BYTES, "keep", LOG_KEEP,
						   "line_max", LOG_LINE_MAX));
}

json_t *mill_render_service(struct mill_render *r, struct mill_rendered *c, const struct mill_service *svc)
{
	struct mill_scope s = mill_scope_service(r, c, svc);
	_cleanup_free_ char *id = mill_scope_id(c->component, svc);
	json_t *spec = json_object(), *folders = json_array();
	char digest[MILL_SHA256_HEX];

	set_identity(spec, &s, id);
	json_object_set_new(spec, "command", command(&s, svc->command, svc->n_command, svc->command_when));
	json_object_set_new(spec, "sources", sources_of(&s, svc->command, svc->n_command));
	json_object_set_new(spec, "environment", environment(&s, svc->environment, svc->n_environment));
	if (mill_place_data_folder(r, svc))
		json_object_set_new(json_object_get(spec, "environment"), "MILL_DATA_FOLDER", json_string(mill_place_data_folder(r, svc)));
	json_object_set_new(spec, "cwd", svc->cwd.n ? mill_scope_text(&s, &svc->cwd, "a path") :
						      json_sprintf("%s/data", s.folder));
	set_user(spec, r->platform->layout, r->host->pods);
	for (size_t i = 0; i < svc->n_folders; i++)
		json_array_append_new(folders, json_sprintf("data/%s", svc->folders[i]));
	json_object_set_new(spec, "folders", folders);
	json_object_set_new(spec, "files", mill_render_files(r, c, svc, svc->files, svc->n_files));
	json_object_set_new(spec, "ports", ports(&s));
	json_object_set_new(spec, "probes", probes(&s, svc));
	set_policy(spec, svc, mill_fit_of(r->platform, id));
	json_object_set_new(spec, "landlock", landlock(&s));
	json_object_set_new(spec, "after", mill_render_after(r, c, svc));
	if (r->host->pods)
		json_object_set_new(spec, "pod", mill_render_pod(r, c, svc));
	mill_fingerprint_spec(spec, digest);
	json_object_set_new(spec, "fingerprint", json_string(digest));
	mill_fingerprint_reload(spec, digest);
	json_object_set_new(spec, "reload_fingerprint", json_string(digest));
	return spec;
}

/* ---- tasks ---- */

json_t *mill_render_task(struct mill_render *r, struct mill_rendered *c, const struct mill_task *t)
{
	const struct mill_service *svc = t->service ? mill_component_service(c->component, t->service) : NULL;
	struct mill_scope s = mill_scope_service(r, c, svc);
	char digest[MILL_SHA256_HEX];
	json_t *o = json_object();

	json_object_set_new(o, "id", json_sprintf("%s.%s", c->component->name, t->name));
	json_object_set_new(o, "service", svc ? json_string(svc->name) : json_null());
	json_object_set_new(o, "plain", json_boolean(t->plain));
	json_object_set_new(o, "command", command(&s, t->hook.command, t->hook.n_command, NULL));
	json_object_set_new(o, "sources", sources_of(&s, t->hook.command, t->hook.n_command));
	json_object_set_new(o, "environment", environment(&s, t->environment, t->n_environment));
	json_object_set_new(o, "files", mill_render_files(r, c, svc, t->files, t->n_files));
	json_object_set_new(o, "cwd", json_sprintf("%s/data", s.folder));
	mill_fingerprint_json(o, digest);
	json_object_set_new(o, "timeout_ms", json_integer(ms(t->hook.timeout_ns)));
	json_object_set_new(o, "fingerprint", json_string(digest));
	return o;
}
