"""Who is better, variant a or b?  500 people ask for digits, say whether the answer was right, and the report decides.

    data-mill notebook run serving_ab_test.py --environment scipy        (component seldon)

It serves bundled models until told otherwise; after mlflow_tracking.py, with these lines in the flavour, those of the registry:
    seldon: {model_a: "models:/digits@champion", model_b: "models:/digits@challenger"}
"""

import collections
import os
import uuid
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import requests

url, model = os.environ["SERVING_URL"], os.environ["SERVING_MODEL"]
ask = requests.Session()
ask.auth = os.environ["SERVING_USERNAME"], os.environ["SERVING_PASSWORD"]
session = uuid.uuid4().hex[:8]

digits = pd.read_parquet("s3://data/digits/digits.parquet").tail(500)
pixels, truth = digits.drop(columns="digit").to_numpy(float), digits["digit"].tolist()


def person(i):
    """Asks once, and says whether it was the digit."""
    question = {"inputs": [{"name": "pixels", "shape": [1, 64], "datatype": "FP64", "data": pixels[i].tolist()}]}
    said = ask.post(f"{url}/v2/models/{model}/infer", json=question, headers={"X-Client-Id": f"{session}-{i}"}, timeout=30)
    said.raise_for_status()
    answer = said.json()
    right = int(answer["outputs"][0]["data"][0]) == truth[i]
    feedback = {"response": {"id": answer["id"]}, "reward": int(right), "truth": int(truth[i])}
    ask.post(f"{url}/api/v1.0/feedback", json=feedback, timeout=30).raise_for_status()
    return said.headers["X-Variant"], right


with ThreadPoolExecutor(8) as crowd:
    results = list(crowd.map(person, range(len(truth))))
print("asked:", dict(collections.Counter(variant for variant, _ in results)))
print("right:", dict(collections.Counter(variant for variant, right in results if right)))

report = ask.get(f"{url}/report.json", timeout=30).json()
for v in report["variants"]:
    low, high = v["interval"]
    times, earns = v["latency_ms"], f"{v['reward']:.3f} ({low:.3f} to {high:.3f})"
    print(f"{v['variant']}  {v['model']:20} {v['requests']:5} requests, p95 {times['p95']:6.1f} ms, reward {earns}")
print(report["verdict"])
