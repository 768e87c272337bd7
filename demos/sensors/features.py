"""Dask reads the Parquet files and tells, for each reading, how far it jumped from the ones before."""

import os
import sys

import story

python = os.environ.get("DASK_PYTHON")
if python and sys.executable != python and "DEMO_AGAIN" not in os.environ:
    os.environ["DEMO_AGAIN"] = "1"  # the workers' versions of everything
    os.environ.pop("PYTHONPATH", None)
    os.execv(python, [python, *sys.argv])

import dask  # noqa: E402
import pandas as pd  # noqa: E402
import s3fs  # noqa: E402
from dask.distributed import Client  # noqa: E402

IN, OUT = f"{story.LAKE}/readings", f"{story.LAKE}/features"


def build(path, out):
    rows = pd.read_parquet(f"s3://{path}", partitioning=None).sort_values("time")
    before = rows["temperature_c"].rolling(5, min_periods=1)
    rows["jump"] = (rows["temperature_c"] - before.median()).abs()
    rows["spread"] = before.std().fillna(0.0)
    name = path.split("sensor=")[1].replace("/", "-")
    rows.to_parquet(f"s3://{out}/{name}", index=False)
    return len(rows)


lake = s3fs.S3FileSystem()
if lake.exists(OUT):
    lake.rm(OUT, recursive=True)
files = [f for f in lake.find(IN) if f.endswith(".parquet")]
with Client(timeout="60s") as client:
    parts = dask.compute(*[dask.delayed(build)(f, OUT) for f in files])
    workers = len(client.scheduler_info()["workers"])
lake.invalidate_cache()
back = pd.read_parquet(f"s3://{OUT}")
facts = story.recall()
story.must(sum(parts) == len(back) == facts["rows"], f"{facts['rows']} readings, {sum(parts)} rows built, {len(back)} in the lake")
story.done(f"{facts['rows']} readings in, {len(back)} rows of features out, by {len(parts)} tasks on {workers} workers", rows=facts["rows"], features=len(back))
