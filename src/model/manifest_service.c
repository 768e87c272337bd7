/* Services, their probes, ports and files. */
#include "model/manifest.h"

#include <signal.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/parse.h"
#include "model/template.h"

enum { TEMPLATE_FILE_MAX = 1 << 20 };

static const struct {
	const char *name;
	int number;
} signal_names[] = {{"TERM", SIGTERM}, {"INT", SIGINT},   {"QUIT", SIGQUIT}, {"HUP", SIGHUP},
		    {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"KILL", SIGKILL}};

static int read_signal(const struct mill_node *map, int fallback)
{
	const char *text = mill_read_text(map, "signal", NULL);
	for (size_t i = 0; text && i < MILL_ARRAY_LEN(signal_names); i++)
		if (mill_streq(text, signal_names[i].name))
			return signal_names[i].number;
	return fallback;
}

/* ---- files ---- */
static enum mill_format read_format(const struct mill_node *map)
{
	static const char *const names[] = {"text", "json", "yaml", "ini", "properties"};
	const char *text = mill_read_text(map, "format", "text");
	for (size_t i = 0; i < MILL_ARRAY_LEN(names); i++)
		if (mill_streq(text, names[i]))
			return (enum mill_format)i;
	return MILL_FORMAT_TEXT;
}

static void read_template_file(struct mill_reader *r, const struct mill_component *c,
			       const struct mill_node *node, struct mill_file *f)
{
	const char *name = node->text;
	if (!mill_path_is_inside(name))
		return; /* the schema said so */
	const char *path = mill_arena_printf(r->arena, "%s/%s", c->dir, name);
	_cleanup_free_ char *data = NULL;
	size_t len = 0;
	_cleanup_error_ struct mill_error err = {0};
	if (mill_read_file(path, TEMPLATE_FILE_MAX, &data, &len, &err) < 0) {
		mill_diag_error(r->diags, node->mark, "template: '%s': %s", name,
				strerror(err.code));
		return;
	}
	if (strlen(data) != len) {
		mill_diag_error(r->diags, node->mark, "template '%s' is binary", name);
		return;
	}
	/* shown beside the manifest, as that one is shown */
	const char *manifest = node->mark.source ? node->mark.source->path : path;
	const char *slash = strrchr(manifest, '/');
	f->content = mill_template_parse_file(
		r,
		mill_arena_printf(r->arena, "%.*s/%s", slash ? (int)(slash - manifest) : 1,
				  slash ? manifest : ".", name),
		data);
}

void mill_manifest_read_files(struct mill_reader *r, const struct mill_component *c,
			      const struct mill_node *map, struct mill_file **ret, size_t *ret_n)
{
	*ret_n = 0;
	*ret = MILL_ARENA_ARRAY(r->arena, map ? map->n : 0, struct mill_file);
	MILL_MAP_EACH (pair, map) {
		struct mill_file *f = &(*ret)[(*ret_n)++];
		const struct mill_node *node = pair->value;
		const struct mill_node *tmpl = mill_read_scalar(node, "template");
		const struct mill_node *content = mill_read_scalar(node, "content");
		f->name = pair->key;
		f->mark = pair->key_mark;
		f->format = read_format(node);
		f->reload = mill_read_bool(node, "reload", false);
		f->when = mill_read_when(r, node);
		f->value = mill_node_get(node, "value");
		if (!!tmpl + !!content + !!f->value != 1)
			mill_diag_error(r->diags, f->mark,
					"file '%s' needs one of template, content and value",
					f->name);
		else if (f->value && f->format == MILL_FORMAT_TEXT)
			mill_diag_error(r->diags, f->mark,
					"file '%s' has a value, so it needs a format: json, yaml, "
					"ini or properties",
					f->name);
		if (tmpl)
			read_template_file(r, c, tmpl, f);
		else if (content)
			f->content = mill_template_parse(r, content);
	}
}

/* ---- ports ---- */
static void read_ports(struct mill_reader *r, const struct mill_node *map, struct mill_service *s)
{
	s->ports = MILL_ARENA_ARRAY(r->arena, map ? map->n : 0, struct mill_port);
	MILL_MAP_EACH (pair, map) {
		struct mill_port *p = &s->ports[s->n_ports++];
		const struct mill_node *node = pair->value;
		p->name = pair->key;
		p->mark = pair->key_mark;
		if (mill_node_is(node, MILL_NODE_INT))
			p->preferred = (uint16_t)node->integer;
		else
			p->preferred = (uint16_t)mill_read_int(node, "default", 0);
		p->open = mill_read_text(node, "open", NULL);
		p->udp = mill_streq(mill_read_text(node, "protocol", "tcp"), "udp");
	}
}

/* ---- probes ---- */
static void read_status(struct mill_reader *r, const struct mill_node *http, struct mill_probe *p)
{
	const char *text = mill_read_text(http, "status", "200-399");
	char first[4] = "";
	const char *dash = strchr(text, '-');
	p->status_min = 200;
	p->status_max = 399;
	memcpy(first, text, strnlen(text, 3));
	if (strlen(text) == (dash ? 7u : 3u) && (!dash || dash == text + 3) &&
	    mill_parse_int(first, 100, 599, &p->status_min) == 0 &&
	    mill_parse_int(dash ? dash + 1 : first, 100, 599, &p->status_max) == 0 &&
	    p->status_min <= p->status_max)
		return;
	mill_diag_error(r->diags, mill_node_get(http, "status")->mark,
			"expected a status such as 200 or a range such as 200-399, not '%s'", text);
}

