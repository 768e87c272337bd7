/* One action at a time, whatever its kind; see engine/engine.h for the order. */
#include "runtime/native/actions.h"
#include "runtime/native/configure.h"
#include "runtime/native/install.h"
#include "runtime/native/remote.h"

#include "base/json.h"

/* ---- INSTALL ---- */

static void on_install(void *arg, const struct mill_install_progress *ip)
{
	mill_progress_report(arg, ip->fraction, "%s%s%s", mill_install_phase_name(ip->phase), ip->text ? ": " : "",
			     ip->text ? ip->text : "");
}

int mill_action_install(struct mill_native *n, const struct mill_action *a, struct mill_progress *p,
			struct mill_error *err)
{
	struct mill_store *store;
	struct mill_recipe *recipe = NULL;
	int r = mill_native_store(n, &store, err);
	if (r == 0)
		r = mill_recipe_from_json(json_object_get(a->data, "recipe"), &recipe, err);
	if (r < 0) {
		mill_error_wrap(err, "install %s", a->component);
		return r;
	}
	struct mill_install_options o = MILL_INSTALL_OPTIONS_INIT;
	o.cancel_fd = mill_progress_cancel_fd(p);
	o.offline = n->offline;
	o.on_progress = on_install;
	o.arg = p;
	r = mill_install(store, recipe, &o, NULL, err);
	mill_recipe_free(recipe);
	return r;
}

/* ---- the rest ---- */

static int configure(struct mill_native *n, const struct mill_action *a, struct mill_error *err)
{
	const json_t *spec = json_object_get(a->data, "spec");
	return spec ? mill_configure_service(n, spec, err) : mill_configure_tool(n, a->component, err);
}

static int run(void *arg, const struct mill_action *a, struct mill_progress *p, struct mill_error *err)
{
	struct mill_native *n = arg;
	switch (a->kind) {
	case MILL_ACTION_INSTALL:
		return mill_action_install(n, a, p, err);
	case MILL_ACTION_CONFIGURE:
		return configure(n, a, err);
	case MILL_ACTION_TASK:
		return mill_action_task(n, a, p, err);
	case MILL_ACTION_START:
		return mill_action_start(n, a, p, err);
	case MILL_ACTION_RESTART:
		return mill_action_restart(n, a, p, err);
	case MILL_ACTION_RELOAD:
		return mill_action_reload(n, a, p, err);
	case MILL_ACTION_PROVISION:
		return mill_action_provision(n, a, p, err);
	case MILL_ACTION_HOOK:
		return mill_action_hook(n, a, p, err);
	case MILL_ACTION_PUBLISH:
		return mill_action_publish(n, a, p, err);
	case MILL_ACTION_STOP:
		return mill_action_stop(n, a, p, err);
	}
	BUG("action kind %d", a->kind);
}

struct mill_executor mill_native_executor(struct mill_native *n)
{
	if (n->remote)
		return (struct mill_executor){.arg = n->remote_arg, .run = n->remote->action};
	return (struct mill_executor){.arg = n, .run = run};
}
