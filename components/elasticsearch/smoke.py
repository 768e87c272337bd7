"""Proves that documents are found, that strangers are refused, and that people do not administer."""

import uuid

import admin
import mill_hook

ask = mill_hook.ask()
search = ask["provides"]["search"]
url, user, password = search["url"], search["user"], search["password"]
index = "smoke-" + uuid.uuid4().hex[:12]
check = mill_hook.Checks()


def call(method, path, body=None):
    return admin.call(url, user, password, method, path, body)


try:
    for i, text in enumerate(("the mill grinds barley", "the miller sleeps", "wheat and barley")):
        code, _ = call("PUT", f"/{index}/_doc/{i}?refresh=true", {"text": text, "number": i})
        check(f"document {i}", code == 201, code)
    code, answer = call("POST", f"/{index}/_search", {"query": {"match": {"text": "barley"}}})
    found = sorted(h["_id"] for h in answer["hits"]["hits"]) if code == 200 else code
    check("search", found == ["0", "2"], found)
    code, answer = call("POST", f"/{index}/_search", {"size": 0, "aggs": {"sum": {"sum": {"field": "number"}}}})
    check("aggregation", code == 200 and answer["aggregations"]["sum"]["value"] == 3)
finally:
    call("DELETE", f"/{index}")
code, _ = call("GET", "/_security/user")
check("people do not administer", code == 403, code)
for who, secret in (("admin", "admin"), (user, "wrong"), ("", "")):
    code, _ = admin.call(url, who, secret, "GET", "/_search")
    check(f"{who or 'nobody'} with a wrong password is refused", code == 401, code)

check.end()
