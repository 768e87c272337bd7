"""Proves that the object store stores: put, get, list, overwrite, delete, and that a stranger is refused."""

import urllib.request
import uuid

import boto3
from botocore.client import Config
from botocore.exceptions import ClientError

import mill_hook

ask = mill_hook.ask()
s3 = ask["provides"]["s3"]
check = mill_hook.Checks()


def client(access_key, secret_key):
    return boto3.client(
        "s3",
        endpoint_url=s3["endpoint"],
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        region_name=s3["region"],
        config=Config(retries={"max_attempts": 2}, connect_timeout=5, read_timeout=20),
    )


lake = client(s3["access_key"], s3["secret_key"])
bucket = "smoke-" + uuid.uuid4().hex[:12]
big = bytes(range(256)) * 4096 * 8  # 8 MiB, so that more than one read is needed
lake.create_bucket(Bucket=bucket)
try:
    lake.put_object(Bucket=bucket, Key="a/one.bin", Body=big)
    check("put and get", lake.get_object(Bucket=bucket, Key="a/one.bin")["Body"].read() == big, "8 MiB")
    lake.put_object(Bucket=bucket, Key="a/ünï code.txt", Body=b"x")
    keys = [o["Key"] for o in lake.list_objects_v2(Bucket=bucket, Prefix="a/")["Contents"]]
    check("list", keys == ["a/one.bin", "a/ünï code.txt"], ", ".join(keys))
    lake.put_object(Bucket=bucket, Key="a/one.bin", Body=b"second")
    check("overwrite", lake.get_object(Bucket=bucket, Key="a/one.bin")["Body"].read() == b"second")
    lake.delete_object(Bucket=bucket, Key="a/one.bin")
    try:
        lake.head_object(Bucket=bucket, Key="a/one.bin")
        check("delete", False, "the object is still there")
    except ClientError as error:
        check("delete", error.response["Error"]["Code"] == "404")
    try:
        client(s3["access_key"], "not-the-password").list_buckets()
        check("a wrong key is refused", False)
    except ClientError as error:
        check("a wrong key is refused", True, error.response["Error"]["Code"])
finally:
    for o in lake.list_objects_v2(Bucket=bucket).get("Contents", []):
        lake.delete_object(Bucket=bucket, Key=o["Key"])
    lake.delete_bucket(Bucket=bucket)

if ask["settings"].get("console") in (True, "true"):
    server = ask["services"]["server"]
    with urllib.request.urlopen(f"http://{server['host']}:{server['ports']['console']}/", timeout=10) as page:
        check("console answers", page.status == 200 and b"<html" in page.read(4096).lower())

check.end()
