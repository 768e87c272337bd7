/*
 * The root file system of the base layer.  Unpacked packages are only most of
 * it: here come what maintainer scripts would have made (users, certificates,
 * links), one /usr for all, Python's compiled files and the loader's cache.
 * Programs of its own make those two, so that the machine's do not matter.
 */
#include <sys/stat.h>

#include "image/internal.h"

#include "base/io.h"
#include "base/proc.h"
#include "runtime/native/seal.h"

#define CERTIFICATES "usr/share/ca-certificates/mozilla"
#define CERTIFICATE_MAX ((size_t)1 << 20)
#define RUN_TIMEOUT_MS 300000
#define DEPTH_MAX 64

static const struct {
	const char *path, *text;
} files[] = {
	{"etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"
		       "data-mill:x:10001:10001:Data-Mill:/tmp:/bin/sh\n"
		       "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"},
	{"etc/group", "root:x:0:\ndata-mill:x:10001:\nnogroup:x:65534:\n"},
	{"etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n"},
	{"etc/hosts", "127.0.0.1 localhost\n::1 localhost ip6-localhost\n"},
	{"etc/timezone", "Etc/UTC\n"},
};
static const struct {
	const char *path, *target;
} links[] = {
	{"etc/localtime", "../usr/share/zoneinfo/Etc/UTC"},
	{"etc/mtab", "../proc/self/mounts"},
	{"var/run", "../run"},
};
static const struct {
	const char *path;
	mode_t mode;
} folders[] = {
	{"tmp", 01777}, {"var/tmp", 01777}, {"run", 0755},  {"proc", 0755}, {"sys", 0755}, {"dev", 0755},
	{"root", 0755}, {"home", 0755},	    {"opt", 0755}, {"etc/ssl/certs", 0755}, {"data-mill", 0755},
};

/* Copied folders are read-only, as in the store; more is to go into them. */
static int open_folders(const char *dir, unsigned depth, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv names = {0};
	struct stat st;
	if (depth > DEPTH_MAX)
		return mill_fail(err, ELOOP, "%s: folders are nested too deep", dir);
	if (chmod(dir, 0755) < 0)
		return mill_fail_errno(err, errno, "chmod %s", dir);
	int r = mill_list_dir(dir, &names, err);
	for (size_t i = 0; i < names.n && r == 0; i++) {
		_cleanup_free_ char *path = mill_path_join(dir, names.items[i]);
		if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
			r = open_folders(path, depth + 1, err);
	}
	return r;
}

/* Moves what is in a folder into another, which may have folders of the same names, and removes it. */
static int move_into(const char *from, const char *to, unsigned depth, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv names = {0};
	int r = depth > DEPTH_MAX ? mill_fail(err, ELOOP, "%s: folders are nested too deep", from) : mill_mkdir_p(to, 0755, err);
	if (r == 0)
		r = mill_list_dir(from, &names, err);
	for (size_t i = 0; i < names.n && r == 0; i++) {
		_cleanup_free_ char *a = mill_path_join(from, names.items[i]), *b = mill_path_join(to, names.items[i]);
		struct stat x, y;
		bool both = lstat(a, &x) == 0 && S_ISDIR(x.st_mode) && lstat(b, &y) == 0 && S_ISDIR(y.st_mode);
		if (both)
			r = move_into(a, b, depth + 1, err);
		else if (rename(a, b) < 0)
			r = mill_fail_errno(err, errno, "move %s to %s", a, b);
	}
	if (r == 0 && rmdir(from) < 0)
		r = mill_fail_errno(err, errno, "remove %s", from);
	return r;
}

/* Debian's folders at the top are links into /usr; its packages of this release still name them. */
static int merge_usr(const char *tree, struct mill_error *err)
{
	static const char *const merged[] = {"bin", "sbin", "lib", "lib64"};
	int r = 0;
	for (size_t i = 0; i < MILL_ARRAY_LEN(merged) && r == 0; i++) {
		_cleanup_free_ char *top = mill_path_join(tree, merged[i]), *target = mill_path_join("usr", merged[i]);
		_cleanup_free_ char *below = mill_path_join(tree, target);
		if (!mill_is_dir(top))
			continue;
		r = move_into(top, below, 0, err);
		if (r == 0 && symlink(target, top) < 0)
			r = mill_fail_errno(err, errno, "link %s", top);
	}
	return r;
}

