/* What both the program and the network module need: names, releases, targets. */
#include "base/base.h"
#include "lake/lake.h"
#include "lake/sync.h"

void mill_lake_object_release(struct mill_lake_object *o)
{
	free(o->key);
	free(o->etag);
	*o = (struct mill_lake_object){0};
}

void mill_lake_listing_release(struct mill_lake_listing *l)
{
	for (size_t i = 0; i < l->n; i++)
		mill_lake_object_release(&l->items[i]);
	free(l->items);
	*l = (struct mill_lake_listing){0};
}

const char *mill_lake_action_name(enum mill_lake_action a)
{
	static const char *const names[] = {
		[MILL_LAKE_UPLOAD] = "upload",	   [MILL_LAKE_DOWNLOAD] = "download",
		[MILL_LAKE_DELETE] = "delete",	   [MILL_LAKE_KEEP] = "keep",
		[MILL_LAKE_CONFLICT] = "conflict", [MILL_LAKE_SKIP] = "skip",
		[MILL_LAKE_FAIL] = "fail",	   [MILL_LAKE_UNCHANGED] = "unchanged",
	};
	return names[a];
}

void mill_lake_report_release(struct mill_lake_report *r)
{
	for (size_t i = 0; i < r->n; i++) {
		free(r->items[i].path);
		free(r->items[i].detail);
	}
	free(r->items);
	*r = (struct mill_lake_report){0};
}

/*
 * 3..63 of a-z 0-9 - and ., beginning and ending with a letter or digit, no
 * two dots beside each other (Amazon S3 user guide, "Bucket naming rules").
 */
static bool bucket_name_ok(const char *s, size_t n)
{
	if (n < 3 || n > 63)
		return false;
	for (size_t i = 0; i < n; i++) {
		bool alnum = (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= '0' && s[i] <= '9');
		if (!alnum && (i == 0 || i == n - 1 || (s[i] != '-' && s[i] != '.')))
			return false;
		if (s[i] == '.' && s[i - 1] == '.')
			return false;
	}
	return true;
}

int mill_lake_target_parse(const char *text, struct mill_lake_target *ret, struct mill_error *err)
{
	const char *s = mill_starts_with(text, "s3://") ? text + 5 : text;
	size_t n = strcspn(s, "/");
	if (!bucket_name_ok(s, n)) {
		mill_fail_usage(err, "'%s': '%.*s' is not a bucket's name", text, (int)n, s);
		return mill_error_hint(err, "write BUCKET[/PREFIX]; a bucket has 3 to 63 of a-z, 0-9, "
					    "'-' and '.'");
	}
	ret->bucket = mill_xstrndup(s, n);
	s += n;
	while (*s == '/')
		s++;
	ret->prefix = mill_xstrdup(s);
	return 0;
}

void mill_lake_target_release(struct mill_lake_target *t)
{
	free(t->bucket);
	free(t->prefix);
	*t = (struct mill_lake_target){0};
}
