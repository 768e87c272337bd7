"""`repo` of Pachyderm, with a stand-in for pachctl that takes the words which its documentation has, and no others."""

import json
import os
import subprocess
import sys

import conftest
import pytest

HOOK = conftest.ROOT / "components" / "pachyderm" / "repo.py"

# pachctl 2.11: https://docs.pachyderm.com/products/mldm/latest/run-commands/ (create-repo, list-repo, start-commit, put-file, ...)
STAND_IN = r'''#!/usr/bin/env python3
import json, os, pathlib, re, sys
home = pathlib.Path(__file__).parent
words = sys.argv[1:]
with open(home / "asked", "a") as f:
    f.write(json.dumps(words) + "\n")
assert os.environ["PACHD_ADDRESS"] == "grpc://pachd:30650" and os.environ["PACH_CONFIG"]
state = home / "state.json"
repos = json.loads(state.read_text()) if state.exists() else {}
shapes = {
    "create repo": r"create repo (\S+)", "list repo": r"list repo --raw", "list file": r"list file (\w+)@(\w+) --raw",
    "list commit": r"list commit (\w+)(?:@(\w+))? --raw", "start commit": r"start commit (\w+)@(\w+) --message (.*)",
    "finish commit": r"finish commit (\w+)@(\w+)", "put file": r"put file (\w+)@(\w+):(/\S+) --file (\S+)", "get file": r"get file (\w+)@(\w+):(/\S+) --output (\S+)",
}
verb = " ".join(words[:2])
m = re.fullmatch(shapes.get(verb, "-"), " ".join(words))
if not m:
    sys.exit("Error: unknown command or flag: " + " ".join(words))
def need(name):
    if name not in repos:
        sys.exit("Error: repo default/%s not found" % name)
    return repos[name]
if verb == "create repo":
    if m[1] in repos:
        sys.exit("Error: repo default/%s already exists" % m[1])
    repos[m[1]] = {"commits": [], "files": {}, "open": None}
elif verb == "list repo":
    for n in repos:
        print(json.dumps({"repo": {"name": n, "type": "user"}, "created": "2026-01-01T00:00:00Z"}, indent=2))
elif verb == "start commit":
    r = need(m[1])
    r["open"] = "c%031d" % (len(r["commits"]) + 1)
    r["commits"].insert(0, {"commit": {"id": r["open"]}, "started": "2026-01-02T00:00:00Z", "description": m[3]})
    print(r["open"])
elif verb == "finish commit":
    r = need(m[1])
    assert r["open"] == m[2]
    r["open"] = None
elif verb == "put file":
    if "broken" in m[3]:
        sys.exit("Error: the storage is full")
    need(m[1])["files"][m[3]] = open(m[4]).read()
elif verb == "list file":
    for p, text in need(m[1])["files"].items():
        print(json.dumps({"file": {"path": p}, "file_type": "FILE", "size_bytes": str(len(text))}))
elif verb == "list commit":
    for c in need(m[1])["commits"]:
        print(json.dumps(c))
elif verb == "get file":
    files = need(m[1])["files"]
    if m[3] not in files:
        sys.exit("Error: file %s not found" % m[3])
    open(m[4], "w").write(files[m[3]])
state.write_text(json.dumps(repos))
'''


@pytest.fixture
def pachctl(tmp_path):
    folder = tmp_path / "store" / "bin" / "pachctl_2.11.6_linux_amd64"
    folder.mkdir(parents=True)
    (folder / "pachctl").write_text(STAND_IN)
    (folder / "pachctl").chmod(0o755)

    def ask(op, code=0, **request):
        body = {"store": str(tmp_path / "store"), "request": {"op": op} | request}
        done = subprocess.run([sys.executable, str(HOOK)], input=json.dumps(body), capture_output=True, text=True, timeout=60, env={"PATH": os.environ["PATH"]})
        assert done.returncode == code, done
        return json.loads(done.stdout)

    ask.asked = lambda: [json.loads(line) for line in (folder / "asked").read_text().splitlines()]
    return ask


def test_a_repository_from_nothing(pachctl, tmp_path):
    (tmp_path / "a.txt").write_text("hello")
    assert pachctl("create", repo="images")["message"] == "created images"
    assert "already exists" in pachctl("create", 1, repo="images")["message"]
    commit = pachctl("put", repo="images", branch="master", path="sub/a.txt", file=str(tmp_path / "a.txt"), message="the first")["values"]["commit"]
    assert pachctl("list", repo="images")["values"]["files"] == [{"path": "sub/a.txt", "size": 5, "md5": ""}]
    assert pachctl("list")["values"]["repos"] == [{"repo": "images", "commits": 1, "changed": "2026-01-02T00:00:00Z"}]
    assert pachctl("log", repo="images")["values"]["commits"] == [{"commit": commit, "time": "2026-01-02T00:00:00Z", "message": "the first"}]
    pachctl("get", repo="images", path="sub/a.txt", output=str(tmp_path / "b.txt"), rev=commit)
    assert (tmp_path / "b.txt").read_text() == "hello"


def test_a_commit_that_failed_is_not_left_open(pachctl, tmp_path):
    (tmp_path / "a.txt").write_text("hello")
    pachctl("create", repo="images")
    assert "the storage is full" in pachctl("put", 1, repo="images", path="broken", file=str(tmp_path / "a.txt"))["message"]
    assert pachctl.asked()[-1][:2] == ["finish", "commit"]


@pytest.mark.parametrize("request_", [
    {"op": "create", "repo": "--help"}, {"op": "put", "repo": "a", "path": "../x", "file": "/etc/hosts"}, {"op": "get", "repo": "a", "path": "/x", "output": "/tmp/x"},
    {"op": "list", "repo": "a@b"}, {"op": "log", "repo": "a", "path": "x"}, {"op": "list", "repo": "absent"},
])
def test_what_cannot_be_asked_is_said(pachctl, request_):
    op = request_.pop("op")
    assert pachctl(op, 1, **request_)["message"]