static int copy_packages(const char *entry, const char *tree, struct mill_error *err)
{
	static const char *const unwanted[] = {MILL_STORE_COMPLETE, MILL_SEAL_TREE, "boot"};
	int r = mill_copy_tree(entry, tree, err);
	if (r == 0)
		r = open_folders(tree, 0, err);
	for (size_t i = 0; i < MILL_ARRAY_LEN(unwanted) && r == 0; i++) {
		_cleanup_free_ char *path = mill_path_join(tree, unwanted[i]);
		r = mill_rm_rf(path, err);
	}
	return r < 0 ? r : merge_usr(tree, err);
}

/* One file of all authorities, as update-ca-certificates makes it. */
static int join_certificates(const char *tree, struct mill_error *err)
{
	_cleanup_free_ char *dir = mill_path_join(tree, CERTIFICATES);
	_cleanup_free_ char *out = mill_path_join(tree, "etc/ssl/certs/ca-certificates.crt");
	_cleanup_strv_ struct mill_strv names = {0};
	_cleanup_strbuf_ struct mill_strbuf all = MILL_STRBUF_INIT;
	int r = mill_list_dir(dir, &names, err);
	for (size_t i = 0; i < names.n && r == 0; i++) {
		_cleanup_free_ char *path = mill_path_join(dir, names.items[i]);
		_cleanup_free_ char *text = NULL;
		size_t len = 0;
		r = mill_read_file(path, CERTIFICATE_MAX, &text, &len, err);
		if (r < 0)
			break;
		mill_strbuf_add(&all, text, len);
		if (len && text[len - 1] != '\n')
			mill_strbuf_addch(&all, '\n');
	}
	if (r == 0 && all.len == 0)
		r = mill_fail(err, ENOENT, "%s has no certificates", dir);
	return r < 0 ? r : mill_write_file(out, all.data, all.len, 0444, 0, err);
}

static int add_files(const char *tree, struct mill_error *err)
{
	int r = 0;
	for (size_t i = 0; i < MILL_ARRAY_LEN(folders) && r == 0; i++) {
		_cleanup_free_ char *path = mill_path_join(tree, folders[i].path);
		r = mill_mkdir_p(path, 0755, err);
		if (r == 0 && chmod(path, folders[i].mode) < 0)
			r = mill_fail_errno(err, errno, "chmod %s", path);
	}
	for (size_t i = 0; i < MILL_ARRAY_LEN(files) && r == 0; i++) {
		_cleanup_free_ char *path = mill_path_join(tree, files[i].path);
		r = mill_write_file(path, files[i].text, strlen(files[i].text), 0444, 0, err);
	}
	for (size_t i = 0; i < MILL_ARRAY_LEN(links) && r == 0; i++) {
		_cleanup_free_ char *path = mill_path_join(tree, links[i].path);
		if (symlink(links[i].target, path) < 0 && errno != EEXIST)
			r = mill_fail_errno(err, errno, "link %s", path);
	}
	return r;
}

static int run_own(const char *what, char *const *argv, const char *tree, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv env = {0};
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	struct mill_run run = MILL_RUN_INIT;
	char text[64];
	int status = 0;
	mill_strv_add(&env, "LC_ALL=C.UTF-8");
	mill_strv_addf(&env, "PYTHONHOME=%s/usr", tree);
	mill_strv_add(&env, "PYTHONHASHSEED=0"); /* sets in compiled files come in its order */
	run.spawn.argv = argv;
	run.spawn.env = mill_strv_argv(&env);
	run.spawn.cwd = tree;
	run.spawn.new_group = true;
	run.merge_stderr = true;
	run.timeout_ms = RUN_TIMEOUT_MS;
	int r = mill_run(&run, &out, NULL, &status, err);
	if (r < 0)
		return mill_error_wrap(err, "%s", what);
	if (status == 0)
		return 0;
	mill_fail(err, EIO, "%s failed: %s", what, mill_status_text(status, text, sizeof(text)));
	mill_error_detail(err, out.data);
	return -err->code;
}

