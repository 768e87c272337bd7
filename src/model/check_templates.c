/* Walks every template of a component and says in which place it stands. */
#include "model/manifest.h"
#include "model/names.h"

static struct mill_scope within(const struct mill_scope *s, enum mill_place place,
				const struct mill_when *guard)
{
	struct mill_scope inner = *s;
	inner.place = place;
	if (guard) {
		size_t i = 0;
		while (i + 1 < MILL_ARRAY_LEN(inner.guards) && inner.guards[i])
			i++;
		inner.guards[i] = guard;
		mill_names_check_when(&inner, guard);
	}
	return inner;
}

static void check_entries(const struct mill_scope *s, enum mill_place place,
			  const struct mill_entry *entries, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct mill_scope inner = within(s, place, &entries[i].when);
		mill_names_check(&inner, &entries[i].value);
	}
}

static void check_list(const struct mill_scope *s, enum mill_place place,
		       const struct mill_template *templates, size_t n)
{
	struct mill_scope inner = within(s, place, NULL);
	for (size_t i = 0; i < n; i++)
		mill_names_check(&inner, &templates[i]);
}

static void check_files(const struct mill_scope *s, const struct mill_file *files, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct mill_scope inner = within(s, MILL_PLACE_FILE, &files[i].when);
		mill_names_check(&inner, &files[i].content);
		if (files[i].value)
			mill_names_check_tree(&inner, files[i].value);
	}
}

static void check_probe(const struct mill_scope *s, const struct mill_probe *p)
{
	check_list(s, MILL_PLACE_PROBE, p->command, p->n_command);
	if (p->path.n)
		check_list(s, MILL_PLACE_PROBE, &p->path, 1);
}

static void check_service(const struct mill_scope *outer, const struct mill_service *service)
{
	struct mill_scope s = *outer;
	s.service = service;
	s = within(&s, MILL_PLACE_COMMAND, &service->when);
	for (size_t i = 0; i < service->n_command; i++) {
		struct mill_scope word = within(&s, MILL_PLACE_COMMAND, &service->command_when[i]);
		mill_names_check(&word, &service->command[i]);
	}
	check_entries(&s, MILL_PLACE_ENVIRONMENT, service->environment, service->n_environment);
	check_files(&s, service->files, service->n_files);
	check_probe(&s, &service->readiness);
	check_probe(&s, &service->liveness);
	check_probe(&s, &service->startup);
	check_list(&s, MILL_PLACE_PATH, service->writes, service->n_writes);
	check_list(&s, MILL_PLACE_PATH, &service->cwd, 1);
}

static void check_task(const struct mill_scope *outer, const struct mill_task *task)
{
	struct mill_scope s = *outer;
	s.service = mill_component_service(s.component, task->service);
	check_list(&s, task->plain ? MILL_PLACE_COMMAND : MILL_PLACE_HOOK, task->hook.command,
		   task->hook.n_command);
	check_entries(&s, MILL_PLACE_ENVIRONMENT, task->environment, task->n_environment);
	check_files(&s, task->files, task->n_files);
}

void mill_manifest_check_templates(const struct mill_scope *s)
{
	const struct mill_component *c = s->component;
	const struct mill_hook *const hooks[] = {&c->smoke, &c->repo, &c->backup, &c->configure};
	for (size_t i = 0; i < c->n_provides; i++)
		check_entries(s, MILL_PLACE_PROVIDES, c->provides[i].values,
			      c->provides[i].n_values);
	for (size_t i = 0; i < c->n_requires; i++)
		check_entries(s, MILL_PLACE_PARAMETER, c->requires[i].parameters,
			      c->requires[i].n_parameters);
	check_entries(s, MILL_PLACE_ENVIRONMENT, c->environment, c->n_environment);
	check_entries(s, MILL_PLACE_ENVIRONMENT, c->release_secret, c->n_release_secret);
	for (size_t i = 0; i < c->n_exports; i++)
		check_entries(s, MILL_PLACE_ENVIRONMENT, c->exports[i].values, c->exports[i].n_values);
	check_files(s, c->files, c->n_files);
	for (size_t i = 0; i < c->n_services; i++)
		check_service(s, &c->services[i]);
	for (size_t i = 0; i < c->n_tasks; i++)
		check_task(s, &c->tasks[i]);
	for (size_t i = 0; i < c->n_links; i++) {
		check_list(s, MILL_PLACE_LINK, &c->links[i].path, 1);
		check_list(s, MILL_PLACE_LINK, &c->links[i].user, 1);
	}
	for (size_t i = 0; i < c->n_metrics; i++) {
		check_list(s, MILL_PLACE_METRIC, &c->metrics[i].path, 1);
		check_list(s, MILL_PLACE_METRIC, &c->metrics[i].user, 1);
		check_entries(s, MILL_PLACE_METRIC, c->metrics[i].labels, c->metrics[i].n_labels);
	}
	for (size_t i = 0; i < MILL_ARRAY_LEN(hooks); i++)
		check_list(s, MILL_PLACE_HOOK, hooks[i]->command, hooks[i]->n_command);
	for (size_t i = 0; i < c->n_provisions; i++)
		check_list(s, MILL_PLACE_HOOK, c->provisions[i].hook.command,
			   c->provisions[i].hook.n_command);
	mill_manifest_check_chart_templates(s);
}

void mill_model_check_bound(struct mill_model *m)
{
	struct mill_reader r = {.arena = &m->arena, .diags = m->diags};
	for (size_t i = 0; i < m->n_selected; i++) {
		struct mill_scope s = {
			.r = &r, .model = m, .component = m->selected[i], .bound = true};
		mill_manifest_check_templates(&s);
	}
}
