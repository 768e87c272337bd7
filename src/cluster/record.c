/* <state>/clusters/<provider>.<name>/, 0700: cluster.json (what we made), kubeconfig (0600). */
#include <fcntl.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/json.h"
#include "cluster/internal.h"
#include "platform/platform.h"

int mill_record_folder(const struct mill_cluster *c, struct mill_error *err)
{
	return mill_mkdir_p(c->dir, 0700, err);
}

const char *mill_record_phase(const struct mill_cluster *c, char *buf, size_t len)
{
	_cleanup_free_ char *path = mill_path_join(c->dir, "cluster.json");
	_cleanup_json_ json_t *o = NULL;

	buf[0] = 0;
	if (mill_state_load(path, &o, NULL) == 0)
		snprintf(buf, len, "%s", mill_json_get_string(o, "phase", ""));
	return buf;
}

int mill_record_write(const struct mill_cluster *c, const char *phase, struct mill_error *err)
{
	_cleanup_free_ char *path = mill_path_join(c->dir, "cluster.json");
	_cleanup_json_ json_t *description = mill_cluster_describe(c);
	_cleanup_json_ json_t *o = json_pack("{s:s, s:O}", "phase", phase, "cluster", description);
	int r = mill_record_folder(c, err);

	return r < 0 ? r : mill_state_save(path, o, 0600, err);
}

int mill_record_remove(const struct mill_cluster *c, struct mill_error *err)
{
	return mill_rm_rf(c->dir, err);
}

int mill_record_kubeconfig(const struct mill_cluster *c, const char *text, size_t len, struct mill_error *err)
{
	int r = mill_record_folder(c, err);

	return r < 0 ? r : mill_write_file(c->kubeconfig, text, len, 0600, MILL_WRITE_DURABLE, err);
}
