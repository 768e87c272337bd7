#include "runtime/native/maven.h"

#include "base/io.h"

#define COORDINATE_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+"

void mill_artifact_release(struct mill_artifact *a)
{
	free(a->group);
	free(a->artifact);
	free(a->version);
	free(a->type);
	free(a->classifier);
	free(a->sha256);
	*a = (struct mill_artifact){0};
}

void mill_artifacts_release(struct mill_artifacts *l)
{
	for (size_t i = 0; i < l->n; i++)
		mill_artifact_release(&l->items[i]);
	free(l->items);
	*l = (struct mill_artifacts){0};
}

/* Every piece goes into XML and into a file name: nothing but plain characters. */
static bool pieces_ok(const struct mill_strv *f, size_t min, size_t max)
{
	if (f->n < min || f->n > max)
		return false;
	for (size_t i = 0; i < f->n; i++)
		if (strspn(f->items[i], COORDINATE_CHARS) != strlen(f->items[i]) || f->items[i][0] == '.')
			return false;
	return true;
}

static void fill(struct mill_artifact *a, const char *group, const char *artifact, const char *version,
		 const char *type, const char *classifier)
{
	*a = (struct mill_artifact){.group = mill_xstrdup(group), .artifact = mill_xstrdup(artifact),
				    .version = mill_xstrdup(version), .type = mill_xstrdup(type),
				    .classifier = mill_xstrdup(classifier), .sha256 = mill_xstrdup("")};
}

int mill_artifact_parse(const char *text, struct mill_artifact *ret)
{
	_cleanup_strv_ struct mill_strv f = {0};
	mill_strv_split(&f, text, ":");
	if (!pieces_ok(&f, 3, 5))
		return -EINVAL;
	fill(ret, f.items[0], f.items[1], f.items[2], f.n > 3 ? f.items[3] : "jar", f.n > 4 ? f.items[4] : "");
	return 0;
}

int mill_artifact_parse_locked(const char *text, struct mill_artifact *ret)
{
	_cleanup_strv_ struct mill_strv words = {0}, f = {0};
	mill_strv_split(&words, text, " \t");
	if (words.n != 2 || !mill_starts_with(words.items[1], "sha256:") || strlen(words.items[1]) != 7 + 64)
		return -EINVAL;
	mill_strv_split(&f, words.items[0], ":");
	if (!pieces_ok(&f, 4, 5))
		return -EINVAL;
	fill(ret, f.items[0], f.items[1], f.items[f.n - 1], f.items[2], f.n == 5 ? f.items[3] : "");
	free(ret->sha256);
	ret->sha256 = mill_xstrdup(words.items[1] + 7);
	return 0;
}

char *mill_artifact_file(const struct mill_artifact *a)
{
	bool jar = mill_streq(a->type, "bundle") || mill_streq(a->type, "test-jar") ||
		   mill_streq(a->type, "maven-plugin");
	return mill_xasprintf("%s-%s%s%s.%s", a->artifact, a->version, a->classifier[0] ? "-" : "",
			      a->classifier, jar ? "jar" : a->type);
}

static void write_coordinate(const struct mill_artifact *a, struct mill_strbuf *out)
{
	mill_strbuf_printf(out, "<groupId>%s</groupId><artifactId>%s</artifactId><version>%s</version><type>%s</type>",
			   a->group, a->artifact, a->version, a->type);
	if (a->classifier[0])
		mill_strbuf_printf(out, "<classifier>%s</classifier>", a->classifier);
}

static void write_exclusions(const struct mill_pom *p, struct mill_strbuf *out)
{
	mill_strbuf_addstr(out, "<exclusions>");
	if (!p->transitive)
		mill_strbuf_addstr(out, "<exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion>");
	for (size_t i = 0; p->exclude && i < p->exclude->n; i++) {
		const char *group = p->exclude->items[i], *colon = strchr(group, ':');
		if (colon && strspn(group, COORDINATE_CHARS ":*") == strlen(group))
			mill_strbuf_printf(out, "<exclusion><groupId>%.*s</groupId><artifactId>%s</artifactId></exclusion>",
					   (int)(colon - group), group, colon + 1);
	}
	mill_strbuf_addstr(out, "</exclusions>");
}

