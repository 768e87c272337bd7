"""A data frame of the lake, worked on by the workers of Dask, written back as Parquet. No address, certificate or key.

    data-mill exec -- sh -c '"$DASK_PYTHON" data/examples/dask_lake.py'
"""

import uuid

import dask.dataframe as dd
import s3fs
from distributed import Client

target = f"example-{uuid.uuid4().hex[:8]}"
lake = s3fs.S3FileSystem()

with Client() as client:  # DASK_SCHEDULER_ADDRESS and DASK_DISTRIBUTED__COMM__TLS__* say where and who
    print(len(client.scheduler_info(n_workers=-1)["workers"]), "workers")
    readings = dd.read_csv("s3://data/sensors/readings.csv", blocksize="64KiB")
    count = len(readings)
    print(count, "readings in", readings.npartitions, "partitions")
    print(readings.groupby("sensor")[["temperature_c", "humidity_pct"]].mean().compute().round(2))
    lake.mkdir(target)
    try:
        readings[readings.anomaly == 0].to_parquet(f"s3://{target}/good")
        good = len(dd.read_parquet(f"s3://{target}/good"))
        bad = int(readings.anomaly.sum().compute())
        assert good + bad == count, (good, bad, count)
        print(good, "written as Parquet,", bad, "left out")
    finally:
        lake.rm(target, recursive=True)
