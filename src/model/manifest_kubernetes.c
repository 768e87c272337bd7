/* `kubernetes:` of a manifest. */
#include "model/manifest.h"
#include "model/template.h"

/* A word, or {status, note}. */
static void read_proof(const struct mill_node *tested, const char *key, const char **ret_status, const char **ret_note)
{
	const struct mill_node *map = mill_read_map(tested, key);

	*ret_status = map ? mill_read_text(map, "status", NULL) : mill_read_text(tested, key, NULL);
	*ret_note = mill_read_text(map, "note", NULL);
}

void mill_manifest_read_kubernetes(struct mill_reader *r, const struct mill_node *root, struct mill_component *c)
{
	const struct mill_node *map = mill_read_map(root, "kubernetes");
	const struct mill_node *tested = mill_read_map(map, "tested");
	const struct mill_node *services = mill_read_map(map, "services");

	c->kubernetes_node = map;
	c->main_service = mill_read_text(map, "service", NULL);
	c->deployment = mill_read_text(map, "default", "generic");
	read_proof(tested, "generic", &c->tested_generic, &c->note_generic);
	read_proof(tested, "chart", &c->tested_chart, &c->note_chart);
	mill_manifest_read_charts(r, map, c);
	mill_read_entries(r, mill_read_map(map, "secret"), &c->release_secret, &c->n_release_secret);
	if (c->main_service && !mill_component_service(c, c->main_service))
		mill_diag_error(r->diags, mill_read_scalar(map, "service")->mark, "kubernetes.service: there is no service '%s'",
				c->main_service);
	MILL_MAP_EACH (pair, services) {
		struct mill_service *s = mill_component_service(c, pair->key);

		if (s) {
			s->rules = mill_read_list(pair->value, "rules");
			s->data_folder = mill_read_bool(pair->value, "data_folder", false);
			continue;
		}
		mill_diag_error(r->diags, pair->key_mark, "kubernetes.services: there is no service '%s'", pair->key);
	}
}
