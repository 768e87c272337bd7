"""Makes a bucket and a user that may use only it; repeating it changes nothing.

MinIO's administration API encrypts its payloads, so the vendor's own client
(`minio.MinioAdmin`) speaks it.
"""

import json
import sys
from urllib.parse import urlsplit

from minio import Minio, MinioAdmin
from minio.credentials import StaticProvider

ask = json.load(sys.stdin)
s3 = ask["provides"]["s3"]
request = ask["request"]
bucket = request["parameters"].get("bucket")
user = request["credentials"]["access_key"]
password = request["credentials"]["secret_key"]
if not bucket:
    print("a requirement of s3 needs `bucket`", file=sys.stderr)
    sys.exit(1)

address = urlsplit(s3["endpoint"]).netloc
administrator = StaticProvider(s3["access_key"], s3["secret_key"])
client = Minio(endpoint=address, credentials=administrator, secure=False, region=s3["region"])
admin = MinioAdmin(endpoint=address, credentials=administrator, secure=False, region=s3["region"])

if not client.bucket_exists(bucket_name=bucket):
    client.make_bucket(bucket_name=bucket)

policy = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": ["s3:*"],
            "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
        }
    ],
}
name = f"data-mill-{user}"
admin.policy_add(name, policy=policy)
admin.user_add(user, password)
admin.policy_set(name, user=user)
json.dump({"message": f"bucket {bucket} for {user}", "values": {}}, sys.stdout)
