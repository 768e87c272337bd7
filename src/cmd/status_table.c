#include "base/base.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/parse.h"
#include "cmd/status_table.h"

static enum mill_look look_of(const char *state)
{
	if (strcmp(state, "ready") == 0 || strcmp(state, "installed") == 0)
		return MILL_LOOK_GOOD;
	if (strcmp(state, "failed") == 0 || strcmp(state, "not installed") == 0 || strcmp(state, "unhealthy") == 0 || strcmp(state, "backoff") == 0)
		return MILL_LOOK_BAD;
	if (strcmp(state, "stopped") == 0)
		return MILL_LOOK_DIM;
	return MILL_LOOK_WARN;
}

/* "pachyderm (dvc)": what the flavour says, and who stands in for it. */
static char *title_of(const json_t *component)
{
	const char *name = mill_json_get_string(component, "name", "?");
	const char *stands_for = mill_json_get_string(component, "stands_for", NULL);

	return stands_for ? mill_xasprintf("%s (%s)", stands_for, name) : mill_xstrdup(name);
}

static void add_since(struct mill_table *t, const json_t *service)
{
	uint64_t since = (uint64_t)mill_json_get_int(service, "since_ms", 0), now = mill_wall_ms();
	char text[32];

	if (!since || since > now)
		mill_table_add(t, MILL_LOOK_DIM, NULL);
	else
		mill_table_add(t, MILL_LOOK_PLAIN,
			       mill_format_duration((now - since) / 1000 * MILL_SEC, text, sizeof(text)));
}

static void add_where(struct mill_table *t, const json_t *service)
{
	_cleanup_strbuf_ struct mill_strbuf where = MILL_STRBUF_INIT;
	const char *name, *reason = mill_json_get_string(service, "reason", NULL);
	const char *state = mill_json_get_string(service, "state", "");
	json_t *port;

	json_object_foreach(json_object_get(service, "ports"), name, port)
		mill_strbuf_printf(&where, "%s%s %s:%lld", where.len ? ", " : "", name,
				   mill_json_get_string(service, "host", "127.0.0.1"), (long long)json_integer_value(port));
	if (reason && *reason && strcmp(state, "ready") != 0)
		mill_strbuf_printf(&where, "%s%s", where.len ? "; " : "", reason);
	mill_table_add(t, MILL_LOOK_PLAIN, where.data);
}

static void add_service(struct mill_table *t, const char *title, const json_t *service, bool memory)
{
	const char *state = mill_json_get_string(service, "state", "?");
	char size[32];

	mill_table_add(t, MILL_LOOK_NAME, title);
	mill_table_add(t, MILL_LOOK_PLAIN, mill_json_get_string(service, "service", "?"));
	mill_table_add(t, look_of(state), state);
	add_since(t, service);
	mill_table_addf(t, MILL_LOOK_PLAIN, "%lld", (long long)mill_json_get_int(service, "restarts", 0));
	if (memory)
		mill_table_add(t, MILL_LOOK_PLAIN,
			       mill_format_size((uint64_t)mill_json_get_int(service, "pss", 0), size, sizeof(size)));
	add_where(t, service);
}

static void add_tool(struct mill_table *t, const char *title, const json_t *component, bool memory)
{
	const char *state = mill_json_get_string(component, "state", "installed");

	mill_table_add(t, MILL_LOOK_NAME, title);
	mill_table_add(t, MILL_LOOK_DIM, NULL);
	mill_table_add(t, look_of(state), state);
	mill_table_add(t, MILL_LOOK_DIM, NULL);
	mill_table_add(t, MILL_LOOK_DIM, NULL);
	if (memory)
		mill_table_add(t, MILL_LOOK_DIM, NULL);
	mill_table_add(t, MILL_LOOK_DIM, NULL);
}

void mill_status_show(const json_t *status, const struct mill_ui *ui, bool memory)
{
	static const char *const plain[] = {"COMPONENT", "SERVICE", "STATE", "FOR", "RESTARTS", "WHERE", NULL};
	static const char *const with_memory[] = {"COMPONENT", "SERVICE", "STATE", "FOR",
						  "RESTARTS", "MEMORY", "WHERE", NULL};
	_cleanup_table_ struct mill_table t = {0};
	const json_t *component, *service;
	size_t i, k;

	if (!ui->quiet)
		mill_outf("platform %s, flavour %s%s\n", mill_json_get_string(status, "platform", "?"),
			  mill_json_get_string(status, "flavour", "?"),
			  !mill_streq(mill_json_get_string(status, "target", ""), "native") ? ", on a cluster" :
			  json_is_object(json_object_get(status, "daemon"))		    ? "" :
											      ", no daemon runs");
	mill_table_init(&t, memory ? with_memory : plain);
	json_array_foreach(json_object_get(status, "components"), i, component)
	{
		_cleanup_free_ char *title = title_of(component);
		const json_t *services = json_object_get(component, "services");

		json_array_foreach(services, k, service)
			add_service(&t, title, service, memory);
		if (json_array_size(services) == 0)
			add_tool(&t, title, component, memory);
	}
	mill_table_show(&t, ui);
}

void mill_status_show_short(const json_t *status, const struct mill_ui *ui)
{
	static const char *const headers[] = {"COMPONENT", "STATE", "OPEN", "CREDENTIALS", NULL};
	_cleanup_table_ struct mill_table t = {0};
	const json_t *component;
	size_t i;

	mill_table_init(&t, headers);
	json_array_foreach(json_object_get(status, "components"), i, component)
	{
		const json_t *links = json_object_get(component, "links"), *link;
		const char *state = mill_json_get_string(component, "state", "?");
		const char *name = mill_json_get_string(component, "name", "?");
		const char *url = mill_json_get_string(json_array_get(links, 0), "url", NULL);
		_cleanup_free_ char *title = title_of(component);
		bool secret = false;
		size_t k;

		json_array_foreach(links, k, link)
			secret = secret || mill_json_get_string(link, "secret", NULL);
		mill_table_add(&t, MILL_LOOK_NAME, title);
		mill_table_add(&t, look_of(state), state);
		mill_table_add(&t, MILL_LOOK_PLAIN, url);
		if (secret)
			mill_table_addf(&t, MILL_LOOK_PLAIN, "data-mill credentials %s", name);
		else
			mill_table_add(&t, MILL_LOOK_DIM, NULL);
	}
	mill_table_show(&t, ui);
}
