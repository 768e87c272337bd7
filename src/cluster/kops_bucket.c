/*
 * The bucket that holds kops' state, by the AWS command line:
 * https://kops.sigs.k8s.io/getting_started/aws/#cluster-state-store
 * https://docs.aws.amazon.com/cli/latest/reference/s3api/
 */
#include "cluster/kops.h"

static int find_aws(struct mill_cluster *c, struct mill_strv *argv, const char *command, struct mill_error *err)
{
	_cleanup_free_ char *path = NULL;
	int r = mill_tool_find(&c->host, "aws", &path, NULL, err);

	if (r < 0)
		return mill_error_hint(err, "kops needs its state in a bucket; the AWS command line makes it and signs in:\n"
					    "https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html");
	mill_argv(argv, path, "s3api", command, "--bucket", c->bucket, NULL);
	if (c->region)
		mill_argv(argv, "--region", c->region, NULL);
	return 0;
}

int mill_kops_bucket_find(struct mill_cluster *c, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv argv = {0};
	enum mill_symptom_kind kind = MILL_SYMPTOM_NONE;
	int r = find_aws(c, &argv, "head-bucket", err);

	if (r == 0)
		r = mill_call(c, &(struct mill_call){.argv = &argv, .timeout_ms = MILL_CALL_ASK_MS, .quiet = true, .ret_kind = &kind},
			      err);
	if (r < 0 && kind == MILL_SYMPTOM_ABSENT) {
		mill_fail(err, ENOENT, "there is no bucket '%s'", c->bucket);
		return -ENOENT;
	}
	return r == -ENOENT ? mill_fail(err, ENOPKG, "%s", err && err->message ? err->message : "aws is not on PATH") : r;
}

static int make(struct mill_cluster *c, struct mill_error *err)
{
	_cleanup_strv_ struct mill_strv bucket = {0}, versions = {0};
	int r = find_aws(c, &bucket, "create-bucket", err);

	/* us-east-1 is the one region that must not be named as a constraint */
	if (r == 0 && c->region && !mill_streq(c->region, "us-east-1")) {
		mill_strv_add(&bucket, "--create-bucket-configuration");
		mill_strv_addf(&bucket, "LocationConstraint=%s", c->region);
	}
	if (r == 0)
		r = mill_call(c, &(struct mill_call){.what = "making the bucket for kops' state", .argv = &bucket,
						     .timeout_ms = MILL_CALL_ASK_MS}, err);
	if (r == 0)
		r = find_aws(c, &versions, "put-bucket-versioning", err);
	if (r == 0) {
		mill_argv(&versions, "--versioning-configuration", "Status=Enabled", NULL);
		r = mill_call(c, &(struct mill_call){.argv = &versions, .timeout_ms = MILL_CALL_ASK_MS}, err);
	}
	return r;
}

int mill_kops_bucket_ensure(struct mill_cluster *c, struct mill_error *err)
{
	_cleanup_free_ char *question = NULL;
	int r = mill_kops_bucket_find(c, err);

	if (r != -ENOENT)
		return r;
	mill_error_release(err);
	question = mill_xasprintf("There is no bucket '%s' for kops' state. It is made in %s, with versions; it is a few hundred kilobytes, "
				  "and stays when the cluster is deleted.", c->bucket, c->region ? c->region : "your default region");
	r = mill_cluster_confirm(c, question, c->bucket, err);
	return r < 0 ? r : make(c, err);
}
