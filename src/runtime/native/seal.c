#include <fcntl.h>
#include <sys/stat.h>

#include "runtime/native/seal.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"
#include "base/map.h"
#include "runtime/native/store.h"
#include "runtime/native/tree.h"

#define TREE_FILE_MAX ((size_t)256 << 20)
#define PROBLEMS_MAX 50

static void write_item(struct mill_strbuf *out, const struct mill_tree_item *item)
{
	struct mill_json_writer w;
	mill_json_writer_init(&w, out, false);
	mill_json_begin_array(&w);
	mill_json_string(&w, item->path);
	mill_json_string(&w, (char[]){item->type, '\0'});
	if (item->type == 'f') {
		char mode[16];
		snprintf(mode, sizeof(mode), "%04o", (unsigned)item->mode);
		mill_json_string(&w, mode);
		mill_json_uint(&w, item->size);
		mill_json_string(&w, item->sha256);
	} else if (item->type == 'l') {
		mill_json_string(&w, item->target);
	}
	mill_json_end_array(&w);
	mill_strbuf_addch(out, '\n');
}

static int append_item(void *arg, const struct mill_tree_item *item, struct mill_error *err)
{
	struct mill_strbuf *out = arg;
	write_item(out, item);
	return out->overflow ? mill_fail(err, EFBIG, "too many files") : 0;
}

static void write_complete(const struct mill_seal *s, const char *tree_sha256, struct mill_strbuf *out)
{
	struct mill_json_writer w;
	mill_json_writer_init(&w, out, false);
	mill_json_begin_object(&w);
	mill_json_kv_int(&w, "v", 1);
	mill_json_kv_string(&w, "key", s->key);
	mill_json_kv_string(&w, "name", s->name);
	mill_json_kv_string(&w, "version", s->version);
	mill_json_kv_int(&w, "bytes", (int64_t)s->bytes);
	mill_json_kv_int(&w, "files", (int64_t)s->files);
	mill_json_kv_int(&w, "when_ms", (int64_t)mill_wall_ms());
	mill_json_kv_string(&w, "tree_sha256", tree_sha256);
	if (s->recipe) {
		mill_json_key(&w, "recipe");
		mill_json_value(&w, s->recipe);
	}
	mill_json_end_object(&w);
	mill_strbuf_addch(out, '\n');
}

int mill_seal(struct mill_seal *s, struct mill_error *err)
{
	_cleanup_strbuf_ struct mill_strbuf tree = MILL_STRBUF_INIT_MAX(TREE_FILE_MAX);
	struct mill_tree t = {
		.seal = true, .to_root = s->to_root, .on_item = append_item, .arg = &tree};
	int r = mill_tree_walk(&t, s->path, err);
	if (r < 0)
		return r;
	s->bytes = t.bytes;
	s->files = t.files;
	_cleanup_free_ char *tree_path = mill_path_join(s->path, MILL_SEAL_TREE);
	r = mill_write_file(tree_path, tree.data, tree.len, 0444, 0, err);
	if (r < 0)
		return r;
	/* One sync of the file system instead of one a file: a venv has tens of thousands. */
	_cleanup_close_ int dir = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || syncfs(dir) < 0)
		return mill_fail_errno(err, errno, "sync %s", s->path);
	char sha[MILL_SHA256_HEX];
	mill_sha256(tree.data, tree.len, sha);
	_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
	write_complete(s, sha, &out);
	_cleanup_free_ char *complete = mill_path_join(s->path, MILL_STORE_COMPLETE);
	r = mill_write_file(complete, out.data, out.len, 0444, MILL_WRITE_DURABLE, err);
	if (r < 0)
		return r;
	/* Complete from here on; a crash before this chmod leaves only the top folder writable. */
	if (fchmod(dir, 0555) < 0)
		return mill_fail_errno(err, errno, "make %s read-only", s->path);
	return 0;
}

/* ---- verify ---- */
struct verify {
	struct mill_map expected; /* path -> line of .tree */
	struct mill_strv *problems;
	size_t n_problems;
	char *first;
};

static void problem(struct verify *v, const char *fmt, ...) MILL_PRINTF(2, 3);
static void problem(struct verify *v, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char *text = mill_xvasprintf(fmt, ap);
	va_end(ap);
	if (v->problems && v->n_problems < PROBLEMS_MAX)
		mill_strv_add(v->problems, text);
	if (v->n_problems++ == 0)
		v->first = text;
	else
		free(text);
}

static int check_item(void *arg, const struct mill_tree_item *item, struct mill_error *err)
{
	struct verify *v = arg;
	const char *want = mill_map_get(&v->expected, item->path);
	if (!want) {
		problem(v, "%s: was not there when it was installed", item->path);
		return 0;
	}
	_cleanup_strbuf_ struct mill_strbuf have = MILL_STRBUF_INIT;
	write_item(&have, item);
	mill_strbuf_truncate(&have, have.len - 1);
	if (!mill_streq(have.data, want))
		problem(v, "%s: changed", item->path);
	mill_map_remove(&v->expected, item->path);
	return 0;
}

static int load_tree(const char *path, const char *want_sha, struct mill_map *expected,
		     struct mill_error *err)
{
	_cleanup_free_ char *file = mill_path_join(path, MILL_SEAL_TREE);
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	int r = mill_read_file(file, TREE_FILE_MAX, &text, &len, err);
	if (r < 0)
		return r;
	char sha[MILL_SHA256_HEX];
	mill_sha256(text, len, sha);
	if (!mill_streq(sha, want_sha))
		return mill_fail(err, EBADMSG, "%s: changed", MILL_SEAL_TREE);
	for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		_cleanup_json_ json_t *j = NULL;
		if (mill_json_parse(file, line, (size_t)(end - line), &j, err) < 0)
			return -err->code;
		const char *name = json_string_value(json_array_get(j, 0));
		if (!name)
			return mill_fail(err, EBADMSG, "%s: not a list of files", file);
		mill_map_set(expected, name, mill_xstrdup(line));
	}
	return 0;
}

int mill_seal_verify(const char *path, struct mill_strv *problems, struct mill_error *err)
{
	_cleanup_error_ struct mill_error local = {0};
	if (!err)
		err = &local;
	_cleanup_free_ char *complete = mill_path_join(path, MILL_STORE_COMPLETE);
	_cleanup_json_ json_t *j = NULL;
	int r = mill_json_load(complete, MILL_JSON_FILE_MAX, &j, err);
	if (r < 0)
		return r;
	struct verify v = {.problems = problems, .expected = {.free_value = free}};
	r = load_tree(path, mill_json_get_string(j, "tree_sha256", ""), &v.expected, err);
	if (r == -EBADMSG && problems)
		mill_strv_add(problems, err->message);
	struct mill_tree t = {.on_item = check_item, .arg = &v};
	if (r == 0)
		r = mill_tree_walk(&t, path, err);
	if (r == 0) {
		for (size_t i = 0; i < v.expected.n; i++)
			problem(&v, "%s: missing", v.expected.entries[i].key);
		if (v.n_problems)
			r = mill_fail(err, EBADMSG, "%zu file%s changed since the install, first %s",
				      v.n_problems, v.n_problems == 1 ? "" : "s", v.first);
	}
	free(v.first);
	mill_map_release(&v.expected);
	return r;
}
