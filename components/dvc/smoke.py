"""Proves that versions are kept: two of one file are committed, the first is read back, also after the local copy is lost."""

import contextlib
import os
import shutil
import sys
import uuid
from pathlib import Path

import mill_hook
from repo import Refused, Store, connect

ask = mill_hook.ask()
home, lake = connect(ask)
store = Store(home, lake)
store.lock()
name = "smoke-" + uuid.uuid4().hex[:12]
work = Path(os.environ.get("TMPDIR", "/tmp"))
check = mill_hook.Checks()


def get(revision):
    out = work / "out"
    store.get(name, "set/values.csv", str(out), rev=revision)
    return out.read_bytes()


try:
    with contextlib.redirect_stdout(sys.stderr):
        store.create(name)
        versions = []
        for text in (b"a,b\n1,2\n", b"a,b\n3,4\n"):
            (work / "in").write_bytes(text)
            versions.append(store.put(name, "set/values.csv", str(work / "in"))["commit"])
        check("two versions", len(set(versions)) == 2)
        check("the first is read back", get(versions[0]) == b"a,b\n1,2\n", versions[0][:12])
        check("the newest is the default", get(None) == b"a,b\n3,4\n")
        check("log names both", {c["commit"] for c in store.log(name)["commits"]} >= set(versions))
        shutil.rmtree(home / "repos" / name)
        check("a lost local copy comes back from the lake", get(versions[0]) == b"a,b\n1,2\n")
        try:
            store.get(name, "absent.csv", str(work / "out"))
            check("an absent file is refused", False)
        except Refused as why:
            check("an absent file is refused", True, str(why))
finally:
    shutil.rmtree(home / "repos" / name, ignore_errors=True)
    pages = store.s3.get_paginator("list_objects_v2").paginate(Bucket=store.bucket, Prefix=name + "/")
    for item in [o for page in pages for o in page.get("Contents", [])]:
        store.s3.delete_object(Bucket=store.bucket, Key=item["Key"])

check.end()
