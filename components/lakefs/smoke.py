"""Proves that a commit keeps an object as it was while a branch goes on, and that strangers are refused."""

import uuid

import requests

import mill_hook

ask = mill_hook.ask()
at = ask["provides"]["lakefs"]
name, check = "smoke-" + uuid.uuid4().hex[:12], mill_hook.Checks()


def call(method, path, auth=(at["access_key"], at["secret_key"]), **body):
    return requests.request(method, at["url"] + "/api/v1" + path, auth=auth, timeout=30, **body)


answer = call("POST", "/repositories", json={"name": name, "storage_namespace": f"s3://{at['bucket']}/{name}", "default_branch": "main"})
check("a repository", answer.status_code == 201, answer.text)
try:
    objects = f"/repositories/{name}/branches/main/objects?path=a.txt"
    call("POST", objects, files={"content": b"one"})
    commit = call("POST", f"/repositories/{name}/branches/main/commits", json={"message": "one"}).json().get("id", "")
    call("POST", objects, files={"content": b"two"})
    check("the commit keeps", call("GET", f"/repositories/{name}/refs/{commit}/objects?path=a.txt").content == b"one")
    check("the branch goes on", call("GET", f"/repositories/{name}/refs/main/objects?path=a.txt").content == b"two")
finally:
    call("DELETE", f"/repositories/{name}?force=true")
for auth in (None, (at["access_key"], "wrong")):
    code = call("GET", "/repositories", auth).status_code
    check("a stranger is refused", code == 401, code)

check.end()
