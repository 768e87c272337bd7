/* Any bytes as a YAML file: tree, marks, diagnostics. */
#include "fuzz.h"
#include "yaml/node.h"

static void check_mark(const struct mill_document *doc, struct mill_mark m)
{
	size_t len;
	FUZZ_CHECK(m.source == doc->source);
	FUZZ_CHECK(m.column >= 1);
	FUZZ_CHECK(m.line > m.source->n_lines || mill_source_line(m.source, m.line, &len));
}

static size_t walk(const struct mill_document *doc, const struct mill_node *node, unsigned depth)
{
	size_t n = 1;
	FUZZ_CHECK(depth <= MILL_YAML_DEPTH_MAX);
	check_mark(doc, node->mark);
	if (node->text) {
		FUZZ_CHECK(strlen(node->text) == node->n);
		check_mark(doc, mill_node_mark_within(node, node->n / 2, 3));
	}
	MILL_SEQ_EACH (item, node)
		n += walk(doc, item, depth + 1);
	MILL_MAP_EACH (pair, node) {
		check_mark(doc, pair->key_mark);
		/* Unique: the first of that name is this one. */
		if (node->n < 100)
			FUZZ_CHECK(mill_node_pair(node, pair->key) == pair);
		n += walk(doc, pair->value, depth + 1);
	}
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mill_diags diags = MILL_DIAGS_INIT;
	struct mill_document *doc = NULL;
	struct mill_strbuf out = MILL_STRBUF_INIT;
	int r = mill_document_parse("input.yaml", (const char *)data, size, &diags, &doc);
	FUZZ_CHECK((r == 0) == (doc != NULL));
	FUZZ_CHECK(r == 0 || diags.n_errors);
	if (doc && doc->root) {
		FUZZ_CHECK(walk(doc, doc->root, 0) <= MILL_YAML_NODES_MAX);
		json_t *j = mill_node_to_json(doc->root);
		FUZZ_CHECK(j != NULL);
		json_decref(j);
		static const char *const names[] = {"name", "services"};
		mill_node_check_keys(doc->root, &diags, "top", names, 2);
	}
	mill_document_free(doc);
	mill_diags_render(&diags, &out, true);
	struct mill_json_writer w;
	mill_json_writer_init(&w, &out, true);
	mill_diags_write_json(&diags, &w);
	mill_strbuf_release(&out);
	mill_diags_release(&diags);
	return 0;
}
