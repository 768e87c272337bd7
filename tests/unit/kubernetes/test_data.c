/* Filling the data volume: `entry mirror` for real, kubectl a stand-in that runs it here. */
#include "../cmocka_all.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"
#include "runtime/kubernetes/data.h"

static char dir[] = "/tmp/mill-data-XXXXXX";
static char *folder, *volume;
static struct mill_kube k;
static unsigned changes;

static int count_change(void *arg, struct mill_error *err)
{
	changes++;
	return 0;
}

/* kubectl is `exec ENTRY mirror VOLUME`, or these lines instead of it. */
static void make_kubectl(const char *instead)
{
	const char *build = getenv("MILL_TEST_BUILD");
	_cleanup_free_ char *text = instead ? mill_xasprintf("#!/bin/sh\n%s\n", instead) :
					      mill_xasprintf("#!/bin/sh\nexec '%s/src/data-mill-entry' mirror '%s'\n", build ? build : ".", volume);

	assert_int_equal(mill_write_file(k.kubectl, text, strlen(text), 0755, 0, NULL), 0);
}

static int begin(void **state)
{
	folder = mill_path_join(dir, "folder");
	volume = mill_path_join(dir, "volume");
	k = (struct mill_kube){.namespace = (char *)"lake", .kubectl = mill_path_join(dir, "kubectl")};
	changes = 0;
	make_kubectl(NULL);
	return mill_mkdir_p(folder, 0755, NULL) < 0 || mill_mkdir_p(volume, 0755, NULL) < 0;
}

static int end(void **state)
{
	(void)mill_rm_rf(folder, NULL);
	(void)mill_rm_rf(volume, NULL);
	(void)mill_rm_rf(k.kubectl, NULL);
	free(folder);
	free(volume);
	free(k.kubectl);
	return 0;
}

static void write_in(const char *top, const char *below, const char *text)
{
	_cleanup_free_ char *path = mill_path_join(top, below), *parent = mill_path_dirname(path);

	assert_int_equal(mill_mkdir_p(parent, 0755, NULL), 0);
	assert_int_equal(mill_write_file(path, text, strlen(text), 0644, 0, NULL), 0);
}

static bool holds(const char *below, const char *text)
{
	_cleanup_free_ char *path = mill_path_join(volume, below);

	return mill_file_is(path, text, strlen(text));
}

static bool is_there(const char *below)
{
	_cleanup_free_ char *path = mill_path_join(volume, below);

	return mill_exists(path);
}

static int fill_with(const struct mill_kube_fill *f, struct mill_kube_filled *ret, struct mill_error *err)
{
	*ret = (struct mill_kube_filled){0};
	return mill_kube_fill_pod(&k, "data-1", f, ret, err);
}

static struct mill_kube_filled fill(void)
{
	const struct mill_kube_fill f = {.folder = folder, .room_bytes = 1 << 30, .cancel_fd = -1, .before_change = count_change};
	_cleanup_error_ struct mill_error err = {0};
	struct mill_kube_filled done;

	if (fill_with(&f, &done, &err) < 0)
		fail_msg("%s", err.message);
	return done;
}

static void assert_filled(size_t sent, size_t removed, size_t unchanged, uint64_t bytes)
{
	struct mill_kube_filled done = fill();

	assert_int_equal(done.sent, sent);
	assert_int_equal(done.removed, removed);
	assert_int_equal(done.unchanged, unchanged);
	assert_int_equal(done.bytes, bytes);
}

static void test_it_becomes_what_the_folder_is(void **state)
{
	_cleanup_free_ char *link = mill_path_join(folder, "link"), *empty = mill_path_join(folder, "empty");

	write_in(folder, "a", "one");
	write_in(folder, "deep/er/b c\n\"", "");
	write_in(folder, "deep/.data-mill-tmp", "of a pull");
	assert_int_equal(symlink("a", link), 0);
	assert_int_equal(mill_mkdir_p(empty, 0755, NULL), 0);
	assert_filled(2, 0, 0, 3);
	assert_true(holds("a", "one") && holds("deep/er/b c\n\"", ""));
	assert_false(is_there("link") || is_there("empty") || is_there("deep/.data-mill-tmp"));
	assert_int_equal(changes, 1);

	assert_filled(0, 0, 2, 0);
	assert_int_equal(changes, 1); /* nothing to change */

	write_in(folder, "a", "two"); /* as long as before: its time tells */
	write_in(folder, "deeper", "x");
	_cleanup_free_ char *gone = mill_path_join(folder, "deep");
	assert_int_equal(mill_rm_rf(gone, NULL), 0);
	assert_filled(2, 1, 0, 4);
	assert_true(holds("a", "two") && !is_there("deep"));
	assert_int_equal(changes, 2);
}

