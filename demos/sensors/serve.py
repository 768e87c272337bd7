"""Variant a is the champion, variant b the challenger; each client stays with one."""

import collections
import os
import time

import numpy as np
import requests
import serving
import story

facts = story.recall()
serving.apply(model="sensors", model_a=f"models:/sensors/{facts['models']['champion']}", model_b=f"models:/sensors/{facts['models']['challenger']}",
              share_b=50, traffic="split")  # fmt: skip
ask = requests.Session()
ask.auth = os.environ["SERVING_USERNAME"], os.environ["SERVING_PASSWORD"]
rows = np.load("test.npz")["x"][:60]
seen, until = collections.Counter(), time.monotonic() + 60
for i, row in enumerate(rows):
    question = {"inputs": [{"name": "x", "shape": [1, len(row)], "datatype": "FP64", "data": row.tolist()}]}
    said = ask.post(f"{os.environ['SERVING_URL']}/v2/models/sensors/infer", json=question, headers={"X-Client-Id": f"first-{i}"}, timeout=30)
    said.raise_for_status()
    seen[said.headers["X-Variant"]] += 1
story.must(set(seen) == {"a", "b"} and sum(seen.values()) == len(rows), f"asked {len(rows)} times, answered by {dict(seen)}")
story.done(f"{len(rows)} questions, {sum(seen.values())} answers: {seen['a']} by sensors {facts['models']['champion']}, {seen['b']} by sensors "
           f"{facts['models']['challenger']}", asked=len(rows), answered=sum(seen.values()))  # fmt: skip
