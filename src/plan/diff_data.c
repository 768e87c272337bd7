/* The data folder: mirrored into the lake, and on a cluster into the volume that notebooks, hooks and people's sessions mount. */
#include "plan/build.h"

#include "base/json.h"
#include "base/parse.h"
#include "plan/resolve.h"
#include "spec/fingerprint.h"
#include "spec/place.h"

static void lake(struct mill_build *b, const char *digest)
{
	const struct mill_project *project = &b->m->project;
	struct mill_component *provider = mill_resolve_provider(b->m, "s3");
	struct mill_planned *c = provider ? mill_build_planned(b, provider->name) : NULL;
	_cleanup_json_ json_t *input = NULL;
	char fingerprint[MILL_SHA256_HEX];
	json_t *data;
	bool known;

	if (!c || !c->wanted || c->absent)
		return;
	data = json_pack("{s:s, s:s, s:s}", "id", "data", "folder", project->data_folder, "bucket", project->data_bucket);
	json_object_update_missing(data, json_object_get(c->rendered->provides, "s3"));
	input = json_pack("{s:s, s:s, s:s, s:s}", "folder", b->host->pods ? "" : project->data_folder, "digest", digest, "bucket",
			  project->data_bucket, "lake", provider->name);
	mill_fingerprint_json(input, fingerprint);
	json_object_set_new(data, "fingerprint", json_string(fingerprint));
	if (mill_build_is_done(b, "data", fingerprint, &known)) {
		json_decref(data);
		return;
	}
	mill_build_action(b, MILL_ACTION_PUBLISH, NULL, project->data_bucket, &c->ready, data, "%s",
			  known ? "files changed since they were published" : "not published yet");
}

/* ---- the volume ---- */

/* Whose image the pod has that fills it: any will do, and those of environments are large. */
static const struct mill_planned *image_holder(const struct mill_build *b)
{
	const struct mill_planned *found = NULL;

	for (size_t i = 0; i < b->n; i++) {
		const struct mill_planned *c = &b->components[i];

		if (!c->wanted || c->absent || !c->rendered->image)
			continue;
		if (!c->rendered->component->is_environment)
			return c;
		if (!found)
			found = c;
	}
	return found;
}

/* Volumes are asked for in MiB. */
static bool is_another_size(const struct mill_build *b, const json_t *there)
{
	const uint64_t mib = (uint64_t)1 << 20;
	uint64_t bytes;

	return mill_parse_size(mill_json_get_string(there, "storage", ""), &bytes) < 0 ||
	       (bytes + mib - 1) / mib != (b->m->project.data.bytes + mib - 1) / mib;
}

static void volume(struct mill_build *b, const char *digest)
{
	const struct mill_project *project = &b->m->project;
	const struct mill_planned *c = image_holder(b);
	_cleanup_json_ json_t *there = NULL;
	_cleanup_free_ char *claim = mill_place_data_claim(b->p->name), *name = mill_xasprintf("volume %s", claim);
	const char *filled;

	if (!b->plan->data_volume || !c)
		return;
	there = b->host->data_volume(b->host->arg);
	filled = mill_json_get_string(there, "digest", NULL);
	if (mill_streq(filled, digest) && !is_another_size(b, there))
		return;
	mill_build_action(b, MILL_ACTION_PUBLISH, NULL, name, &c->before,
			  json_pack("{s:s, s:s, s:s, s:s}", "volume", claim, "folder", project->data_folder, "digest", digest, "image",
				    c->rendered->image),
			  "%s", !there ? "no volume yet" : !filled ? "not filled yet" : mill_streq(filled, digest) ? "its size changed" :
			  "files changed since it was filled");
}

/* `mount: false` where there is one: it is kept, and nobody mounts it any more. */
static void leave(struct mill_build *b)
{
	const struct mill_project *project = &b->m->project;
	_cleanup_free_ char *claim = mill_place_data_claim(b->p->name), *name = mill_xasprintf("volume %s", claim);
	_cleanup_json_ json_t *there = NULL;

	if (!b->host->data_volume || !project->data_folder || project->data.mount)
		return;
	there = b->host->data_volume(b->host->arg);
	if (there)
		mill_build_action(b, MILL_ACTION_PUBLISH, NULL, name, NULL, json_pack("{s:s, s:b}", "volume", claim, "leave", 1),
				  "not mounted any more; it is kept");
}

/* Also when nothing is to be filled: pods may mount it. */
static json_t *wanted_volume(const struct mill_build *b)
{
	const struct mill_project *project = &b->m->project;
	json_t *o;

	if (!b->host->data_volume || !project->data_folder || !project->data.mount)
		return NULL;
	o = json_pack("{s:I, s:s}", "bytes", (json_int_t)project->data.bytes, "access", project->data.access);
	if (project->data.storage_class)
		json_object_set_new(o, "storage_class", json_string(project->data.storage_class));
	return o;
}

void mill_diff_data(struct mill_build *b)
{
	const char *folder = b->m->project.data_folder;
	char digest[MILL_SHA256_HEX];

	b->plan->data_volume = wanted_volume(b);
	leave(b);
	if (!folder || b->o->no_data || b->o->start_only || !b->host->folder_digest ||
	    b->host->folder_digest(b->host, folder, digest, NULL) < 0)
		return;
	lake(b, digest);
	volume(b, digest);
}
