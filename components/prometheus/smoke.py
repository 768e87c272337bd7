"""Proves that every collected target is scraped: asks Prometheus for `up` of each."""

import json
import time
import urllib.parse
import urllib.request

import mill_hook

ask = mill_hook.ask()
url = ask["provides"]["prometheus"]["url"]
wanted = {
    t: c["static_configs"][0]["labels"]["component"]
    for c in ask["collected"]["scrape_configs"]
    for t in c["static_configs"][0]["targets"]
    if c["static_configs"][0]["labels"]["component"] not in ask["absent"]  # its software could not be had
}


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
with urllib.request.urlopen(f"{url}/api/v1/targets?state=active", timeout=10) as answer:
    errors = {t["labels"]["instance"]: t["lastError"] for t in json.load(answer)["data"]["activeTargets"]}
check = mill_hook.Checks()
for t in sorted(wanted, key=wanted.get):
    check(f"up {wanted[t]} {t}", up.get(t) == "1", errors.get(t) or up.get(t, "not scraped yet"))
with urllib.request.urlopen(f"{url}/api/v1/rules", timeout=10) as answer:
    rules = [r["name"] for g in json.load(answer)["data"]["groups"] for r in g["rules"]]
check("alert rules are loaded", "ServiceDown" in rules, ", ".join(rules))
with urllib.request.urlopen(f"{url}/graph", timeout=10) as page:
    check("the page is served", b"<html" in page.read(4096).lower())

if ask["requires"].get("alertmanager"):
    with urllib.request.urlopen(f"{url}/api/v1/alertmanagers", timeout=10) as answer:
        known = [a["url"] for a in json.load(answer)["data"]["activeAlertmanagers"]]
    check("alerts go to the Alertmanager", len(known) == 1, ", ".join(known))

check.end(f"{len(wanted)} targets up")
