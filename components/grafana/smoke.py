"""Proves that the dashboard is there, that its source answers, and that strangers are refused."""

import json
import sys
import urllib.error
import urllib.request
from base64 import b64encode

ask = json.load(sys.stdin)
mine = ask["provides"]["grafana"]
checks = []


def check(what, ok, detail=""):
    checks.append({"name": what, "ok": bool(ok), "detail": str(detail)})


def get(path, user=None, password=""):
    request = urllib.request.Request(mine["url"] + path)
    if user:
        request.add_header("Authorization", "Basic " + b64encode(f"{user}:{password}".encode()).decode())
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, None


login = (mine["user"], mine["password"])
code, found = get("/api/dashboards/uid/platform", *login)
check("the dashboard is there", code == 200 and found["dashboard"]["panels"], code)
code, found = get("/api/datasources/proxy/uid/prometheus/api/v1/query?query=up", *login)
check("Prometheus answers through it", code == 200 and found["status"] == "success", code)
for user, password in ((None, ""), ("admin", "admin"), (mine["user"], "wrong")):
    code, _ = get("/api/dashboards/uid/platform", user, password)
    check(f"{user or 'who says no name'} is refused", code == 401, code)

failed = [c["name"] for c in checks if not c["ok"]]
json.dump({"message": "failed: " + ", ".join(failed) if failed else f"{len(checks)} checks", "checks": checks}, sys.stdout)
sys.exit(1 if failed else 0)
