"""A platform on a real cluster: tiny components, the generic chart, images built here."""

import json
import shutil
import signal
import subprocess
import time
from pathlib import Path

import conftest
import pytest
import tiny
from kube import KubeTiny, cluster, kube, registry  # noqa: F401 (fixtures)
from tiny import SMOKE

DATA = {"resources": {"memory": "16Mi", "memory_min": "8Mi", "disk": "1Gi"}}


def three(t, **blocks):
    """a keeps data and has a secret; b needs a; d stands alone."""
    t.component(
        "a", service=DATA | {"environment": {"SECRET": "${secret.password}", "COLOUR": "${setting.colour}"}},
        secrets={"password": {"length": 24}}, settings={"colour": {"type": "string", "default": "red", "help": "what it shows"}}, smoke="smoke.py",
        kubernetes={"secret": {"word": "${secret.password}"}},
    )
    t.component("b", requires=["a"])
    t.component("d")
    t.flavour("a, b, d", **blocks)


def test_the_whole_life(kube, tmp_path):
    """One platform from nothing to nothing: every promise that needs a running one."""
    t, before = kube, kube.cluster.names()
    three(t)
    t.up()
    assert {i: s["state"] for i, s in t.status().items()} == {"a.server": "ready", "b.server": "ready", "d.server": "ready"}
    assert "nothing to do" in t("plan", "-h", "-f", "default", "--detailed-exitcode").out

    # where the original's users look
    secret = t.cluster.json("-n", t.namespace, "get", "secret", "a")
    assert list(secret["data"]) == ["word"]
    password = t.here("credentials", "a", "--json").json[0]["secrets"]["password"]

    # nothing but Secrets holds a secret: neither helm's values nor a pod's specification
    for release in ("a", "b", "d"):
        assert password not in t.cluster.helm("-n", t.namespace, "get", "all", release)
    assert password not in t.cluster.kubectl("-n", t.namespace, "get", "pods,statefulsets,deployments,configmaps", "-o", "yaml")
    for path in (t.home / "mill").rglob("*"):
        if path.is_file() and "/secrets/" not in str(path):
            assert password not in path.read_text(errors="replace"), path

    # the same smoke test, in the cluster
    assert t.here("test", "a", "--json").json["ok"] == 1
    assert "listening on" in t.here("logs", "a").out
    inside = t.here("exec", "--", "/usr/bin/python3", "-c", "import urllib.request as u; print(u.urlopen('http://a:%d/').read().decode())" % t.ports["a"])
    assert inside.out.strip() == "ok"

    # a colleague with a fresh clone and the same cluster sees the same
    other = Path(tmp_path) / "other"
    shutil.copytree(t.project, other)
    fresh = conftest.Mill(tmp_path / "home", cwd=other)
    fresh.env |= {k: t.env[k] for k in ("PATH", "DATA_MILL_IMAGE_STORE")}
    assert "nothing to do" in fresh("plan", "-h", "-f", "default", "--detailed-exitcode").out
    assert fresh("credentials", "a", "--json", "-h", "-f", "default").json[0]["secrets"]["password"] == password

    # one setting: only what it touches gets new pods
    pods = t.pods()
    three(t, a={"colour": "blue"})
    plan = t("plan", "-h", "-f", "default", "--json", "-q").json
    assert [(x["action"], x["component"]) for x in plan["actions"]] == [("restart", "a")]
    t.up()
    after = t.pods()
    assert after["a"] != pods["a"] and after["b"] == pods["b"] and after["d"] == pods["d"]

    # an upgrade that fails is put back, and says why with the last lines of what failed
    t.component("d", mode="exit")
    t.flavour("a, b, d", a={"colour": "blue"})
    failed = t.up(check=False)
    assert failed.code == 1 and "rolled back to revision 1" in failed.err and "boom: giving up" in failed.err, failed
    conftest.wait_for(lambda: t.status()["d.server"]["state"] == "ready", 90, "d as it was before")
    assert t.pods()["a"] == after["a"]
    t.component("d")
    t.up()

    # down keeps data
    t.here("exec", "--", "/bin/true")
    starts = t.cluster.kubectl("-n", t.namespace, "exec", "a-0", "--", "/usr/bin/cat", "/data-mill/data/starts")
    t.here("down")
    assert {s["state"] for s in t.status().values()} == {"stopped"}
    assert not t.pods()
    t.up()
    assert t.cluster.kubectl("-n", t.namespace, "exec", "a-0", "--", "/usr/bin/cat", "/data-mill/data/starts").startswith(starts)

    # one component goes, its data stays; then everything
    refused = t.here("uninstall", "a", check=False)
    assert refused.code and "is used by b" in refused.err
    t.here("uninstall", "d")
    assert "d" not in t.pods() and "d" not in t.cluster.helm("-n", t.namespace, "list", "-q").split()
    t.here("destroy", "--yes", "--delete-data")
    deadline = time.monotonic() + 60
    while left(t, before) and time.monotonic() < deadline:
        time.sleep(1)
    assert not left(t, before)
    assert not t.platforms()


