/* What a plan asks of the machine and of the platform's folder; the runtime adds the rest. */
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "plan/host.h"

#include "base/hash.h"
#include "base/io.h"
#include "base/json.h"
#include "base/parse.h"
#include "plan/memory.h"
#include "secret/secret.h"

#define FOLDER_DEPTH_MAX 32

static json_t *load(const struct mill_plan_host *h, const char *folder, const char *id, const char *name)
{
	_cleanup_free_ char *path = mill_xasprintf("%s/%s/%s/%s", h->platform->dir, folder, id, name);
	json_t *j = NULL;

	return mill_json_load(path, MILL_JSON_FILE_MAX, &j, NULL) < 0 ? NULL : j;
}

/* As a rule nothing has changed: comparing texts is a fifth of the work of parsing one (callgrind). */
static json_t *read_spec(const struct mill_plan_host *h, const char *id, json_t *wanted)
{
	_cleanup_strbuf_ struct mill_strbuf text = MILL_STRBUF_INIT;
	_cleanup_free_ char *path = mill_xasprintf("%s/services/%s/spec.json", h->platform->dir, id);

	if (wanted)
		mill_json_file_text(wanted, &text);
	return wanted && mill_file_is(path, text.data, text.len) ? json_incref(wanted) : load(h, "services", id, "spec.json");
}

static json_t *read_applied(const struct mill_plan_host *h, const char *id)
{
	return load(h, "services", id, "applied.json");
}

static json_t *read_data(const struct mill_plan_host *h, const char *id)
{
	return load(h, "services", id, "data.json");
}

static json_t *read_record(const struct mill_plan_host *h, const char *component)
{
	return load(h, "components", component, "manifest.json");
}

static unsigned secret_version(const struct mill_plan_host *h, const char *component, const char *name)
{
	return mill_secret_version_wanted(h->platform, component, name);
}

static int assign_port(const struct mill_plan_host *h, const char *key, uint16_t preferred, uint16_t pinned,
		       uint16_t *ret_port, bool *ret_moved, struct mill_error *err)
{
	return mill_ports_assign(h->platform, key, preferred, pinned, ret_port, ret_moved, err);
}

static char *port_holder(const struct mill_plan_host *h, uint16_t port)
{
	return mill_port_holder(port);
}

/* ---- digests ---- */

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int no_dots(const struct dirent *d)
{
	return !mill_streq(d->d_name, ".") && !mill_streq(d->d_name, "..");
}

/* By content where another clone of the folder must count as the same: its times and its place differ. */
static void hash_content(struct mill_hash *h, const char *path, const char *below)
{
	char digest[65];

	if (mill_hash_file(MILL_SHA256, path, digest, NULL) < 0)
		return;
	mill_hash_field(h, below);
	mill_hash_field(h, digest);
}

static void hash_entry(struct mill_hash *h, const char *path, const struct stat *st)
{
	char line[96];

	mill_hash_field(h, path);
	snprintf(line, sizeof(line), "%lld %lld.%09ld", (long long)st->st_size, (long long)st->st_mtim.tv_sec,
		 st->st_mtim.tv_nsec);
	mill_hash_field(h, line);
}

/* root: bytes of the path that a content digest leaves out; 0: by size and time. */
static int hash_folder(struct mill_hash *h, const char *path, unsigned depth, size_t root)
{
	struct dirent **names;
	int n = scandir(path, &names, no_dots, by_name);

	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		_cleanup_free_ char *below = mill_xasprintf("%s/%s", path, names[i]->d_name);
		struct stat st;

		if (lstat(below, &st) == 0) {
			if (S_ISDIR(st.st_mode) && depth < FOLDER_DEPTH_MAX)
				hash_folder(h, below, depth + 1, root);
			else if (S_ISREG(st.st_mode) && root)
				hash_content(h, below, below + root);
			else if (S_ISREG(st.st_mode))
				hash_entry(h, below, &st);
		}
		free(names[i]);
	}
	free(names);
	return 0;
}

static int folder_digest(const struct mill_plan_host *host, const char *folder, char ret[65], struct mill_error *err)
{
	struct mill_hash *h = mill_hash_new(MILL_SHA256);
	int r = hash_folder(h, folder, 0, host->pods ? strlen(folder) : 0);

	mill_hash_finish(h, ret);
	return r < 0 ? mill_fail_errno(err, -r, "%s", folder) : 0;
}

static int file_digest(const struct mill_plan_host *host, const char *path, char ret[65], struct mill_error *err)
{
	return mill_hash_file(MILL_SHA256, path, ret, err);
}

/* ---- for preflight ---- */

/* The path itself or the nearest folder above it that exists; owned. */
static char *existing(const char *path)
{
	char *at = mill_path_absolute(path);

	while (at[0] && at[1] && !mill_exists(at)) {
		char *above = mill_path_dirname(at);

		free(at);
		at = above;
	}
	return at;
}

static int disk(const struct mill_plan_host *h, const char *path, uint64_t *ret_free, uint64_t *ret_id,
		struct mill_error *err)
{
	_cleanup_free_ char *at = existing(path);
	struct stat st;

	if (stat(at, &st) < 0)
		return mill_fail_errno(err, errno, "%s", at);
	*ret_id = (uint64_t)st.st_dev;
	return mill_disk_free(at, ret_free, err);
}

static bool writable(const struct mill_plan_host *h, const char *path)
{
	_cleanup_free_ char *at = existing(path);

	return access(at, W_OK) == 0;
}

static bool has_program(const struct mill_plan_host *h, const char *name)
{
	_cleanup_free_ char *found = mill_path_find_program(name, getenv("PATH"));

	return found != NULL;
}

bool mill_gpu_seen(void)
{
	return access("/proc/driver/nvidia/version", F_OK) == 0 || access("/dev/nvidia0", F_OK) == 0;
}

static bool has_gpu(const struct mill_plan_host *h)
{
	return mill_gpu_seen();
}

static uint64_t number_in(const char *path)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	uint64_t v = 0;

	if (mill_read_file(path, 64, &text, &len, NULL) < 0)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	return mill_parse_u64(text, &v) < 0 ? 0 : v;
}

/* Root may raise its own up to fs.nr_open. */
static uint64_t nofile_max(void)
{
	struct rlimit l;

	if (geteuid() == 0)
		return number_in("/proc/sys/fs/nr_open");
	return getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_max != RLIM_INFINITY ? l.rlim_max : 0;
}

static unsigned count_cpus(void)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;

	return n > 0 ? (unsigned)n : 1;
}

void mill_plan_host_init(struct mill_plan_host *h, struct mill_platform *p)
{
	struct mill_memory memory;

	mill_memory_read("", &memory);
	*h = (struct mill_plan_host){
		.platform = p, .memory_total = memory.total, .memory_available = memory.available, .cpus = count_cpus(),
		.nofile_max = nofile_max(), .inotify_instances = number_in("/proc/sys/fs/inotify/max_user_instances"),
		.spec = read_spec, .applied = read_applied, .data = read_data, .record = read_record,
		.secret_version = secret_version, .port = assign_port, .port_holder = port_holder,
		.folder_digest = folder_digest, .file_digest = file_digest,
		.disk = disk, .writable = writable, .has_program = has_program, .has_gpu = has_gpu,
	};
}
