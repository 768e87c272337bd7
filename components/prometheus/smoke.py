"""Proves that every collected target is scraped: asks Prometheus for `up` of each."""

import json
import sys
import time
import urllib.parse
import urllib.request

ask = json.load(sys.stdin)
url = ask["provides"]["prometheus"]["url"]
wanted = {t for group in ask["collected"]["metrics"] for t in group["targets"]}


def query(expression):
    with urllib.request.urlopen(f"{url}/api/v1/query?" + urllib.parse.urlencode({"query": expression}), timeout=10) as answer:
        return json.load(answer)["data"]["result"]


# a target is first asked one scrape interval after it was named
deadline = time.monotonic() + 75
while True:
    up = {r["metric"]["instance"]: r["value"][1] for r in query("up")}
    if all(up.get(t) == "1" for t in wanted) or time.monotonic() > deadline:
        break
    time.sleep(0.5)
checks = [{"name": f"up {t}", "ok": up.get(t) == "1", "detail": up.get(t, "not scraped yet")} for t in sorted(wanted)]
with urllib.request.urlopen(f"{url}/api/v1/rules", timeout=10) as answer:
    rules = [r["name"] for g in json.load(answer)["data"]["groups"] for r in g["rules"]]
checks.append({"name": "alert rules are loaded", "ok": "ServiceDown" in rules, "detail": ", ".join(rules)})
with urllib.request.urlopen(f"{url}/graph", timeout=10) as page:
    checks.append({"name": "the page is served", "ok": b"<html" in page.read(4096).lower(), "detail": ""})

failed = [c["name"] for c in checks if not c["ok"]]
message = "failed: " + ", ".join(failed) if failed else f"{len(wanted)} targets up"
json.dump({"message": message, "checks": checks}, sys.stdout)
sys.exit(1 if failed else 0)
