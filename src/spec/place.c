#include "spec/place.h"

#include "base/base.h"

#define LOOPBACK "127.0.0.1"

const char *mill_place_main(const struct mill_component *c)
{
	if (c->main_service && mill_component_service(c, c->main_service))
		return c->main_service;
	if (mill_component_service(c, "server"))
		return "server";
	return c->n_services ? c->services[0].name : NULL;
}

char *mill_place_service_name(const struct mill_component *c, const char *service)
{
	const char *release = c->release && *c->release ? c->release : c->name;
	const struct mill_chart_service *made = mill_component_chart_service(c, service ? service : mill_place_main(c));

	if (made) { /* its only name is ${release}: check_chart.c */
		_cleanup_strbuf_ struct mill_strbuf name = MILL_STRBUF_INIT;

		for (size_t i = 0; i < made->name.n; i++)
			mill_strbuf_addstr(&name, made->name.parts[i].text ? made->name.parts[i].text : release);
		return mill_strbuf_steal(&name);
	}
	if (!service || mill_streq(service, mill_place_main(c)))
		return mill_xstrdup(release);
	return mill_xasprintf("%s-%s", release, service);
}

char *mill_place_data_claim(const char *platform)
{
	return mill_xasprintf("%s-data", platform);
}

const char *mill_place_data_folder(const struct mill_render *r, const struct mill_service *s)
{
	const struct mill_project *project = &r->model->project;

	if (!s->data_folder || !project->data_folder || (r->host->pods && !project->data.mount))
		return NULL;
	return r->host->pods ? MILL_POD_DATA : project->data_folder;
}

const char *mill_place_bind(const struct mill_render *r)
{
	return r->host->pods ? "0.0.0.0" : LOOPBACK;
}

const char *mill_place_host(const struct mill_render *r, const struct mill_component *c, const char *service)
{
	_cleanup_free_ char *name = NULL;

	if (!r->host->pods)
		return LOOPBACK;
	name = mill_place_service_name(c, service);
	return mill_arena_strdup(&r->model->arena, name);
}

const char *mill_place_platform(const struct mill_render *r)
{
	return r->host->pods ? MILL_POD_FOLDER : r->platform->dir;
}

const char *mill_place_service(const struct mill_render *r, const struct mill_component *c, const char *service)
{
	if (r->host->pods)
		return MILL_POD_FOLDER;
	return mill_arena_printf(&r->model->arena, "%s/services/%s.%s", r->platform->dir, c->name, service);
}

const char *mill_place_component(const struct mill_render *r, const struct mill_component *c)
{
	if (r->host->pods)
		return MILL_POD_FOLDER;
	return mill_arena_printf(&r->model->arena, "%s/components/%s", r->platform->dir, c->name);
}

const char *mill_place_hooks(const struct mill_render *r, const struct mill_component *c)
{
	if (r->host->pods)
		return mill_arena_printf(&r->model->arena, MILL_POD_COMPONENTS "/%s", c->name);
	return mill_arena_printf(&r->model->arena, "%s/hooks", mill_place_component(r, c));
}