/* Without them every start of Python in a pod would compile what it imports, and could not keep it. */
static int compile_python(const char *tree, struct mill_error *err)
{
	bool arm = mill_streq(mill_machine_arch(), "arm64");
	_cleanup_strv_ struct mill_strv argv = {0};
	mill_strv_addf(&argv, "%s/usr/%s", tree, arm ? "lib/ld-linux-aarch64.so.1" : "lib64/ld-linux-x86-64.so.2");
	mill_strv_add(&argv, "--library-path");
	mill_strv_addf(&argv, "%s/usr/lib/%s", tree, arm ? "aarch64-linux-gnu" : "x86_64-linux-gnu");
	mill_strv_addf(&argv, "%s/usr/bin/python3", tree);
	mill_strv_add(&argv, "-s");
	mill_strv_add(&argv, "-B"); /* what compileall itself imports is not to be compiled with this machine's paths */
	mill_strv_add(&argv, "-m");
	mill_strv_add(&argv, "compileall");
	mill_strv_add(&argv, "-q");
	mill_strv_add(&argv, "-f");
	mill_strv_add(&argv, "--invalidation-mode=unchecked-hash");
	mill_strv_add(&argv, "-s"); /* compiled files name their source as the image has it */
	mill_strv_add(&argv, tree);
	mill_strv_add(&argv, "-p");
	mill_strv_add(&argv, "/");
	mill_strv_addf(&argv, "%s/usr/lib/python3.11", tree);
	mill_strv_addf(&argv, "%s/usr/lib/python3", tree);
	return run_own("compile the standard library of the base image", mill_strv_argv(&argv), tree, err);
}

static int cache_libraries(const char *tree, struct mill_error *err)
{
	_cleanup_free_ char *program = mill_path_join(tree, "usr/sbin/ldconfig");
	_cleanup_free_ char *notes = mill_path_join(tree, "var/cache/ldconfig"); /* its own, with inodes and times */
	char *argv[] = {program, (char *)"-X", (char *)"-r", (char *)tree, NULL};
	int r = run_own("ldconfig of the base image", argv, tree, err);
	return r < 0 ? r : mill_rm_rf(notes, err);
}

static int make(const char *entry, const char *tree, struct mill_error *err)
{
	int r = mill_rm_rf(tree, err);
	if (r == 0)
		r = mill_mkdir_p(tree, 0755, err);
	if (r == 0)
		r = copy_packages(entry, tree, err);
	if (r == 0)
		r = add_files(tree, err);
	if (r == 0)
		r = join_certificates(tree, err);
	if (r == 0)
		r = compile_python(tree, err);
	return r < 0 ? r : cache_libraries(tree, err);
}

int mill_image_base_tree(struct mill_images *im, char **ret, struct mill_error *err)
{
	_cleanup_free_ char *entry = mill_store_entry_at(im->store, im->base_key);
	_cleanup_free_ char *below = mill_xasprintf("base/%s.%s", im->base_key, MILL_IMAGE_BASE_VERSION);
	_cleanup_free_ char *tree = mill_images_path(im, below);
	_cleanup_free_ char *fresh = mill_xasprintf("%s.new", tree);
	if (!mill_is_dir(tree)) {
		int r = make(entry, fresh, err);
		if (r == 0 && rename(fresh, tree) < 0)
			r = mill_fail_errno(err, errno, "rename %s", fresh);
		if (r < 0) {
			(void)mill_rm_rf(fresh, NULL);
			return mill_error_wrap(err, "the base image");
		}
	}
	*ret = MILL_TAKE(tree);
	return 0;
}
