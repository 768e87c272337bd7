/*
 * What a component brings along itself: files of its folder, copied into the
 * entry; and paths in packaged texts, led into the entry.
 */
#include "base/base.h"
#include "base/io.h"
#include "runtime/native/step.h"

#define TEXT_MAX ((size_t)4 << 20)

/* A script can be run; git's own mode bits do not survive every way that a checkout takes. */
static mode_t mode_of(const char *path)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	char first[2] = "";
	return f && fread(first, 1, 2, f) == 2 && first[0] == '#' && first[1] == '!' ? 0755 : 0644;
}

int mill_install_files(struct mill_step_ctx *x, struct mill_error *err)
{
	const size_t skip = strlen(mill_step_string(x->step, "from", "")) + 1;
	if (!x->step->locks.n)
		return mill_fail(err, ENOENT, "there is nothing in %s/%s", x->recipe->dir, mill_step_string(x->step, "from", ""));
	for (size_t i = 0; i < x->step->locks.n; i++) {
		_cleanup_free_ char *from = mill_step_staged(x, x->step->locks.items[i]);
		_cleanup_free_ char *to = mill_path_join(x->dest, x->step->locks.items[i] + skip);
		_cleanup_free_ char *dir = mill_path_dirname(to);
		int r = mill_step_mkdir(x, dir, err);
		if (r == 0)
			r = mill_step_copy(x, from, to, mode_of(from), err);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool is_path_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("/._+-", c));
}

void mill_rewrite_paths(const char *text, const char *root, struct mill_strbuf *out)
{
	for (char before = '\0'; *text; before = text[-1]) {
		size_t n = 0;
		/* "/usr" in "${x}/usr" or "a/usr" is the rest of another path, "//" of a pattern no path. */
		if (*text == '/' && text[1] != '/' && !is_path_char(before) && before != '}' && before != ')')
			while (is_path_char(text[n]))
				n++;
		if (n > 1) {
			_cleanup_free_ char *path = mill_xasprintf("%s%.*s", root, (int)n, text);
			if (mill_exists(path))
				mill_strbuf_addstr(out, root);
		}
		n += n == 0;
		mill_strbuf_add(out, text, n);
		text += n;
	}
}

int mill_step_rewrite(struct mill_step_ctx *x, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv files = {0};
	mill_step_list(x->step, "rewrite", &files);
	for (size_t i = 0; i < files.n; i++) {
		_cleanup_free_ char *path = mill_path_join(x->dest, files.items[i]);
		_cleanup_free_ char *beside = mill_xasprintf("%s/rewrite-%zu", x->build, i);
		_cleanup_strbuf_ struct mill_strbuf out = MILL_STRBUF_INIT;
		_cleanup_free_ char *text = NULL;
		size_t len;
		if (!mill_path_is_inside(files.items[i]))
			return mill_fail_usage(err, "rewrite: '%s' leaves the entry", files.items[i]);
		int r = mill_read_file(path, TEXT_MAX, &text, &len, err);
		if (r == 0) {
			mill_rewrite_paths(text, x->dest, &out);
			r = mill_step_write(x, beside, out.data, err);
		}
		if (r == 0)
			r = mill_step_copy(x, beside, path, mode_of(beside), err);
		if (r < 0)
			return mill_error_wrap(err, "rewrite %s", files.items[i]);
	}
	return 0;
}
