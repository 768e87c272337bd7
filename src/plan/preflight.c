/* What could stop a plan half way is found before it begins. */
#include "plan/preflight.h"

#include "base/json.h"
#include "base/parse.h"

#define SOCKET_PATH_MAX   107 /* sun_path without its NUL */
#define INOTIFY_LOW       64
#define DISK_RESERVE      ((uint64_t)64 << 20) /* logs, records, what else grows meanwhile */

struct mill_check *mill_preflight_say(struct mill_preflight_look *l, const char *name, const char *level,
				      const char *hint, const char *fmt, ...)
{
	struct mill_preflight *f = l->f;
	struct mill_check *c;
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = mill_xvasprintf(fmt, ap);
	va_end(ap);
	MILL_GROW(f->checks, f->n, f->cap);
	c = &f->checks[f->n++];
	*c = (struct mill_check){.name = name, .level = level, .text = mill_arena_strdup(&f->arena, text),
				 .hint = hint ? mill_arena_strdup(&f->arena, hint) : NULL};
	free(text);
	f->n_errors += mill_streq(level, "error");
	f->n_warnings += mill_streq(level, "warning");
	return c;
}

/* ---- disk ---- */

static void judge_disk(struct mill_preflight_look *l, const char *what, const char *path, uint64_t need, uint64_t free_bytes)
{
	char a[32], b[32];
	bool fits = need + DISK_RESERVE <= free_bytes;

	if (!need)
		return;
	mill_format_size(need, a, sizeof(a));
	mill_format_size(free_bytes, b, sizeof(b));
	if (fits)
		mill_preflight_say(l, "disk", "ok", NULL, "%s: needs %s, %s free", what, a, b);
	else
		mill_preflight_say(l, "disk", "error",
				   "make room (data-mill store gc removes unused software), or move it with DATA_MILL_HOME",
				   "%s needs %s, %s free in %s", what, a, b, path)->forceable = true;
}

static void check_disk(struct mill_preflight_look *l)
{
	uint64_t software = l->plan->install_bytes, data = 0, store_free, store_id, data_free, data_id;
	const struct mill_layout *layout = l->p->layout;

	/* Data that is already there has taken its place. */
	for (size_t i = 0; i < l->plan->n_actions; i++) {
		const struct mill_action *a = &l->plan->actions[i];

		if (a->kind == MILL_ACTION_START && mill_streq(a->reason, "new"))
			data += (uint64_t)mill_json_get_int(json_object_get(json_object_get(a->data, "spec"), "resources"),
							    "disk_bytes", 0);
	}
	if (!l->host->disk || (!software && !data))
		return;
	if (l->host->disk(l->host, layout->store, &store_free, &store_id, NULL) < 0 ||
	    l->host->disk(l->host, l->p->dir, &data_free, &data_id, NULL) < 0)
		return;
	if (store_id == data_id) {
		judge_disk(l, software && data ? "software and data" : software ? "software" : "data", l->p->dir,
			   software + data, store_free < data_free ? store_free : data_free);
		return;
	}
	judge_disk(l, "software", layout->store, software, store_free);
	judge_disk(l, "data", l->p->dir, data, data_free);
}

/* ---- ports ---- */

static void check_port(struct mill_preflight_look *l, const struct mill_action *a, const char *port, uint16_t number)
{
	_cleanup_free_ char *holder = l->host->port_holder(l->host, number), *hint = NULL;

	if (!holder)
		return;
	hint = mill_xasprintf("end it, or move with --move-ports, or choose: %s: {ports: {%s.%s: NUMBER}}", a->component,
			      a->name, port);
	mill_preflight_say(l, "ports", "error", hint, "port %u of %s.%s (%s) is taken by %s", number, a->component,
			   a->name, port, holder);
}

/* A service that runs holds its own: only what is to be newly bound is asked for. */
static void check_ports(struct mill_preflight_look *l)
{
	for (size_t i = 0; i < l->plan->n_actions && l->host->port_holder; i++) {
		const struct mill_action *a = &l->plan->actions[i];
		const json_t *spec = json_object_get(a->data, "spec"), *old_ports;
		_cleanup_json_ json_t *old = NULL;
		struct mill_observed seen = {0};
		const char *port;
		json_t *number;

		if (a->kind != MILL_ACTION_START && a->kind != MILL_ACTION_RESTART)
			continue;
		if (l->host->observe)
			l->host->observe(l->host->arg, mill_json_get_string(a->data, "id", ""), &seen);
		old = seen.fingerprint[0] && l->host->spec ? l->host->spec(l->host, mill_json_get_string(a->data, "id", ""), NULL) :
							     NULL;
		old_ports = json_object_get(old, "ports");
		json_object_foreach(json_object_get(spec, "ports"), port, number)
			if (json_integer_value(json_object_get(old_ports, port)) != json_integer_value(number))
				check_port(l, a, port, (uint16_t)json_integer_value(number));
	}
}

/* ---- tools of installers ---- */

static const struct {
	const char *kind, *program, *toolchain, *hint;
} needs[] = {
	{"debian", "apt-get", NULL, "this needs Debian or Ubuntu (or one of their relatives)"},
	{"debian", "dpkg-deb", NULL, "install the package dpkg"},
	{"maven", NULL, "maven", "install maven"},
	{"npm", NULL, "node", "install nodejs and npm"},
};

