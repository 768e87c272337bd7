"""Each client asks about one reading and says whether the answer was right. The report decides; the winner gets everybody."""

import os
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import requests
import serving
import story

facts = story.recall()
url, session = os.environ["SERVING_URL"], uuid.uuid4().hex[:8]
ask = requests.Session()
ask.auth = os.environ["SERVING_USERNAME"], os.environ["SERVING_PASSWORD"]
test = np.load("test.npz")
broken, good = np.flatnonzero(test["y"] == 1), np.flatnonzero(test["y"] == 0)
rng = np.random.default_rng(3)
clients = [int(rng.choice(broken if i % 2 else good)) for i in range(400)]  # people ask about what looks odd


def client(i):
    row, truth = test["x"][clients[i]], int(test["y"][clients[i]])
    question = {"inputs": [{"name": "x", "shape": [1, len(row)], "datatype": "FP64", "data": row.tolist()}]}
    said = ask.post(f"{url}/v2/models/sensors/infer", json=question, headers={"X-Client-Id": f"{session}-{i}"}, timeout=30)
    said.raise_for_status()
    right = int(said.json()["outputs"][0]["data"][0]) == truth
    told = ask.post(f"{url}/api/v1.0/feedback", json={"response": {"id": said.json()["id"]}, "reward": int(right), "truth": truth}, timeout=30)
    told.raise_for_status()
    return said.headers["X-Variant"], right


with ThreadPoolExecutor(8) as crowd:
    results = list(crowd.map(client, range(len(clients))))
rewards = {v: [r for variant, r in results if variant == v] for v in "ab"}
until = time.monotonic() + 30
while True:
    report = ask.get(f"{url}/report.json", timeout=30).json()
    told = sum(v.get("feedback", 0) for v in report["variants"])
    if told >= len(clients) or time.monotonic() > until:
        break
    time.sleep(1)
means = {v: sum(r) / max(len(r), 1) for v, r in rewards.items()}
winner = "b" if means["b"] > means["a"] else "a"
serving.apply(traffic=winner)
row = test["x"][0]
question = {"inputs": [{"name": "x", "shape": [1, len(row)], "datatype": "FP64", "data": row.tolist()}]}
until, served = time.monotonic() + 30, set()
while served != {winner} and time.monotonic() < until:
    served = {ask.post(f"{url}/v2/models/sensors/infer", json=question, headers={"X-Client-Id": f"after-{i}"}, timeout=30).headers["X-Variant"]
              for i in range(20)}  # fmt: skip
story.must(served == {winner}, f"variant {winner} won, but {served} answer")
story.remember(winner=winner)
story.done(f"{len(clients)} clients, {len(results)} feedbacks: a right {means['a']:.0%}, b right {means['b']:.0%}; {report['verdict']}; "
           f"variant {winner} now serves everybody", clients=len(clients), feedbacks=len(results))  # fmt: skip
