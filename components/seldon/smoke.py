"""Proves that clients are split by weight and stay with their variant, and that answers and feedback are recorded and compared."""

import base64
import gzip
import json
import time
import urllib.error
import urllib.request
import uuid

import boto3
from sklearn.datasets import load_digits

import mill_hook

ask = mill_hook.ask()
serving, s3, settings = ask["provides"]["serving"], ask["requires"]["s3"], ask["settings"]
login = "Basic " + base64.b64encode(f"{serving['user']}:{serving['password']}".encode()).decode()
recorder = ask["services"]["recorder"]
check, mark = mill_hook.Checks(), "smoke-" + uuid.uuid4().hex[:8]


def call(path, body=None, base=serving["url"], **headers):
    data = json.dumps(body).encode() if body is not None else None
    headers = {"Authorization": login, "Content-Type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()}
    request = urllib.request.Request(base + path, data, {k: v for k, v in headers.items() if v})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def infer(row, client=None):
    body = {"inputs": [{"name": "x", "shape": [1, len(row)], "datatype": "FP64", "data": row}]}
    return call(f"/v2/models/{serving['model']}/infer", body, X_Client_Id=client)


status, _, said = call(f"/v2/models/{serving['model']}")
check("the model is there", status == 200 and json.loads(said)["name"] == serving["model"], status)
bundled = settings["model_a"].startswith("sample:") and settings["model_b"].startswith("sample:")
if bundled:
    x, y = load_digits(return_X_y=True)
    seen, right, answers = {"a": 0, "b": 0}, {"a": 0, "b": 0}, []
    for i in range(200):
        row = 1000 + i * 3
        status, headers, said = infer(x[row].tolist(), f"{mark}-{i}")
        variant, said = headers["X-Variant"], json.loads(said)
        seen[variant] += 1
        answers.append((said["id"], variant, int(said["outputs"][0]["data"][0] == y[row]), i))
        right[variant] += answers[-1][2]
    share = {"split": settings["share_b"], "a": 0, "b": 100}[settings["traffic"]]
    allowed = 5 * (200 * share / 100 * (1 - share / 100)) ** 0.5 + 1
    check("split near the weights", abs(seen["b"] - 200 * share / 100) < allowed, seen)
    check("they know digits", right["a"] + right["b"] > 120, right)
    again = [infer(x[0].tolist(), f"{mark}-{i}")[1]["X-Variant"] == v for _, v, _, i in answers[:20]]
    check("clients stay with their variant", all(again), f"{sum(again)} of {len(again)}")
    before = {v["variant"]: v for v in json.loads(call("/report.json")[2])["variants"]}
    told = [call("/api/v1.0/feedback", {"response": {"id": which}, "reward": good})[0] for which, _, good, _ in answers]
    check("feedback is taken", set(told) == {200}, sorted(set(told)))
    twice = call("/api/v1.0/feedback", {"response": {"id": answers[0][0]}, "reward": 1})[0]
    check("but once", twice == 409, twice)
    after = json.loads(call("/report.json")[2])
    for v in after["variants"]:
        old = before.get(v["variant"], {"feedback": 0, "clients": 0, "reward": None})
        total = (old["reward"] or 0) * old["clients"] + right[v["variant"]]
        mean = total / v["clients"] if v["clients"] else 0
        same = v["feedback"] - old["feedback"] == seen[v["variant"]] and abs(mean - (v["reward"] or 0)) < 1e-9
        check(f"report on {v['variant']}", same, f"{v['clients']} clients earn {v['reward']}")
    check("a verdict", seen["a"] == 0 or seen["b"] == 0 or after["difference"], after["verdict"])
    at = f"http://{recorder['host']}:{recorder['ports']['http']}"
    series = call("/metrics", base=at)[2].decode()
    found = [f'{n}{{variant="{v}"' in series for v in seen if seen[v] for n in ("seldon_requests_total", "seldon_feedback_total")]
    check("series of each variant", all(found) and "seldon_request_seconds_bucket" in series, len(series.splitlines()))
    check("its metrics are closed", call("/metrics", base=at, Authorization="")[0] == 401)
    lake = boto3.client(
        "s3",
        endpoint_url=s3["endpoint"],
        aws_access_key_id=s3["access_key"],
        aws_secret_access_key=s3["secret_key"],
        region_name=s3["region"],
    )
    wanted, deadline = {a[0] for a in answers}, time.monotonic() + 60
    prefix, records = time.strftime("feedback/date=%Y-%m-%d/", time.gmtime()), {}
    while time.monotonic() < deadline and not wanted <= records.keys():
        time.sleep(0.5)
        for page in lake.get_paginator("list_objects_v2").paginate(Bucket=s3["bucket"], Prefix=prefix):
            for item in sorted(page.get("Contents", []), key=lambda o: o["Key"])[-5:]:
                text = gzip.decompress(lake.get_object(Bucket=s3["bucket"], Key=item["Key"])["Body"].read())
                records |= {r["id"]: r for r in map(json.loads, text.splitlines())}
    check("feedback is in the lake", wanted <= records.keys(), f"{len(wanted & records.keys())} of {len(wanted)}")
for name, wrong in (("nobody", ""), ("a wrong password", "Basic " + base64.b64encode(f"{serving['user']}:admin".encode()).decode())):
    check(f"{name} is refused", call("/v2", Authorization=wrong)[0] == 401)
for name in ("variant-a", "variant-b"):
    service = ask["services"][name]
    code = call("/v2", base=f"http://{service['host']}:{service['ports']['http']}", Authorization="")[0]
    check(f"{name} has no back door", code == 401, code)
check("models cannot be unloaded", call(f"/v2/repository/models/{serving['model']}/unload", {})[0] == 403)

check.end()
