/* desired.json: changed under the lock of the context, saved before the daemon is asked. */
#include "runtime/native/context.h"

#include "base/clock.h"
#include "base/json.h"

json_t *mill_native_wanted(const struct mill_native *n, const char *id)
{
	size_t i;
	json_t *service;
	json_array_foreach(json_object_get(n->p->desired, "services"), i, service)
		if (mill_streq(mill_json_get_string(service, "id", ""), id))
			return service;
	return NULL;
}

int mill_native_want(struct mill_native *n, const char *id, bool up, const json_t *after, struct mill_error *err)
{
	pthread_mutex_lock(&n->lock);
	json_t *entry = mill_native_wanted(n, id);
	if (!entry) {
		entry = json_pack("{s:s, s:[]}", "id", id, "after");
		json_array_append_new(json_object_get(n->p->desired, "services"), entry);
	}
	json_object_set_new(entry, "wanted", json_string(up ? "up" : "down"));
	if (json_is_array(after))
		json_object_set_new(entry, "after", json_deep_copy(after));
	int r = mill_platform_save_desired(n->p, err);
	pthread_mutex_unlock(&n->lock);
	return r;
}

int mill_native_task_done(struct mill_native *n, const char *id, const char *fingerprint, struct mill_error *err)
{
	pthread_mutex_lock(&n->lock);
	json_object_set_new(json_object_get(n->p->desired, "tasks"), id,
			    json_pack("{s:s, s:I}", "fingerprint", fingerprint, "done_ms",
				      (json_int_t)mill_wall_ms()));
	int r = mill_platform_save_desired(n->p, err);
	pthread_mutex_unlock(&n->lock);
	return r;
}
