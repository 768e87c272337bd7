"""Proves that the dashboards are there, that the sources answer through it, and that strangers are refused."""

import json
import urllib.error
import urllib.request
from base64 import b64encode

import mill_hook

ask = mill_hook.ask()
mine = ask["provides"]["grafana"]
check = mill_hook.Checks()


def get(path, user=None, password=""):
    request = urllib.request.Request(mine["url"] + path)
    if user:
        request.add_header("Authorization", "Basic " + b64encode(f"{user}:{password}".encode()).decode())
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")[:300]


login = (mine["user"], mine["password"])
for uid in ("platform", "lake", "kafka", "jobs", "serving", *(["logs"] if "search" in ask["requires"] else [])):
    code, found = get(f"/api/dashboards/uid/{uid}", *login)
    check(f"the dashboard {uid} is there", code == 200 and found["dashboard"]["panels"], code)
code, found = get("/api/datasources/proxy/uid/prometheus/api/v1/query?query=up", *login)
check("Prometheus answers through it", code == 200 and found["status"] == "success", code)
if "alertmanager" in ask["requires"]:
    code, found = get("/api/datasources/proxy/uid/alertmanager/api/v2/status", *login)
    check("Alertmanager answers through it", code == 200 and found["versionInfo"], code)
for uid in sorted({"search", "postgres", "influxdb"} & ask["requires"].keys()):
    code, found = get(f"/api/datasources/uid/{uid}/health", *login)
    check(f"the source {uid} is well", code == 200, f"{code} {found}")
for user, password in ((None, ""), ("admin", "admin"), (mine["user"], "wrong")):
    code, _ = get("/api/dashboards/uid/platform", user, password)
    check(f"{user or 'who says no name'} is refused", code == 401, code)

check.end()
