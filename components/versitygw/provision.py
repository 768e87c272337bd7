"""Makes a bucket and a user who owns it; repeating it changes nothing.

The gateway's administration calls are PATCH requests with an XML body,
signed like S3's.
"""

import json
import sys
from xml.sax.saxutils import escape

import boto3
import requests
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

ask = json.load(sys.stdin)
s3 = ask["provides"]["s3"]
request = ask["request"]
bucket = request["parameters"].get("bucket")
user = request["credentials"]["access_key"]
password = request["credentials"]["secret_key"]
if not bucket:
    print("a requirement of s3 needs `bucket`", file=sys.stderr)
    sys.exit(1)
root = Credentials(s3["access_key"], s3["secret_key"])


def admin(path, body=b"", accept=()):
    """One administration call; raises with the text of the answer unless it names one of `accept`."""
    call = AWSRequest("PATCH", s3["endpoint"] + path, data=body)
    S3SigV4Auth(root, "s3", s3["region"]).add_auth(call)
    answer = requests.request("PATCH", call.url, data=body, headers=dict(call.headers), timeout=20)
    if answer.status_code >= 400 and not any(word in answer.text for word in accept):
        raise RuntimeError(f"{path.split('?')[0]}: HTTP {answer.status_code}: {answer.text[:300]}")
    return answer.status_code < 400


made = admin(
    "/create-user",
    f"<Account><Access>{escape(user)}</Access><Secret>{escape(password)}</Secret><Role>user</Role></Account>".encode(),
    accept=["UserAlreadyExists", "already exists"],
)
if not made:  # there already: give it the password that we hold now
    admin(f"/update-user?access={user}", f"<MutableProps><Secret>{escape(password)}</Secret></MutableProps>".encode())
lake = boto3.client(
    "s3",
    endpoint_url=s3["endpoint"],
    aws_access_key_id=s3["access_key"],
    aws_secret_access_key=s3["secret_key"],
    region_name=s3["region"],
)
try:
    lake.head_bucket(Bucket=bucket)
except ClientError:
    lake.create_bucket(Bucket=bucket)
admin(f"/change-bucket-owner/?bucket={bucket}&owner={user}")
json.dump({"message": f"bucket {bucket} for {user}", "values": {}}, sys.stdout)