static bool has_step(const struct mill_plan *plan, const char *kind, const char **ret_component)
{
	for (size_t i = 0; i < plan->n_actions; i++) {
		const json_t *step;
		size_t k;

		if (plan->actions[i].kind != MILL_ACTION_INSTALL)
			continue;
		json_array_foreach(json_object_get(json_object_get(plan->actions[i].data, "recipe"), "steps"), k, step)
			if (mill_streq(mill_json_get_string(step, "kind", ""), kind)) {
				*ret_component = plan->actions[i].component;
				return true;
			}
	}
	return false;
}

static bool has_tool(const struct mill_preflight_look *l, const char *program, const char *toolchain)
{
	struct mill_toolchain_at at = {0};
	bool found;

	if (program)
		return !l->host->has_program || l->host->has_program(l->host, program);
	if (!l->host->toolchain)
		return true;
	found = l->host->toolchain(l->host->arg, toolchain, &at, NULL) == 0;
	free(at.dir);
	free(at.key);
	json_decref(at.recipe);
	return found;
}

static void check_tools(struct mill_preflight_look *l)
{
	for (size_t i = 0; i < MILL_ARRAY_LEN(needs); i++) {
		const char *component = NULL;

		if (has_step(l->plan, needs[i].kind, &component) && !has_tool(l, needs[i].program, needs[i].toolchain))
			mill_preflight_say(l, "tools", "error", needs[i].hint, "%s, which installing %s needs, is not here",
					   needs[i].program ? needs[i].program : needs[i].toolchain, component);
	}
}

/* ---- kernel limits ---- */

static void check_limits(struct mill_preflight_look *l)
{
	const char *id;
	json_t *spec;

	json_object_foreach(l->plan->specs, id, spec) {
		uint64_t want = (uint64_t)mill_json_get_int(json_object_get(spec, "limits"), "nofile", 0);

		if (l->host->nofile_max && want > l->host->nofile_max)
			mill_preflight_say(l, "limits", "warning",
					   "raise the hard limit: `nofile` in /etc/security/limits.conf, then log in again",
					   "%s asks for %llu open files, %llu are allowed", id, (unsigned long long)want,
					   (unsigned long long)l->host->nofile_max);
	}
	if (l->host->inotify_instances && l->host->inotify_instances < INOTIFY_LOW)
		mill_preflight_say(l, "limits", "warning", "sysctl fs.inotify.max_user_instances=512",
				   "only %llu inotify instances a user",
				   (unsigned long long)l->host->inotify_instances);
}

/* ---- folders ---- */

static void check_writable(struct mill_preflight_look *l, const char *path, const char *what)
{
	_cleanup_free_ char *hint = NULL;

	if (!path || !l->host->writable || l->host->writable(l->host, path))
		return;
	hint = mill_xasprintf("set DATA_MILL_HOME to a folder of yours, or get %s for this user", path);
	mill_preflight_say(l, "permissions", "error", hint, "%s cannot be written: %s", what, path);
}

static void check_permissions(struct mill_preflight_look *l)
{
	bool installs = false;

	for (size_t i = 0; i < l->plan->n_actions; i++)
		installs |= l->plan->actions[i].kind == MILL_ACTION_INSTALL;
	check_writable(l, l->p->dir, "the platform's folder");
	if (installs)
		check_writable(l, l->p->layout->store, "the store");
}

static const char *with_space(const char *path)
{
	return path && strpbrk(path, " \t") ? path : NULL;
}

static void check_paths(struct mill_preflight_look *l)
{
	const char *spaced = with_space(l->p->dir);
	size_t socket = strlen(l->p->dir) + strlen("/run/daemon.sock");

	if (!spaced)
		spaced = with_space(l->p->layout->store);
	for (size_t i = 0; i < l->m->n_selected && spaced; i++)
		if (!l->m->selected[i]->path_spaces && (l->m->selected[i]->install || l->m->selected[i]->n_services))
			mill_preflight_say(l, "paths", "error", "set DATA_MILL_HOME to a folder without spaces",
					   "%s does not bear the space in '%s'", l->m->selected[i]->name, spaced);
	if (socket > SOCKET_PATH_MAX)
		mill_preflight_say(l, "paths", "ok", NULL,
				   "the daemon's socket moves to XDG_RUNTIME_DIR: its path would have %zu bytes, %d fit",
				   socket, SOCKET_PATH_MAX);
}

int mill_preflight(const struct mill_model *m, const struct mill_platform *p, const struct mill_plan_host *host,
		   const struct mill_plan *plan, struct mill_preflight **ret, struct mill_error *err)
{
	struct mill_preflight_look l = {.f = mill_xcalloc(1, sizeof(*l.f)), .m = m, .p = p, .host = host, .plan = plan};

	mill_preflight_memory(&l);
	check_disk(&l);
	check_ports(&l);
	check_tools(&l);
	check_limits(&l);
	check_permissions(&l);
	check_paths(&l);
	for (size_t i = 0; i < l.f->n; i++)
		l.f->n_hard += mill_streq(l.f->checks[i].level, "error") && !l.f->checks[i].forceable;
	*ret = l.f;
	return 0;
}

struct mill_preflight *mill_preflight_free(struct mill_preflight *f)
{
	if (!f)
		return NULL;
	free(f->checks);
	mill_arena_release(&f->arena);
	free(f);
	return NULL;
}