static void test_files_and_folders_change_places(void **state)
{
	_cleanup_free_ char *a = mill_path_join(folder, "a"), *b = mill_path_join(folder, "b");

	write_in(folder, "a", "file");
	write_in(folder, "b/c", "in a folder");
	fill();
	assert_int_equal(mill_rm_rf(a, NULL), 0);
	assert_int_equal(mill_rm_rf(b, NULL), 0);
	write_in(folder, "a/c", "in a folder");
	write_in(folder, "b", "file");
	assert_filled(2, 2, 0, 15);
	assert_true(holds("a/c", "in a folder") && holds("b", "file"));
}

static void test_what_a_stranger_put_there_goes(void **state)
{
	write_in(volume, "stranger", "x");
	write_in(volume, "lost+found/x", "of the file system");
	assert_filled(0, 1, 0, 0);
	assert_true(!is_there("stranger") && is_there("lost+found/x"));
}

/* NFS and the like may keep whole seconds. */
static void test_coarse_times_are_the_same_times(void **state)
{
	_cleanup_free_ char *here = mill_path_join(folder, "a"), *there = mill_path_join(volume, "a");
	const struct timespec ours[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 1700000000, .tv_nsec = 123456789}};
	static const long theirs[] = {0, 123000000, 123456000, 123456700, 123456789};

	write_in(folder, "a", "one");
	assert_int_equal(utimensat(AT_FDCWD, here, ours, 0), 0);
	fill();
	for (size_t i = 0; i < MILL_ARRAY_LEN(theirs); i++) {
		const struct timespec t[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 1700000000, .tv_nsec = theirs[i]}};

		assert_int_equal(utimensat(AT_FDCWD, there, t, 0), 0);
		assert_filled(0, 0, 1, 0);
	}
	const struct timespec other[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 1700000000, .tv_nsec = 5}};

	assert_int_equal(utimensat(AT_FDCWD, there, other, 0), 0);
	assert_filled(1, 0, 0, 3);
}

static void test_no_more_than_there_is_room_for(void **state)
{
	const struct mill_kube_fill f = {.folder = folder, .room_bytes = 2, .cancel_fd = -1};
	_cleanup_error_ struct mill_error err = {0};
	struct mill_kube_filled done;

	write_in(folder, "a", "one");
	assert_int_equal(fill_with(&f, &done, &err), -ENOSPC);
	assert_non_null(strstr(err.hint, "storage"));
	assert_false(is_there("a"));
}

static void expect_failure(const char *kubectl, const char *said)
{
	const struct mill_kube_fill f = {.folder = folder, .room_bytes = 1 << 30, .cancel_fd = -1};
	_cleanup_error_ struct mill_error err = {0};
	struct mill_kube_filled done;

	make_kubectl(kubectl);
	assert_true(fill_with(&f, &done, &err) < 0);
	assert_non_null(strstr(err.message, "fill the data volume"));
	if (!strstr(err.message, said))
		fail_msg("%s", err.message);
}

static void test_its_end_is_told_whenever_it_comes(void **state)
{
	struct mill_strbuf large = MILL_STRBUF_INIT;

	for (int i = 0; i < 1 << 16; i++)
		mill_strbuf_addstr(&large, "some bytes that no pipe holds\n");
	write_in(folder, "large", large.data);
	mill_strbuf_release(&large);
	expect_failure("echo 'error: pods \"data-1\" not found' >&2; exit 1", "not found");
	expect_failure("printf '\\0'; head -c 100000 >/dev/null; echo 'error: lost connection to pod' >&2; exit 1", "lost connection");
	expect_failure("printf '\\0'; exec cat >/dev/null", "ended early"); /* it never said done */
	expect_failure("printf '1 x path\\0\\0'; cat >/dev/null", "not understood");
	expect_failure("exec /no/such/kubectl", "no/such");
}