def left(t, before):
    """What is there and was not before.  Volumes of a pool are the cluster's; on a shared cluster others come and go."""
    found = {n for n in t.cluster.names() - before if not n.startswith("PersistentVolume ")}
    return found if t.cluster.ours else {n for n in found if t.namespace in n}


def test_nodes_pull_an_environment_before_it_is_wanted(kube):
    folder = kube.project / "environments" / "plain"
    (folder / "content").mkdir(parents=True)
    (folder / "environment.yaml").write_text(json.dumps({
        "schema": 1, "name": "plain", "title": "Plain", "category": "environment", "summary": "nothing but the base", "version": "1", "kernels": ["python3"],
        "native": {"install": [{"files": {"from": "content"}}]}}))
    (folder / "content" / "word").write_text("plain\n")
    kube.component("a")
    kube.flavour("a, plain")
    said = kube.up("--json").out
    assert "pulled on" in said and "nodes" in said, said
    assert not kube.cluster.kubectl("-n", kube.namespace, "get", "daemonsets", "-o", "name").split()
    assert "nothing to do" in kube("plan", "-h", "-f", "default").out


def children(pid):
    return [int(p) for task in Path(f"/proc/{pid}/task").iterdir() for p in (task / "children").read_text().split()]


def test_a_way_in_outlives_its_pod_and_not_us(kube):
    """`open` keeps its address when the pod behind it is replaced; killed outright, it leaves no kubectl."""
    kube.component("a", links=[{"title": "Page", "service": "server", "port": "http"}])
    kube.flavour("a")
    kube.up()
    opened = kube.popen("open", "a", "--print", "--platform", kube.namespace, stderr=subprocess.DEVNULL)
    try:
        url = opened.stdout.readline().strip()
        port = int(url.removeprefix("http://127.0.0.1:").strip("/"))
        assert tiny.get(port) == "ok"
        before = children(opened.pid)
        kube.cluster.kubectl("-n", kube.namespace, "delete", "pod", "-l", "data-mill.io/component=a", "--wait=true")

        def answers():
            try:
                return tiny.get(port) == "ok"
            except OSError:
                return False

        conftest.wait_for(answers, 90, "the page at the same address")
        (kubectl,) = children(opened.pid)
        assert [kubectl] != before
    finally:
        opened.send_signal(signal.SIGKILL)
        opened.wait()
    conftest.wait_for(lambda: not tiny.alive(kubectl), 10, "the end of kubectl")


# a hook that tells what it sees of the data folder
SEES = r'''
import json, pathlib, sys
json.load(sys.stdin)
seen = {str(f.relative_to("/data")): f.read_text() for f in pathlib.Path("/data").rglob("*") if f.is_file()}
try:
    pathlib.Path("/data/mine").touch()
    said = "it may be written to"
except OSError as e:
    said = e.strerror
json.dump({"message": "looked", "checks": [{"name": "sees", "ok": True, "detail": json.dumps([seen, said])}]}, sys.stdout)
'''


def seen_by_a_hook(t):
    (check,) = t.here("test", "a", "--json").json["tests"][0]["checks"]
    return json.loads(check["detail"])


def seen_by_a_session(t):
    script = "import os, pathlib, json; d = pathlib.Path(os.environ['MILL_DATA_FOLDER']); print(json.dumps({str(f.relative_to(d)): f.read_text() for f in d.rglob('*') if f.is_file()}))"
    return json.loads(t.here("exec", "--", "/usr/bin/python3", "-c", script).out)


def claim(t):
    return t.cluster.json("-n", t.namespace, "get", "persistentvolumeclaim", f"{t.namespace}-data", "--ignore-not-found")


