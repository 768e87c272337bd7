/* Archives as an enemy would write them. */
#include "../cmocka_all.h"

#include <archive.h>
#include <archive_entry.h>

#include "base/hash.h"
#include "net/unpack.h"

struct item {
	const char *name;
	mode_t type;        /* AE_IFREG, AE_IFDIR, AE_IFLNK, AE_IFIFO; 0: hard link */
	const char *target; /* of a link */
	const char *data;
	size_t repeat;      /* data so many times; 0: once */
	mode_t perm;
};

#define F(name, data) {name, AE_IFREG, NULL, data, 0, 0}
#define L(name, target) {name, AE_IFLNK, target, NULL, 0, 0}
#define H(name, target) {name, 0, target, NULL, 0, 0}

static char *dir;

static int setup(void **state)
{
	dir = test_mkdir();
	return mill_mkdir_p(test_path(dir, "out"), 0755, NULL);
}

static int teardown(void **state)
{
	test_rmdir(dir);
	return 0;
}

static void add_item(struct archive *a, const struct item *i)
{
	struct archive_entry *e = archive_entry_new();
	size_t len = i->data ? strlen(i->data) : 0, repeat = i->repeat ? i->repeat : 1;
	archive_entry_set_pathname(e, i->name);
	archive_entry_set_filetype(e, i->type ? i->type : AE_IFREG);
	archive_entry_set_perm(e, i->perm ? i->perm : 0644);
	if (i->type == AE_IFLNK)
		archive_entry_set_symlink(e, i->target);
	else if (!i->type)
		archive_entry_set_hardlink(e, i->target);
	archive_entry_set_size(e, (la_int64_t)(len * repeat));
	assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
	for (size_t n = 0; n < repeat && len; n++)
		assert_int_equal(archive_write_data(a, i->data, len), len);
	archive_entry_free(e);
}

static void make_tar(const char *path, const struct item *items, size_t n)
{
	struct archive *a = archive_write_new();
	archive_write_add_filter_gzip(a);
	archive_write_set_format_pax_restricted(a);
	assert_int_equal(archive_write_open_filename(a, path), ARCHIVE_OK);
	for (size_t i = 0; i < n; i++)
		add_item(a, &items[i]);
	assert_int_equal(archive_write_close(a), ARCHIVE_OK);
	archive_write_free(a);
}

static int unpack(struct mill_net_unpack u, struct mill_error *err)
{
	u.archive = test_path(dir, "a.tar.gz");
	u.dest = test_path(dir, "out");
	u.cancel_fd = -1;
	return mill_net_unpack(&u, err);
}

