"""The lake as a file system: make a bucket, write, list, read with pandas, remove. No argument, no address, no key.

    data-mill notebook run data/examples/s3fs_lake.py --environment base
"""

import uuid

import pandas as pd
import s3fs

lake = s3fs.S3FileSystem()  # AWS_ENDPOINT_URL_S3 and its kin say where and who
bucket = "example-" + uuid.uuid4().hex[:8]
lake.mkdir(bucket)
try:
    flowers = pd.read_csv("s3://data/iris/iris.csv")
    for species, rows in flowers.groupby("species"):
        rows.to_parquet(f"s3://{bucket}/{species}.parquet", index=False)
    for entry in lake.ls(bucket, detail=True):
        print(entry["name"], entry["size"], "bytes")
    back = pd.concat(pd.read_parquet("s3://" + name) for name in lake.ls(bucket))
    assert len(back) == len(flowers), (len(back), len(flowers))
    print(len(back), "rows written by species and read again")
finally:
    lake.rm(bucket, recursive=True)
