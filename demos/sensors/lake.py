"""The clean readings become Parquet files in the lake."""

import json

import pandas as pd
import s3fs
import story

facts = story.recall()
messages = story.read_topic(story.CLEAN, lambda got: len(got) >= facts["rows"])
frame = pd.DataFrame(json.loads(m.value()) for m in messages)
twice = int(frame.duplicated("origin").sum())  # after a fault, Flink may say something again
frame = frame.drop_duplicates("origin").sort_values(["sensor", "time"])
lake = s3fs.S3FileSystem()
lake.makedirs(story.LAKE, exist_ok=True)
if lake.exists(f"{story.LAKE}/readings"):
    lake.rm(f"{story.LAKE}/readings", recursive=True)
for sensor, rows in frame.groupby("sensor"):
    rows.drop(columns="origin").to_parquet(f"s3://{story.LAKE}/readings/{sensor}.parquet", index=False)
back = pd.read_parquet(f"s3://{story.LAKE}/readings")
counts = {"rows": facts["rows"], "in_lake": len(back), "said_twice": twice}
story.must(len(back) == facts["rows"], f"{facts['rows']} readings, {len(back)} in the lake", **counts)
story.done(f"{len(messages)} readings in, {len(back)} in {back['sensor'].nunique()} Parquet files of s3://{story.LAKE}/readings", **counts)
