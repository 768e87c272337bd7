"""Reads the sample data from the lake: no argument, no address, no key.

    data-mill exec -- python3 read_lake.py        (needs s3fs, pandas and pyarrow)

The platform's variables (AWS_ENDPOINT_URL_S3 and its kin) say where the lake is and who we are.
"""

import os

import pandas as pd
import s3fs

lake = s3fs.S3FileSystem(endpoint_url=os.environ["AWS_ENDPOINT_URL_S3"])
for bucket in lake.ls(""):
    print("bucket", bucket)

with lake.open("data/iris/iris.parquet") as file:
    print(pd.read_parquet(file).groupby("species").mean(numeric_only=True).round(2))

with lake.open("data/sensors/readings.csv") as file:
    readings = pd.read_csv(file, parse_dates=["time"])
print(readings.groupby("sensor")["temperature_c"].describe().round(2))