static void test_it_can_be_cancelled(void **state)
{
	int fd = eventfd(1, EFD_CLOEXEC);
	const struct mill_kube_fill f = {.folder = folder, .room_bytes = 1 << 30, .cancel_fd = fd};
	struct mill_kube_filled done;
	uint64_t began = mill_now_ns();

	make_kubectl("exec sleep 60");
	assert_int_equal(fill_with(&f, &done, NULL), -ECANCELED);
	assert_true(mill_now_ns() - began < 5 * MILL_SEC);
	close(fd);
}

/* What a claim and its pods are asked for. */
static void test_the_claim(void **state)
{
	_cleanup_json_ json_t *wanted = json_pack("{s:I, s:s, s:s}", "bytes", (json_int_t)(1 << 20) + 1, "access", "ReadWriteMany", "storage_class", "fast");
	_cleanup_json_ json_t *claim = mill_kube_data_object(&k, wanted);
	const json_t *spec = json_object_get(claim, "spec");

	assert_string_equal(mill_json_get_string(json_object_get(claim, "metadata"), "name", ""), "lake-data");
	assert_string_equal(mill_json_get_string(json_object_get(json_object_get(spec, "resources"), "requests"), "storage", ""), "2Mi");
	assert_string_equal(json_string_value(json_array_get(json_object_get(spec, "accessModes"), 0)), "ReadWriteMany");
	assert_string_equal(mill_json_get_string(spec, "storageClassName", ""), "fast");
}

static json_t *mounted(const char *mode, const char *phase)
{
	json_t *pod = mill_kube_pod_object(&k, "p", NULL, "debug", mill_kube_pod_spec(&k, "debug", "x:y", 10, "1m", "8Mi"), 10);

	k.registry = (char *)"r";
	json_decref(k.snapshot);
	k.snapshot = json_pack("{s:[{s:{s:s, s:{s:s}}, s:{s:[s]}, s:{s:s}}]}", "claims", "metadata", "name", "lake-data", "labels",
			       "data-mill.io/role", "data", "spec", "accessModes", mode, "status", "phase", phase);
	k.snapshot_ns = mill_now_ns();
	mill_kube_data_mount(&k, pod);
	json_decref(k.snapshot);
	k.snapshot = NULL;
	return pod;
}

static void test_who_mounts_it(void **state)
{
	_cleanup_json_ json_t *one = mounted("ReadWriteOnce", "Bound"), *many = mounted("ReadWriteMany", "Bound"), *none = mounted("ReadWriteOnce", "Pending");
	_cleanup_free_ char *one_text = json_dumps(one, 0), *many_text = json_dumps(many, 0), *none_text = json_dumps(none, 0);

	assert_non_null(strstr(one_text, "\"mountPath\": \"/data\", \"readOnly\": true"));
	assert_non_null(strstr(one_text, "MILL_DATA_FOLDER"));
	assert_non_null(strstr(one_text, "podAffinity"));
	assert_non_null(strstr(many_text, "\"claimName\": \"lake-data\""));
	assert_null(strstr(many_text, "podAffinity"));
	assert_null(strstr(none_text, "lake-data"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_it_becomes_what_the_folder_is, begin, end),
		cmocka_unit_test_setup_teardown(test_files_and_folders_change_places, begin, end),
		cmocka_unit_test_setup_teardown(test_what_a_stranger_put_there_goes, begin, end),
		cmocka_unit_test_setup_teardown(test_coarse_times_are_the_same_times, begin, end),
		cmocka_unit_test_setup_teardown(test_no_more_than_there_is_room_for, begin, end),
		cmocka_unit_test_setup_teardown(test_its_end_is_told_whenever_it_comes, begin, end),
		cmocka_unit_test_setup_teardown(test_it_can_be_cancelled, begin, end),
		cmocka_unit_test_setup_teardown(test_the_claim, begin, end),
		cmocka_unit_test_setup_teardown(test_who_mounts_it, begin, end),
	};
	int r;

	if (!test_have_pidfd())
		return TEST_SKIP;
	if (!mkdtemp(dir))
		return 1;
	r = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(dir);
	return r;
}
