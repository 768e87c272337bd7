"""Makes the bucket of event logs and tables; Spark asks that the folder of the logs is there."""

import json
import sys

import boto3
from botocore.exceptions import ClientError

ask = json.load(sys.stdin)
s3, bucket = ask["requires"]["s3"], ask["settings"]["bucket"]
lake = boto3.client(
    "s3",
    endpoint_url=s3["endpoint"],
    aws_access_key_id=s3["access_key"],
    aws_secret_access_key=s3["secret_key"],
    region_name=s3["region"],
)
try:
    lake.create_bucket(Bucket=bucket)
except ClientError as error:
    if error.response["Error"]["Code"] not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
        raise
lake.put_object(Bucket=bucket, Key="events/", Body=b"")
json.dump({"message": f"bucket {bucket}"}, sys.stdout)