def test_the_data_folder_is_a_volume(kube):
    """What is in the folder is in every pod that should see it, again after it changed, and goes only with the data."""
    t = kube
    data = t.project / "data"
    (data / "deep").mkdir(parents=True)
    (data / "word").write_text("one")
    (data / "deep" / "file with space").write_text("x" * 70000)
    (data / "link").symlink_to("word")
    folder = t.project / "components" / "a"
    folder.mkdir()
    (folder / "smoke.py").write_text(SEES)
    t.component("a", smoke="smoke.py", kubernetes={"services": {"server": {"data_folder": True}}})
    t.flavour("a, minio", project={"data_folder": str(data)})
    assert "PersistentVolumeClaim" in t("render", "-h", "-f", "default").out
    assert not claim(t)
    t.up()
    assert "nothing to do" in t("plan", "-h", "-f", "default", "--detailed-exitcode").out
    assert claim(t)["spec"]["accessModes"] == ["ReadWriteOnce"] and claim(t)["spec"]["resources"]["requests"]["storage"] == "10Gi"
    expected = {"word": "one", "deep/file with space": "x" * 70000}
    seen, written = seen_by_a_hook(t)
    assert seen == expected and written == "Read-only file system"
    assert seen_by_a_session(t) == expected
    assert t.cluster.kubectl("-n", t.namespace, "exec", "deploy/a", "--", "/usr/bin/cat", "/data/word") == "one"

    # what changed, what is new, what is gone; the lake keeps what is gone
    (data / "word").write_text("two")
    (data / "new").write_text("new")
    shutil.rmtree(data / "deep")
    expected = {"word": "two", "new": "new"}
    pushed = t("data", "push", "-h", "-f", "default")
    assert "volume: 2 files sent, 1 removed, 0 unchanged, 6 B" in pushed.err, pushed
    assert seen_by_a_hook(t)[0] == expected and seen_by_a_session(t) == expected
    again = t("data", "push", "-h", "-f", "default")
    assert "volume: 0 files sent, 0 removed, 2 unchanged" in again.err, again
    listed = t("data", "ls", "-r", "data/", "-h", "-f", "default").out
    assert "deep/file with space" in listed

    # the plan knows it too: from the content, not from times
    (data / "word").touch()
    plan = t("plan", "-h", "-f", "default", "--json", "-q").json
    assert not [x for x in plan["actions"] if x["name"] and x["name"].startswith("volume")], plan
    (data / "word").write_text("six")
    plan = t("plan", "-h", "-f", "default", "--json", "-q").json
    assert [x["name"] for x in plan["actions"]] == ["data", f"volume {t.namespace}-data"], plan
    t.up()
    assert seen_by_a_session(t) == expected | {"word": "six"}

    # no pod of ours is left over, and the volume stays as long as its data may not go
    assert not [p for p in t.cluster.kubectl("-n", t.namespace, "get", "pods", "-o", "name").split() if "/data-" in p]
    assert t.cluster.kubectl("-n", t.namespace, "exec", "deploy/a", "--", "/usr/bin/cat", "/data/word") == "six"
    # not wanted any more: nobody mounts it, and it is kept; wanted again, it is looked at
    path = t.project / "flavours" / "default.yaml"
    wanted = path.read_text()
    text = json.loads(wanted)
    text["hybrid"]["data"] = {"mount": False}
    path.write_text(json.dumps(text))
    assert "it is kept" in t.up().out
    assert "nothing to do" in t("plan", "-h", "-f", "default", "--detailed-exitcode").out and claim(t)
    t("exec", "--platform", t.namespace, "--", "/usr/bin/test", "!", "-e", "/data/word")
    assert t.cluster.kubectl("-n", t.namespace, "exec", "deploy/a", "--", "/usr/bin/ls", "/data", check=False) == ""
    path.write_text(wanted)
    t.up()
    assert "nothing to do" in t("plan", "-h", "-f", "default", "--detailed-exitcode").out
    assert seen_by_a_session(t) == expected | {"word": "six"}

    t.here("down")
    assert claim(t)
    asked = t.here("destroy", "--delete-data", check=False)
    assert asked.code and f"data folder" in asked.out + asked.err, asked
    t.here("destroy", "--yes")
    assert claim(t)
    t.up()
    t.here("destroy", "--yes", "--delete-data")
    conftest.wait_for(lambda: not claim(t), 60, "the end of the claim")
