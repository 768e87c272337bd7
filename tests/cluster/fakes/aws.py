"""aws 2, s3api: https://docs.aws.amazon.com/cli/latest/reference/s3api/"""

import fake


def s3api_head_bucket(call):
    if call.flag("--bucket") not in call.mine:
        raise fake.Fail("\nAn error occurred (404) when calling the HeadBucket operation: Not Found", 254)


def s3api_create_bucket(call):
    region, where = call.flag("--region", "us-east-1"), call.flag("--create-bucket-configuration")
    if (where is None) != (region == "us-east-1") or (where and where != f"LocationConstraint={region}"):
        raise fake.Fail("\nAn error occurred (IllegalLocationConstraintException) when calling the CreateBucket operation: "
                        "The unspecified location constraint is incompatible for the region specific endpoint this request was sent to.", 254)
    call.mine[call.flag("--bucket")] = {"region": region}
    return {"Location": f"http://{call.flag('--bucket')}.s3.amazonaws.com/"}


def s3api_put_bucket_versioning(call):
    call.mine[call.flag("--bucket")]["versioning"] = call.flag("--versioning-configuration")
