#include "base/base.h"
#include "lake/decide.h"

static enum mill_lake_finding classify_both(const struct mill_lake_view *v)
{
	bool remote_same = v->record && v->remote_record == SAME_YES;
	if (v->record && v->local_record == SAME_UNKNOWN)
		return FOUND_HASH_NEEDED;
	bool local_same = v->record && v->local_record == SAME_YES;
	if (local_same && remote_same)
		return FOUND_EQUAL;
	if (remote_same)
		return FOUND_BOTH_LOCAL_CHANGED;
	/* The object is not the recorded one; it may still hold the same bytes. */
	if (v->local_remote == SAME_UNKNOWN)
		return FOUND_HASH_NEEDED;
	if (v->local_remote == SAME_YES)
		return FOUND_EQUAL;
	if (!v->record)
		return FOUND_BOTH_NO_RECORD;
	return local_same ? FOUND_BOTH_REMOTE_CHANGED : FOUND_BOTH_CHANGED;
}

enum mill_lake_finding mill_lake_classify(const struct mill_lake_view *v)
{
	if (v->local && v->remote)
		return classify_both(v);
	if (v->local) {
		if (!v->record)
			return FOUND_LOCAL_NEW;
		/* Not sure counts as changed: it protects the file. */
		return v->local_record == SAME_YES ? FOUND_LOCAL_RECORDED : FOUND_LOCAL_CHANGED;
	}
	if (v->remote) {
		if (!v->record)
			return FOUND_REMOTE_NEW;
		return v->remote_record == SAME_YES ? FOUND_REMOTE_RECORDED : FOUND_REMOTE_CHANGED;
	}
	return FOUND_NOTHING;
}

static const char changed_there[] = "changed in the lake since the last run";
static const char changed_here[] = "changed in the folder since the last run";
static const char changed_both[] = "changed on both sides since the last run";
static const char no_record[] = "differs from the object, and neither was pushed or pulled from here";

static enum mill_lake_action conflict(const struct mill_lake_policy *p, enum mill_lake_action forced,
				      const char *detail, const char **ret_detail)
{
	*ret_detail = detail;
	return p->force ? forced : MILL_LAKE_CONFLICT;
}

/* What only the side that is written has. */
static enum mill_lake_action extra(const struct mill_lake_policy *p, bool ours, const char *detail,
				   const char **ret_detail)
{
	if (!p->remove_extra)
		return MILL_LAKE_KEEP;
	if (ours || p->force)
		return MILL_LAKE_DELETE;
	*ret_detail = detail;
	return MILL_LAKE_KEEP;
}

enum mill_lake_action mill_lake_decide_push(enum mill_lake_finding f,
					    const struct mill_lake_policy *p,
					    const char **ret_detail)
{
	*ret_detail = NULL;
	switch (f) {
	case FOUND_LOCAL_RECORDED:
	case FOUND_LOCAL_CHANGED:
	case FOUND_LOCAL_NEW:
	case FOUND_BOTH_LOCAL_CHANGED:
		return MILL_LAKE_UPLOAD;
	case FOUND_REMOTE_RECORDED:
		return extra(p, true, NULL, ret_detail);
	case FOUND_REMOTE_CHANGED:
		return extra(p, false, changed_there, ret_detail);
	case FOUND_REMOTE_NEW:
		return extra(p, false, "not pushed from here", ret_detail);
	case FOUND_BOTH_REMOTE_CHANGED:
		return conflict(p, MILL_LAKE_UPLOAD, changed_there, ret_detail);
	case FOUND_BOTH_CHANGED:
		return conflict(p, MILL_LAKE_UPLOAD, changed_both, ret_detail);
	case FOUND_BOTH_NO_RECORD:
		return conflict(p, MILL_LAKE_UPLOAD, no_record, ret_detail);
	case FOUND_NOTHING:
	case FOUND_EQUAL:
		return MILL_LAKE_UNCHANGED;
	case FOUND_HASH_NEEDED:
		break;
	}
	BUG("a push was decided without the file's hash");
}

enum mill_lake_action mill_lake_decide_pull(enum mill_lake_finding f,
					    const struct mill_lake_policy *p,
					    const char **ret_detail)
{
	*ret_detail = NULL;
	switch (f) {
	case FOUND_REMOTE_RECORDED:
	case FOUND_REMOTE_CHANGED:
	case FOUND_REMOTE_NEW:
	case FOUND_BOTH_REMOTE_CHANGED:
		return MILL_LAKE_DOWNLOAD;
	case FOUND_LOCAL_RECORDED:
		return extra(p, true, NULL, ret_detail);
	case FOUND_LOCAL_CHANGED:
		return extra(p, false, changed_here, ret_detail);
	case FOUND_LOCAL_NEW:
		return extra(p, false, "not pulled from the lake", ret_detail);
	case FOUND_BOTH_LOCAL_CHANGED:
		return conflict(p, MILL_LAKE_DOWNLOAD, changed_here, ret_detail);
	case FOUND_BOTH_CHANGED:
		return conflict(p, MILL_LAKE_DOWNLOAD, changed_both, ret_detail);
	case FOUND_BOTH_NO_RECORD:
		return conflict(p, MILL_LAKE_DOWNLOAD, no_record, ret_detail);
	case FOUND_NOTHING:
	case FOUND_EQUAL:
		return MILL_LAKE_UNCHANGED;
	case FOUND_HASH_NEEDED:
		break;
	}
	BUG("a pull was decided without the file's hash");
}

enum mill_lake_action mill_lake_decide_diff(enum mill_lake_finding f,
					    const struct mill_lake_policy *p,
					    const char **ret_detail)
{
	*ret_detail = NULL;
	switch (f) {
	case FOUND_LOCAL_NEW:
		*ret_detail = "only in the folder";
		return MILL_LAKE_UPLOAD;
	case FOUND_LOCAL_RECORDED:
	case FOUND_LOCAL_CHANGED:
		*ret_detail = "removed in the lake";
		return MILL_LAKE_UPLOAD;
	case FOUND_BOTH_LOCAL_CHANGED:
		*ret_detail = changed_here;
		return MILL_LAKE_UPLOAD;
	case FOUND_REMOTE_NEW:
		*ret_detail = "only in the lake";
		return MILL_LAKE_DOWNLOAD;
	case FOUND_REMOTE_RECORDED:
	case FOUND_REMOTE_CHANGED:
		*ret_detail = "removed in the folder";
		return MILL_LAKE_DOWNLOAD;
	case FOUND_BOTH_REMOTE_CHANGED:
		*ret_detail = changed_there;
		return MILL_LAKE_DOWNLOAD;
	case FOUND_BOTH_CHANGED:
		*ret_detail = changed_both;
		return MILL_LAKE_CONFLICT;
	case FOUND_BOTH_NO_RECORD:
		*ret_detail = no_record;
		return MILL_LAKE_CONFLICT;
	case FOUND_NOTHING:
	case FOUND_EQUAL:
		return MILL_LAKE_UNCHANGED;
	case FOUND_HASH_NEEDED:
		break;
	}
	BUG("a difference was named without the file's hash");
}