static void test_plain(void **state)
{
	const struct item items[] = {
		{"top/", AE_IFDIR, NULL, NULL, 0, 0700},      {"./top/bin/x", AE_IFREG, NULL, "run", 0, 06755},
		L("top/link", "bin/x"),	      L("top/up", "bin"),
		H("top/hard", "top/bin/x"),		      {"top/none", AE_IFREG, NULL, NULL, 0, 0600},
		{"top/skip/me", AE_IFREG, NULL, "no", 0, 0600}};
	struct stat st;
	make_tar(test_path(dir, "a.tar.gz"), items, MILL_ARRAY_LEN(items));
	_cleanup_error_ struct mill_error err = {0};
	const char *const omit[] = {"skip", NULL};
	if (unpack((struct mill_net_unpack){.strip = 1, .omit = omit}, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(stat(test_path(dir, "out/bin/x"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755); /* set-id bits are gone */
	assert_int_equal(st.st_nlink, 2);
	assert_int_equal(stat(test_path(dir, "out/link"), &st), 0);
	assert_int_equal(stat(test_path(dir, "out/none"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_false(mill_exists(test_path(dir, "out/skip")));
}

/* Nothing of these may appear outside, and each is refused. */
static void test_escapes(void **state)
{
	static const struct {
		struct item items[2];
		size_t n;
	} cases[] = {
		{{F("../evil", "x")}, 1},
		{{F("a/../../evil", "x")}, 1},
		{{F("/tmp/mill-evil", "x")}, 1},
		{{L("l", ".."), F("l/evil", "x")}, 2},
		{{L("l", "/tmp"), F("l/mill-evil", "x")}, 2},
		{{L("a/l", "x/../../../b")}, 1},
		{{H("h", "../evil-source")}, 1},
		{{H("h", "/etc/passwd")}, 1},
		{{{"p", AE_IFIFO, NULL, NULL, 0, 0}}, 1},
		{{{"d", AE_IFCHR, NULL, NULL, 0, 0}}, 1},
	};
	test_write(test_path(dir, "evil-source"), "secret");
	for (size_t i = 0; i < MILL_ARRAY_LEN(cases); i++) {
		_cleanup_error_ struct mill_error err = {0};
		make_tar(test_path(dir, "a.tar.gz"), cases[i].items, cases[i].n);
		int r = unpack((struct mill_net_unpack){0}, &err);
		if (r != -EPERM)
			fail_msg("case %zu: %d %s", i, r, err.message);
		assert_false(mill_exists(test_path(dir, "evil")));
		assert_false(mill_exists("/tmp/mill-evil"));
	}
}

/* A link that stays inside, then a file through it: the link is replaced, never followed. */
static void test_through_link(void **state)
{
	const struct item items[] = {F("real/keep", "old"),
				     L("l", "real"),
				     F("l/keep", "new")};
	make_tar(test_path(dir, "a.tar.gz"), items, 3);
	(void)unpack((struct mill_net_unpack){0}, NULL);
	_cleanup_free_ char *text = test_read(test_path(dir, "out/real/keep"));
	assert_string_equal(text, "old");
}

static void test_rebase(void **state)
{
	const struct item items[] = {F("usr/share/x/data", "d"),
				     L("usr/lib/y/link", "/usr/share/x"),
				     L("etc/out", "/../../etc")};
	char target[256];
	make_tar(test_path(dir, "a.tar.gz"), items, 2);
	assert_int_equal(unpack((struct mill_net_unpack){0}, NULL), -EPERM);
	assert_int_equal(unpack((struct mill_net_unpack){.rebase_links = true}, NULL), 0);
	ssize_t n = readlink(test_path(dir, "out/usr/lib/y/link"), target, sizeof(target) - 1);
	assert_true(n > 0);
	target[n] = '\0';
	assert_string_equal(target, "../../../usr/share/x");
	assert_true(mill_is_file(test_path(dir, "out/usr/lib/y/link/data")));
	make_tar(test_path(dir, "a.tar.gz"), &items[2], 1);
	assert_int_equal(unpack((struct mill_net_unpack){.rebase_links = true}, NULL), -EPERM);
}

static void test_limits(void **state)
{
	static char zeros[1 << 20];
	memset(zeros, 'z', sizeof(zeros) - 1);
	const struct item bomb[] = {{"b", AE_IFREG, NULL, zeros, 100, 0}};
	const struct item three[] = {F("1", NULL), F("2", NULL), F("3", NULL)};
	_cleanup_error_ struct mill_error err = {0};
	make_tar(test_path(dir, "a.tar.gz"), bomb, 1);
	assert_int_equal(unpack((struct mill_net_unpack){0}, &err), -EFBIG);
	assert_non_null(strstr(err.message, "bomb"));
	assert_int_equal(unpack((struct mill_net_unpack){.max_bytes = 1000, .max_ratio = 100000}, &err), -EFBIG);
	make_tar(test_path(dir, "a.tar.gz"), three, 3);
	assert_int_equal(unpack((struct mill_net_unpack){.max_entries = 2}, &err), -EFBIG);
	assert_int_equal(unpack((struct mill_net_unpack){.max_entries = 3}, &err), 0);
}

static void test_truncated(void **state)
{
	_cleanup_free_ char *noise = mill_xmalloc(200001), *data = NULL;
	size_t len;
	mill_random_bytes(noise, 200000);
	for (size_t i = 0; i < 200000; i++)
		noise[i] = (char)('a' + ((unsigned char)noise[i] & 15));
	noise[200000] = '\0';
	const struct item items[] = {F("one", noise), F("two", noise)};
	make_tar(test_path(dir, "a.tar.gz"), items, 2);
	assert_int_equal(mill_read_file(test_path(dir, "a.tar.gz"), 1 << 20, &data, &len, NULL), 0);
	for (size_t cut = 1; cut < 10; cut++) {
		_cleanup_error_ struct mill_error err = {0};
		assert_int_equal(mill_write_file(test_path(dir, "a.tar.gz"), data, len * cut / 10, 0644, 0, NULL), 0);
		if (unpack((struct mill_net_unpack){0}, &err) != -EBADMSG)
			fail_msg("cut at %zu of 10: %s", cut, err.message);
	}
	test_write(test_path(dir, "a.tar.gz"), "this is no archive");
	assert_int_equal(unpack((struct mill_net_unpack){0}, NULL), -EBADMSG);
	test_write(test_path(dir, "a.tar.gz"), "");
	assert_true(unpack((struct mill_net_unpack){0}, NULL) <= 0);
}

static void test_deb(void **state)
{
	const struct item items[] = {{"./usr/bin/hello", AE_IFREG, NULL, "hi", 0, 0755}};
	_cleanup_free_ char *data = NULL;
	size_t len;
	make_tar(test_path(dir, "data.tar.gz"), items, 1);
	assert_int_equal(mill_read_file(test_path(dir, "data.tar.gz"), 1 << 20, &data, &len, NULL), 0);
	struct archive *a = archive_write_new();
	archive_write_set_format_ar_svr4(a);
	assert_int_equal(archive_write_open_filename(a, test_path(dir, "a.tar.gz")), ARCHIVE_OK);
	const char *const names[] = {"debian-binary", "control.tar.gz", "data.tar.gz"};
	for (int i = 0; i < 3; i++) {
		struct archive_entry *e = archive_entry_new();
		archive_entry_set_pathname(e, names[i]);
		archive_entry_set_filetype(e, AE_IFREG);
		archive_entry_set_perm(e, 0644);
		archive_entry_set_size(e, i == 2 ? (la_int64_t)len : 4);
		assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
		archive_write_data(a, i == 2 ? data : "2.0\n", i == 2 ? len : 4);
		archive_entry_free(e);
	}
	archive_write_close(a);
	archive_write_free(a);
	assert_int_equal(unpack((struct mill_net_unpack){.deb = true}, NULL), 0);
	assert_true(mill_is_file(test_path(dir, "out/usr/bin/hello")));
	make_tar(test_path(dir, "a.tar.gz"), items, 1);
	assert_int_equal(unpack((struct mill_net_unpack){.deb = true}, NULL), -EBADMSG);
}

/* As root, the files come out as the given user's, and that user's rights decide. */
static void test_as_user(void **state)
{
	const struct item items[] = {F("f", "x")};
	struct stat st;
	if (getuid() != 0)
		skip();
	make_tar(test_path(dir, "a.tar.gz"), items, 1);
	assert_int_equal(chmod(dir, 0755), 0);
	struct mill_net_unpack u = {.set_ids = true, .uid = 65534, .gid = 65534};
	assert_int_equal(unpack(u, NULL), -EACCES); /* out is root's */
	assert_int_equal(chown(test_path(dir, "out"), 65534, 65534), 0);
	assert_int_equal(unpack(u, NULL), 0);
	assert_int_equal(stat(test_path(dir, "out/f"), &st), 0);
	assert_int_equal(st.st_uid, 65534);
	assert_int_equal(getuid(), 0); /* the rest of the program is still root */
}

static void test_working_folder_is_kept(void **state)
{
	char before[4096], after[4096];
	const struct item items[] = {F("f", "x")};
	make_tar(test_path(dir, "a.tar.gz"), items, 1);
	assert_non_null(getcwd(before, sizeof(before)));
	mode_t mask = umask(077);
	assert_int_equal(unpack((struct mill_net_unpack){0}, NULL), 0);
	assert_non_null(getcwd(after, sizeof(after)));
	assert_string_equal(before, after);
	assert_int_equal(umask(mask), 077);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_plain), T(test_escapes), T(test_through_link), T(test_rebase), T(test_limits),
		T(test_truncated), T(test_deb), T(test_as_user), T(test_working_folder_is_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
