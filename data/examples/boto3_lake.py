"""The lake through AWS's own client: a large object in parts, a link for a browser, a page of a listing. No address, no key.

    data-mill notebook run data/examples/boto3_lake.py --environment base
"""

import hashlib
import os
import tempfile
import urllib.request
import uuid

import boto3
from boto3.s3.transfer import TransferConfig

s3 = boto3.client("s3")  # AWS_ENDPOINT_URL_S3 and its kin say where and who
bucket = "example-" + uuid.uuid4().hex[:8]
s3.create_bucket(Bucket=bucket)
try:
    with tempfile.NamedTemporaryFile() as file:
        content = os.urandom(1 << 20) * 12
        file.write(content)
        file.flush()
        s3.upload_file(file.name, bucket, "large.bin", Config=TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20))
    print("large.bin", s3.head_object(Bucket=bucket, Key="large.bin")["ContentLength"], "bytes")

    link = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "large.bin"}, ExpiresIn=60)
    with urllib.request.urlopen(link) as answer:
        assert hashlib.sha256(answer.read()).digest() == hashlib.sha256(content).digest()
    print("read again by a link that is good for a minute")

    for page in s3.get_paginator("list_objects_v2").paginate(Bucket="data", Prefix="iris/"):
        for found in page.get("Contents", []):
            print("data/" + found["Key"], found["Size"], "bytes")
finally:
    s3.delete_object(Bucket=bucket, Key="large.bin")
    s3.delete_bucket(Bucket=bucket)
