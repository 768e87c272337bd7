"""The data set is committed, read back, and has a version that later steps name."""

import hashlib
import os
import subprocess

import pandas as pd
import story


def mill(*words):
    done = subprocess.run([os.environ["DATA_MILL"], *words, "--platform", os.environ["DEMO_PLATFORM"]], capture_output=True, text=True)
    if done.returncode:
        story.fail(f"data-mill {' '.join(words[:2])}: {done.stderr.strip()[-300:]}")
    return done.stdout


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


frame = pd.read_parquet(f"s3://{story.LAKE}/readings").sort_values(["time", "sensor"])
frame.to_parquet("readings.parquet", index=False)
os.chmod("readings.parquet", 0o644)
if "sensors" not in mill("repo", "list").split():
    mill("repo", "create", "sensors")
mill("repo", "put", "sensors", "master", "readings.parquet", "-f", "readings.parquet", "-m", f"{len(frame)} readings")
commit = mill("repo", "log", "sensors").split()[0]
mill("repo", "get", "sensors", "readings.parquet", "--rev", commit, "-o", "back.parquet")
story.must(digest("readings.parquet") == digest("back.parquet"), f"version {commit} is not what was put")
rows = len(pd.read_parquet("back.parquet"))
story.remember(version=commit)
story.done(f"{len(frame)} rows in, {rows} back from version {commit[:10]} of sensors", rows=len(frame), back=rows)