/* A path as XML text. */
static void write_text(const char *s, struct mill_strbuf *out)
{
	for (; *s; s++)
		if (*s == '&')
			mill_strbuf_addstr(out, "&amp;");
		else if (*s == '<')
			mill_strbuf_addstr(out, "&lt;");
		else
			mill_strbuf_addch(out, *s);
}

void mill_pom_write(const struct mill_pom *p, struct mill_strbuf *out)
{
	mill_strbuf_addstr(out, "<project xmlns=\"http://maven.apache.org/POM/4.0.0\"><modelVersion>4.0.0</modelVersion>"
				"<groupId>data-mill</groupId><artifactId>install</artifactId><version>1</version>"
				"<packaging>pom</packaging>\n");
	if (!p->copy_to) {
		mill_strbuf_addstr(out, "<dependencies>\n");
		for (size_t i = 0; i < p->items->n; i++) {
			mill_strbuf_addstr(out, "<dependency>");
			write_coordinate(&p->items->items[i], out);
			write_exclusions(p, out);
			mill_strbuf_addstr(out, "</dependency>\n");
		}
		mill_strbuf_addstr(out, "</dependencies>\n");
	} else {
		mill_strbuf_addstr(out, "<build><plugins><plugin><groupId>org.apache.maven.plugins</groupId>"
					"<artifactId>maven-dependency-plugin</artifactId><configuration>"
					"<overWriteReleases>true</overWriteReleases><artifactItems>\n");
		for (size_t i = 0; i < p->items->n; i++) {
			_cleanup_free_ char *file = mill_artifact_file(&p->items->items[i]);
			mill_strbuf_addstr(out, "<artifactItem>");
			write_coordinate(&p->items->items[i], out);
			mill_strbuf_addstr(out, "<outputDirectory>");
			write_text(p->copy_to, out);
			mill_strbuf_printf(out, "</outputDirectory><destFileName>%s</destFileName></artifactItem>\n", file);
		}
		mill_strbuf_addstr(out, "</artifactItems></configuration></plugin></plugins></build>\n");
	}
	mill_strbuf_addstr(out, "</project>\n");
}

/* The machine's Maven runs on the machine's Java where there is one, for images too: that one trusts whom the machine trusts. */
static int find_java(struct mill_step_ctx *x, struct mill_toolchain *ret, struct mill_error *err)
{
	struct mill_store machine = *x->store;
	machine.image = false;
	if (x->store->image && mill_toolchain_find(&machine, "java", ret, NULL) == 0 && !ret->key)
		return 0;
	mill_toolchain_release(ret);
	return mill_step_tool(x, "java", ret, err);
}

int mill_maven_run(struct mill_step_ctx *x, const char *what, const char *pom, const struct mill_strv *args,
		   struct mill_error *err)
{
	_cleanup_toolchain_ struct mill_toolchain maven = {0}, java = {0};
	_cleanup_strv_ struct mill_strv argv = {0};
	int r = mill_step_tool(x, "maven", &maven, err);
	if (r == 0)
		r = find_java(x, &java, err);
	if (r < 0)
		return r;
	_cleanup_free_ char *repository = mill_step_cache(x, "maven", err);
	if (!repository)
		return -err->code;
	mill_strv_setenv(&x->env, "JAVA_HOME", java.dir);
	const char *settings = mill_strv_getenv(&x->env, "MILL_MAVEN_SETTINGS");
	mill_strv_add(&argv, maven.program);
	mill_strv_add(&argv, "-B");
	mill_strv_add(&argv, "-ntp");
	mill_strv_add(&argv, "--strict-checksums");
	if (x->options->offline)
		mill_strv_add(&argv, "-o");
	if (settings) {
		mill_strv_add(&argv, "-s");
		mill_strv_add(&argv, settings);
	}
	mill_strv_add(&argv, "-f");
	mill_strv_add(&argv, pom);
	mill_strv_addf(&argv, "-Dmaven.repo.local=%s", repository);
	mill_strv_add(&argv, "-Dstyle.color=never");
	for (size_t i = 0; i < args->n; i++)
		mill_strv_add(&argv, args->items[i]);
	return mill_step_exec(x, &(struct mill_step_run){.what = what, .phase = MILL_INSTALL_FETCH,
							 .argv = mill_strv_argv(&argv)},
			      err);
}
