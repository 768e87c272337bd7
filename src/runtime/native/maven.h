/*
 * Maven artefacts and the poms that fetch them; shared by install and relock.
 *
 * A coordinate is written as in manifests, "g:a:v[:type[:classifier]]"; in a
 * lock it is "g:a:type[:classifier]:v sha256:<hex>".
 */
#ifndef MILL_NATIVE_MAVEN_H
#define MILL_NATIVE_MAVEN_H

#include "runtime/native/step.h"

struct mill_artifact {
	char *group, *artifact, *version, *type, *classifier; /* classifier "" when none */
	char *sha256;                                         /* "" when not known */
};
struct mill_artifacts {
	struct mill_artifact *items;
	size_t n, cap;
};
void mill_artifacts_release(struct mill_artifacts *l);

/* -EINVAL when it is no coordinate. */
int mill_artifact_parse(const char *text, struct mill_artifact *ret);       /* manifest order */
int mill_artifact_parse_locked(const char *text, struct mill_artifact *ret); /* lock order, with sha256 */
void mill_artifact_release(struct mill_artifact *a);
/* "kafka-clients-4.1.1.jar"; owned. */
char *mill_artifact_file(const struct mill_artifact *a);

/*
 * A pom with `items` as dependencies (for relock: exclusions of "g:a", "*:*"
 * when not transitive) and a copy of each, without what it depends on, into
 * copy_to (for install; NULL: none).  Appended to out.
 */
struct mill_pom {
	const struct mill_artifacts *items;
	const struct mill_strv *exclude; /* NULL: none */
	bool transitive;
	const char *copy_to;
};
void mill_pom_write(const struct mill_pom *p, struct mill_strbuf *out);

/* mvn -B -f pom <args>, with our repository folder and the user's settings. */
int mill_maven_run(struct mill_step_ctx *x, const char *what, const char *pom, const struct mill_strv *args,
		   struct mill_error *err);
#define MILL_MAVEN_DEPENDENCY "org.apache.maven.plugins:maven-dependency-plugin:3.6.1"

#endif