static void read_probe(struct mill_reader *r, const struct mill_node *node, struct mill_probe *p)
{
	if (!node)
		return;
	const struct mill_node *http = mill_read_map(node, "http"), *tcp = mill_read_map(node, "tcp"),
			       *exec = mill_read_map(node, "exec"), *log = mill_read_map(node, "log");
	bool notify = mill_read_bool(node, "notify", false);
	p->mark = node->mark;
	p->period_ns = mill_read_duration(node, "period", 2 * MILL_SEC);
	p->timeout_ns = mill_read_duration(node, "timeout", 2 * MILL_SEC);
	p->initial_delay_ns = mill_read_duration(node, "initial_delay", 0);
	p->failures = (unsigned)mill_read_int(node, "failures", 3);
	p->successes = (unsigned)mill_read_int(node, "successes", 1);
	if (!!http + !!tcp + !!exec + !!log + notify > 1)
		mill_diag_error(r->diags, node->mark,
				"a probe is one of http, tcp, exec, log and notify");
	if (http) {
		p->type = MILL_PROBE_HTTP;
		p->port = mill_read_text(http, "port", "");
		p->path = mill_read_template(r, http, "path", "/");
		read_status(r, http, p);
	} else if (tcp) {
		p->type = MILL_PROBE_TCP;
		p->port = mill_read_text(tcp, "port", "");
	} else if (exec) {
		p->type = MILL_PROBE_EXEC;
		mill_read_templates(r, mill_read_list(exec, "command"), &p->command, &p->n_command);
	} else if (log) {
		p->type = MILL_PROBE_LOG;
		p->pattern = mill_read_text(log, "pattern", "");
	} else if (notify) {
		p->type = MILL_PROBE_NOTIFY;
	}
}

/* ---- the service ---- */
static void read_command(struct mill_reader *r, const struct mill_node *list,
			 struct mill_service *s)
{
	s->command = MILL_ARENA_ARRAY(r->arena, list ? list->n : 0, struct mill_template);
	s->command_when = MILL_ARENA_ARRAY(r->arena, list ? list->n : 0, struct mill_when);
	MILL_SEQ_EACH (item, list) {
		mill_read_conditional(r, item, &s->command[s->n_command],
				      &s->command_when[s->n_command]);
		s->n_command++;
	}
}

static void read_policies(const struct mill_node *node, struct mill_service *s)
{
	const struct mill_node *resources = mill_read_map(node, "resources");
	const struct mill_node *restart = mill_read_map(node, "restart");
	const struct mill_node *stop = mill_read_map(node, "stop");
	s->memory = mill_read_size(resources, "memory", 0);
	s->memory_min = mill_read_size(resources, "memory_min", s->memory);
	if (!s->memory)
		s->memory = s->memory_min;
	s->disk = mill_read_size(resources, "disk", 0);
	s->disk_max = mill_read_size(resources, "disk_max", s->disk);
	s->heap = mill_read_fraction(resources, "heap", 0);
	s->nofile = (uint64_t)mill_read_int(mill_read_map(node, "limits"), "nofile", 0);
	s->restart_policy = mill_read_text(restart, "policy", "always");
	s->restart_delay_ns = mill_read_duration(restart, "delay", 500 * MILL_MS);
	s->restart_max_delay_ns = mill_read_duration(restart, "max_delay", 30 * MILL_SEC);
	s->restart_window_ns = mill_read_duration(restart, "window", 120 * MILL_SEC);
	s->restart_limit = (unsigned)mill_read_int(restart, "limit", 5);
	s->stop_signal = read_signal(stop, SIGTERM);
	s->stop_grace_ns = mill_read_duration(stop, "grace", 10 * MILL_SEC);
	s->reload_signal = read_signal(mill_read_map(node, "reload"), 0);
}

void mill_manifest_read_service(struct mill_reader *r, struct mill_component *c,
				const struct mill_pair *pair, struct mill_service *s)
{
	const struct mill_node *node = pair->value;
	const struct mill_node *startup = mill_read_map(node, "startup");
	s->name = pair->key;
	s->mark = pair->key_mark;
	s->component = c;
	s->summary = mill_read_text(node, "summary", "");
	read_command(r, mill_read_list(node, "command"), s);
	mill_read_entries(r, mill_read_map(node, "environment"), &s->environment, &s->n_environment);
	mill_manifest_read_files(r, c, mill_read_map(node, "files"), &s->files, &s->n_files);
	read_ports(r, mill_read_map(node, "ports"), s);
	read_probe(r, mill_read_map(node, "readiness"), &s->readiness);
	read_probe(r, mill_read_map(node, "liveness"), &s->liveness);
	read_probe(r, startup, &s->startup);
	s->start_deadline_ns = mill_read_duration(startup, "deadline", 60 * MILL_SEC);
	read_policies(node, s);
	mill_read_texts(r, node, "after", &s->after, &s->n_after);
	mill_read_texts(r, node, "folders", &s->folders, &s->n_folders);
	mill_read_templates(r, mill_read_list(node, "writes"), &s->writes, &s->n_writes);
	s->landlock = mill_read_bool(node, "landlock", true);
	s->when = mill_read_when(r, node);
	s->cwd = mill_read_template(r, node, "cwd", NULL);
}
