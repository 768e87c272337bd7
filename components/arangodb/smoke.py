"""Proves that documents are found by a query, and that strangers are refused."""

import uuid

import arango
import mill_hook

ask = mill_hook.ask()
at = ask["provides"]["arangodb"]
collection, check = "smoke_" + uuid.uuid4().hex[:12], mill_hook.Checks()


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

check.end()
