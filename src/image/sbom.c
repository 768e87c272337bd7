/*
 * The bill of materials: SPDX 2.3 in JSON (https://spdx.github.io/spdx-spec/v2.3/)
 * of every package that the locks of an image's entries name, each with its
 * package URL (https://github.com/package-url/purl-spec) and, where the lock has
 * one, its checksum.  It says what the locks say and looks at no installed file.
 */
#include <ctype.h>

#include "image/internal.h"

#include "base/io.h"
#include "base/json.h"
#include "base/map.h"
#include "runtime/native/apt.h"

#define EVERY_TIME "2000-01-01T00:00:00Z"
#define PACKAGES_MAX 50000

struct bill {
	json_t *packages, *relationships;
	struct mill_map seen; /* package URLs */
	const char *entry;    /* whose lock it is, for the comment */
};

struct package {
	const char *name, *version;
	const char *purl;
	const char *algorithm, *checksum; /* "SHA256" and hex; NULL: the lock has none of one file */
	const char *comment;
};

/* What a package URL cannot have as it is. */
static char *escape(const char *s)
{
	struct mill_strbuf b = MILL_STRBUF_INIT;
	for (; *s; s++) {
		if (isalnum((unsigned char)*s) || strchr("-._~/", *s))
			mill_strbuf_addch(&b, *s);
		else
			mill_strbuf_printf(&b, "%%%02X", (unsigned char)*s);
	}
	return mill_strbuf_steal(&b);
}

static void relate(struct bill *b, const char *from, const char *how, const char *to)
{
	json_array_append_new(b->relationships, json_pack("{s:s, s:s, s:s}", "spdxElementId", from, "relationshipType", how,
							  "relatedSpdxElement", to));
}

static int add_package(struct bill *b, const struct package *p, struct mill_error *err)
{
	size_t n = json_array_size(b->packages);
	if (mill_map_has(&b->seen, p->purl))
		return 0;
	if (n >= PACKAGES_MAX)
		return mill_fail(err, EFBIG, "the locks name more than %d packages", PACKAGES_MAX);
	mill_map_set(&b->seen, p->purl, mill_xstrdup(""));
	_cleanup_free_ char *id = mill_xasprintf("SPDXRef-Package-%zu", n);
	json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:b, s:s, s:s, s:s, s:[{s:s, s:s, s:s}]}", "SPDXID", id, "name", p->name,
			      "versionInfo", p->version, "downloadLocation", "NOASSERTION", "filesAnalyzed", 0, "licenseConcluded",
			      "NOASSERTION", "licenseDeclared", "NOASSERTION", "copyrightText", "NOASSERTION", "externalRefs",
			      "referenceCategory", "PACKAGE-MANAGER", "referenceType", "purl", "referenceLocator", p->purl);
	if (!o)
		return mill_fail(err, EBADMSG, "a lock of %s names a package that is not text", b->entry);
	if (p->checksum)
		json_object_set_new(o, "checksums", json_pack("[{s:s, s:s}]", "algorithm", p->algorithm, "checksumValue", p->checksum));
	_cleanup_free_ char *comment = mill_xasprintf("of %s%s%s", b->entry, p->comment ? "; " : "", p->comment ? p->comment : "");
	json_object_set_new(o, "comment", json_string(comment));
	json_array_append_new(b->packages, o);
	relate(b, "SPDXRef-Package-0", "CONTAINS", id);
	return 0;
}

/* ---- the locks ---- */
static int add_pip(struct bill *b, const char *text, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv lines = {0};
	int r = 0;
	mill_strv_split(&lines, text, "\n");
	for (size_t i = 0; i < lines.n && r == 0; i++) {
		char *equals = strstr(lines.items[i], "==");
		if (!equals || lines.items[i][0] == '#' || lines.items[i][0] == '-')
			continue;
		size_t files = 0;
		while (i + 1 + files < lines.n && mill_starts_with(lines.items[i + 1 + files], "--hash="))
			files++;
		_cleanup_free_ char *name = mill_xstrndup(lines.items[i], strcspn(lines.items[i], "[=")),
				    *version = mill_xstrndup(equals + 2, strcspn(equals + 2, " ;\\"));
		_cleanup_free_ char *escaped = escape(version), *purl = mill_xasprintf("pkg:pypi/%s@%s", name, escaped);
		_cleanup_free_ char *hash = NULL, *comment = mill_xasprintf("the lock has the SHA-256 of each of its %zu files", files);
		if (files == 1 && mill_starts_with(lines.items[i + 1], "--hash=sha256:"))
			hash = mill_xstrndup(lines.items[i + 1] + strlen("--hash=sha256:"), 64);
		r = add_package(b, &(struct package){.name = name, .version = version, .purl = purl, .algorithm = "SHA256",
						     .checksum = hash, .comment = hash ? NULL : comment},
				err);
	}
	return r;
}

