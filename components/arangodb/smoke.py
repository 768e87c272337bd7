"""Proves that documents are found by a query, and that strangers are refused."""

import json
import sys
import uuid

import arango

ask = json.load(sys.stdin)
at = ask["provides"]["arangodb"]
collection, checks = "smoke_" + uuid.uuid4().hex[:12], []


def check(name, ok, detail=""):
    checks.append({"name": name, "ok": bool(ok), "detail": str(detail)[:200]})


def call(method, path, body=None):
    return arango.call(at["url"], at["user"], at["password"], method, f"/_db/{at['database']}{path}", body)


check("make a collection", call("POST", "/_api/collection", {"name": collection})[0] == 200)
try:
    for i in range(10):
        call("POST", f"/_api/document/{collection}", {"n": i})
    code, answer = call("POST", "/_api/cursor", {"query": f"FOR d IN {collection} FILTER d.n > 4 COLLECT AGGREGATE s = SUM(d.n) RETURN s"})
    check("query", code == 201 and answer["result"] == [35], answer)
finally:
    call("DELETE", f"/_api/collection/{collection}")
for user, password in ((None, None), (at["user"], "wrong"), ("root", ""), ("root", "root")):
    code, _ = arango.call(at["url"], user, password, "GET", "/_api/database")
    check(f"{user or 'nobody'} is refused", code == 401, code)

failed = [c["name"] for c in checks if not c["ok"]]
json.dump({"message": "failed: " + ", ".join(failed) if failed else f"{len(checks)} checks", "checks": checks}, sys.stdout)
sys.exit(1 if failed else 0)