/* "module version" of a require line, also inside its block. */
static int add_go(struct bill *b, const char *text, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv lines = {0};
	bool in_block = false;
	int r = 0;
	mill_strv_split(&lines, text, "\n");
	for (size_t i = 0; i < lines.n && r == 0; i++) {
		_cleanup_strv_ struct mill_strv words = {0};
		mill_strv_split(&words, lines.items[i], " \t");
		bool single = words.n >= 3 && mill_streq(words.items[0], "require") && words.items[1][0] != '(';
		if (words.n >= 2 && mill_streq(words.items[0], "require") && words.items[1][0] == '(')
			in_block = true;
		else if (words.n && words.items[0][0] == ')')
			in_block = false;
		else if (single || (in_block && words.n >= 2 && words.items[1][0] == 'v')) {
			const char *module = words.items[single], *version = words.items[1 + single];
			_cleanup_free_ char *m = escape(module), *v = escape(version), *purl = mill_xasprintf("pkg:golang/%s@%s", m, v);
			r = add_package(b, &(struct package){.name = module, .version = version, .purl = purl,
							     .comment = "the lock has the h1 sum of the module"},
					err);
		}
	}
	return r;
}

static int add_npm(struct bill *b, const char *text, struct mill_error *err)
{
	_cleanup_json_ json_t *j = NULL;
	const char *path;
	json_t *one;
	int r = mill_json_parse("package-lock.json", text, strlen(text), &j, err);
	if (r < 0)
		return r;
	json_object_foreach(json_object_get(j, "packages"), path, one) {
		const char *name = strstr(path, "node_modules/"), *next;
		while (name && (next = strstr(name + 1, "node_modules/")))
			name = next;
		const char *version = mill_json_get_string(one, "version", NULL);
		if (!name || !version || mill_json_get_bool(one, "dev", false))
			continue;
		name += strlen("node_modules/");
		_cleanup_free_ char *n = escape(name), *v = escape(version), *purl = mill_xasprintf("pkg:npm/%s@%s", n, v);
		r = add_package(b, &(struct package){.name = name, .version = version, .purl = purl,
						     .comment = mill_json_get_string(one, "integrity", NULL)},
				err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* "group:artifact:type[:classifier]:version sha256:hex" */
static int add_maven(struct bill *b, const char *text, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv lines = {0};
	int r = 0;
	mill_strv_split(&lines, text, "\n");
	for (size_t i = 0; i < lines.n && r == 0; i++) {
		_cleanup_strv_ struct mill_strv words = {0}, parts = {0};
		mill_strv_split(&words, lines.items[i], " ");
		if (words.n)
			mill_strv_split(&parts, words.items[0], ":");
		if (parts.n < 4 || parts.n > 5 || words.n < 2 || !mill_starts_with(words.items[1], "sha256:"))
			continue;
		_cleanup_free_ char *name = mill_xasprintf("%s:%s", parts.items[0], parts.items[1]);
		_cleanup_free_ char *v = escape(parts.items[parts.n - 1]);
		_cleanup_free_ char *classifier = parts.n == 5 ? mill_xasprintf("&classifier=%s", parts.items[3]) : mill_xstrdup("");
		_cleanup_free_ char *purl = mill_xasprintf("pkg:maven/%s/%s@%s?type=%s%s", parts.items[0], parts.items[1], v,
							   parts.items[2], classifier);
		r = add_package(b, &(struct package){.name = name, .version = parts.items[parts.n - 1], .purl = purl,
						     .algorithm = "SHA256", .checksum = words.items[1] + strlen("sha256:")},
				err);
	}
	return r;
}

static int add_debian(struct bill *b, const char *text, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv lines = {0};
	int r = 0;
	mill_strv_split(&lines, text, "\n");
	for (size_t i = 0; i < lines.n && r == 0; i++) {
		struct mill_apt_package p = {0};
		if (lines.items[i][0] == '#' || mill_apt_package_parse(lines.items[i], &p) < 0)
			continue;
		_cleanup_free_ char *n = escape(p.name), *v = escape(p.version);
		_cleanup_free_ char *purl = mill_xasprintf("pkg:deb/debian/%s@%s?arch=%s&distro=%s", n, v, p.arch, p.suite);
		if (mill_streq(p.arch, "all") || mill_streq(p.arch, mill_machine_arch()))
			r = add_package(b, &(struct package){.name = p.name, .version = p.version, .purl = purl, .algorithm = "SHA256",
							     .checksum = p.sha256},
					err);
		mill_apt_package_release(&p);
	}
	return r;
}

/* ---- steps ---- */
static const char *of_arch(const json_t *o)
{
	const json_t *v = json_object_get(o, mill_machine_arch());
	return json_is_string(o) ? json_string_value(o) : json_is_string(v) ? json_string_value(v) : NULL;
}

static int add_download(struct bill *b, const struct mill_recipe *recipe, const struct mill_step *s, struct mill_error *err)
{
	const char *url = mill_step_string(s, "url", "");
	_cleanup_free_ char *v = escape(recipe->version), *u = escape(url);
	_cleanup_free_ char *purl = mill_xasprintf("pkg:generic/%s@%s?download_url=%s", recipe->name, v, u);
	return add_package(b, &(struct package){.name = mill_path_basename(url), .version = recipe->version, .purl = purl,
						.algorithm = "SHA256", .checksum = of_arch(json_object_get(s->json, "sha256"))},
			   err);
}

static int add_wheel(struct bill *b, const struct mill_step *s, struct mill_error *err)
{
	const char *name = mill_step_string(s, "package", ""), *version = mill_step_string(s, "version", "");
	_cleanup_free_ char *v = escape(version), *purl = mill_xasprintf("pkg:pypi/%s@%s", name, v);
	return add_package(b, &(struct package){.name = name, .version = version, .purl = purl, .algorithm = "SHA256",
						.checksum = mill_step_string(s, "sha256", NULL)},
			   err);
}

/* The file of a step's lock that names packages. */
static char *lock_file(const struct mill_recipe *recipe, const struct mill_step *s)
{
	size_t which = s->kind == MILL_STEP_NPM ? 1 : 0; /* package.json, package-lock.json */
	return s->locks.n > which ? mill_path_join(recipe->dir, s->locks.items[which]) : NULL;
}

static int add_step(struct bill *b, const struct mill_recipe *recipe, const struct mill_step *s, struct mill_error *err)
{
	static int (*const readers[])(struct bill *b, const char *text, struct mill_error *err) = {
		[MILL_STEP_GO] = add_go,       [MILL_STEP_PIP] = add_pip,	[MILL_STEP_NPM] = add_npm,
		[MILL_STEP_MAVEN] = add_maven, [MILL_STEP_DEBIAN] = add_debian,
	};
	_cleanup_free_ char *path = NULL, *text = NULL;
	size_t len;
	if (s->kind == MILL_STEP_DOWNLOAD)
		return add_download(b, recipe, s, err);
	if (s->kind == MILL_STEP_WHEEL)
		return add_wheel(b, s, err);
	if ((size_t)s->kind >= MILL_ARRAY_LEN(readers) || !readers[s->kind] || !(path = lock_file(recipe, s)))
		return 0;
	int r = mill_read_file(path, MILL_LOCK_FILE_MAX, &text, &len, err);
	return r < 0 ? r : readers[s->kind](b, text, err);
}

static int add_recipe(struct bill *b, const json_t *json, struct mill_error *err)
{
	struct mill_recipe *recipe = NULL;
	int r = mill_recipe_from_json(json, &recipe, err);
	if (r == 0)
		b->entry = recipe->name;
	for (size_t i = 0; r == 0 && i < recipe->n_steps; i++)
		r = add_step(b, recipe, &recipe->steps[i], err);
	mill_recipe_free(recipe);
	return r;
}

static json_t *document(const struct mill_image_source *s, const char *tag, struct bill *b)
{
	_cleanup_free_ char *name = mill_xasprintf("%s:%s", s->name, tag), *space = mill_xasprintf("urn:data-mill:image:%s:%s", s->name, tag);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:{s:s, s:[s]}, s:O, s:O}", "spdxVersion", "SPDX-2.3", "dataLicense", "CC0-1.0",
			 "SPDXID", "SPDXRef-DOCUMENT", "name", name, "documentNamespace", space, "creationInfo", "created", EVERY_TIME,
			 "creators", "Tool: data-mill-" MILL_VERSION, "packages", b->packages, "relationships", b->relationships);
}

int mill_image_sbom_make(struct mill_images *im, const struct mill_image_source *s, const char *tag, char **ret,
			 struct mill_error *err)
{
	struct bill b = {.packages = json_array(), .relationships = json_array(), .seen = {.free_value = free}, .entry = s->name};
	_cleanup_free_ char *purl = mill_xasprintf("pkg:oci/%s?tag=%s", s->name, tag);
	const json_t *item;
	size_t i;
	int r = add_package(&b, &(struct package){.name = s->name, .version = s->version ? s->version : tag, .purl = purl}, err);
	json_array_clear(b.relationships); /* of the image with itself */
	relate(&b, "SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-Package-0");
	if (r == 0)
		r = add_recipe(&b, im->base, err);
	json_array_foreach((json_t *)s->recipes, i, item)
		if (r == 0)
			r = add_recipe(&b, json_object_get(item, "recipe"), err);
	_cleanup_json_ json_t *whole = r == 0 ? document(s, tag, &b) : NULL;
	json_decref(b.packages);
	json_decref(b.relationships);
	mill_map_release(&b.seen);
	if (r < 0)
		return mill_error_wrap(err, "the bill of materials of %s", s->name);
	*ret = json_dumps(whole, JSON_INDENT(1));
	if (!*ret)
		BUG("a bill of materials that cannot be written");
	return 0;
}
