"""What goes wrong on a cluster: each failure names its cause and the next step, and nothing is lost."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import conftest
import pytest

sys.path.insert(0, str(conftest.ROOT / "tests" / "e2e"))
from kube import cluster, kube, registry  # noqa: E402,F401 (fixtures)

QUICK = {"readiness": {"http": {"port": "http", "path": "/"}, "period": "1s"}, "startup": {"deadline": "10s"}}


def one(t, mode="ok", project=None, service=None, **more):
    t.component("a", mode=mode, service=QUICK | (service or {}), ready=False, **more)
    return t.flavour("a", project=project)


def test_a_crash_loop_tells_the_last_lines(kube):
    one(kube, mode="exit")
    failed = kube.up(check=False, code=1)
    assert "CrashLoopBackOff: exit code 3" in failed.err and "boom: giving up" in failed.err and "data-mill logs a.server" in failed.err, failed


def test_a_crash_once_heals_itself(kube):
    one(kube, mode="crash-later")
    kube.up()
    assert kube.status()["a.server"]["state"] == "ready"


def test_no_node_has_the_room(kube):
    one(kube, service={"resources": {"memory": "16Mi"}})
    path = kube.flavour("a", a={"memory": "4000Gi"})
    kube.env["DATA_MILL_KUBE_WAIT"] = "8s"
    failed = kube.up(check=False, code=1)
    assert "Insufficient memory" in failed.err and "give it less" in failed.err, failed
    assert path.exists()


def test_a_node_label_that_nobody_has(kube):
    one(kube, project={"kubernetes": {"node_selector": {"no.such/label": "x"}}})
    kube.env["DATA_MILL_KUBE_WAIT"] = "8s"
    failed = kube.up(check=False, code=1)
    assert "node_selector" in failed.err, failed


def test_a_claim_that_stays_pending(kube):
    one(kube, project={"kubernetes": {"storage_class": "no-such-class"}}, service={"resources": {"memory": "16Mi", "disk": "1Gi"}})
    kube.env["DATA_MILL_KUBE_WAIT"] = "8s"
    failed = kube.up(check=False, code=1)
    assert "storage_class" in failed.err and "no-such-class" in failed.err, failed


def test_a_data_volume_that_stays_pending(kube):
    """It is said why, the rest of the platform is up, and pods that would mount it do not wait for it."""
    data_folder(kube)
    one(kube, project={"data_folder": str(kube.project / "data")})
    path = kube.project / "flavours" / "default.yaml"
    text = json.loads(path.read_text())
    text["hybrid"]["data"] = {"storage_class": "no-such-class"}
    path.write_text(json.dumps(text))
    kube.env["DATA_MILL_KUBE_WAIT"] = "20s"
    failed = kube.up(check=False, code=1)
    assert "data volume" in failed.err and "storage_class" in failed.err, failed
    assert kube.status()["a.server"]["state"] == "ready"
    kube("exec", "--platform", kube.namespace, "--", "/usr/bin/test", "!", "-e", "/data/word")


def data_folder(kube):
    (kube.project / "data").mkdir()
    (kube.project / "data" / "word").write_text("one")


def test_a_quota_that_is_too_small(kube):
    kube.cluster.kubectl("create", "namespace", kube.namespace)
    kube.cluster.kubectl("-n", kube.namespace, "create", "quota", "small", "--hard=pods=0")
    one(kube)
    kube.env["DATA_MILL_KUBE_WAIT"] = "8s"
    failed = kube.up(check=False, code=1)
    assert "exceeded quota" in failed.err and "ResourceQuota" in failed.err, failed


def test_an_image_that_cannot_be_pulled(kube):
    """The registry forgot it after it was pushed."""
    path = one(kube)
    text = json.loads(path.read_text())
    kube.up()
    kube.here("down")
    release = json.loads(kube.cluster.helm("-n", kube.namespace, "get", "values", "a", "-o", "json"))
    assert release["image"]["reference"].startswith(text["hybrid"]["images"]["registry"])
    kube.cluster.kubectl("-n", kube.namespace, "set", "image", "deployment/a", "server=127.0.0.1:1/nothing:1")
    kube.cluster.kubectl("-n", kube.namespace, "scale", "deployment/a", "--replicas=1")
    seen = conftest.wait_for(lambda: [s for s in [kube.status()["a.server"].get("reason", "")] if "mage" in s], 60, "the pull to fail")
    assert "ErrImagePull" in seen[0] or "ImagePullBackOff" in seen[0]
    kube.up()  # what a hand changed is put back
    assert kube.status()["a.server"]["state"] == "ready"


def test_the_kernel_kills_what_eats_too_much(kube):
    """A limit of 160 MiB (twice 16 and 128), and a process that takes 400: the kernel's doing, in its pod's cgroup."""
    one(kube, mode="eat", command=["400"])
    failed = kube.up(check=False, code=1)
    assert "OOMKilled" in failed.err and "limit of 160Mi (it asks for 16Mi)" in failed.err, failed
    assert "eating 400 MiB" in failed.err and "`memory:` in its component's block" in failed.err, failed
    ended = [c["lastState"].get("terminated") or c["state"].get("terminated") for c in statuses(kube)]
    assert [(e["reason"], e["exitCode"]) for e in ended] == [("OOMKilled", 137)], ended
    assert "OOMKilled" in kube.status()["a.server"]["reason"]
    kube.flavour("a", a={"memory": "256Mi"})  # what it says to do
    kube.up()
    assert kube.status()["a.server"]["state"] == "ready" and "reason" not in kube.status()["a.server"]


def test_killed_once_it_comes_back(kube):
    """What eats is a process of its own in the pod: the service lives on or is started again."""
    one(kube)
    kube.up()
    pod = kube.cluster.json("-n", kube.namespace, "get", "pods", "-l", "data-mill.io/service=server")["items"][0]["metadata"]["name"]
    kube.cluster.kubectl("-n", kube.namespace, "exec", pod, "--", "/usr/bin/python3", "-c", "import os\nx=bytearray(400<<20)\n", check=False)
    assert kube.here("status", "--json", "-q").json["ready"] in (0, 1)
    kube.here("wait", "--timeout", "90s")


def statuses(t):
    items = t.cluster.json("-n", t.namespace, "get", "pods", "-l", "data-mill.io/service=server")["items"]
    return [c for p in items for c in p["status"]["containerStatuses"]]


@pytest.mark.parametrize("disk", ["", "1Gi"], ids=["deployment", "statefulset"])
def test_the_kubelet_evicts_what_fills_the_disk(kube, disk):
    """Its scratch volume grows over what the namespace lets a pod have. A Deployment leaves the evicted pod, a StatefulSet removes it."""
    kube.cluster.kubectl("create", "namespace", kube.namespace)
    limits = {"limits": [{"type": "Container", "default": {"ephemeral-storage": "8Mi"}, "defaultRequest": {"ephemeral-storage": "1Mi"}}]}
    kube.cluster.kubectl("-n", kube.namespace, "apply", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "small"}, "spec": limits}))
    more = {"resources": {"memory": "16Mi"} | ({"disk": disk} if disk else {}), "startup": {"deadline": "240s"}}
    # it is never ready; asked rarely, so that the kubelet does not drop its events as too many
    more |= {"readiness": {"http": {"port": "http", "path": "/"}, "period": "10s"}}
    one(kube, mode="fill", command=["24"], service=more)
    failed = kube.up(check=False, code=1)
    assert "Evicted: " in failed.err, failed
    told = "local storage usage exceeds" in failed.err and "LimitRange" in failed.err
    assert told or (disk and "which did not say why" in failed.err), failed  # a StatefulSet's pod is gone, and the kubelet may have dropped its event
    assert disk or "Evicted: " in kube.status()["a.server"]["reason"]
    kube.here("down", timeout=120)  # evicted pods that lie there are none that are waited for
    assert kube.status()["a.server"]["state"] == "stopped"


@pytest.fixture
def full_node(cluster):
    """A node that says its disk is full: one of its own, so that nobody else's pods suffer. The controller taints it."""
    import uuid

    name = f"full-{uuid.uuid4().hex[:6]}"
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"mill.test/node": name}}}
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    conditions = [{"type": t, "status": s, "reason": r, "message": r, "lastHeartbeatTime": now, "lastTransitionTime": now} for t, s, r in (
        ("Ready", "True", "KubeletReady"), ("DiskPressure", "True", "KubeletHasDiskPressure"))]
    room = {"cpu": "2", "memory": "4Gi", "pods": "10", "ephemeral-storage": "10Gi"}
    try:
        cluster.kubectl("create", "-f", "-", input=json.dumps(node))
        cluster.kubectl("patch", "node", name, "--subresource=status", "--type=merge", "-p", json.dumps({"status": {"conditions": conditions, "capacity": room, "allocatable": room}}))
        conftest.wait_for(lambda: "node.kubernetes.io/disk-pressure" in cluster.kubectl("get", "node", name, "-o", "jsonpath={.spec.taints}"), 20, "the taint")
        yield name
    finally:
        cluster.kubectl("delete", "node", name, "--ignore-not-found", check=False)


def test_the_disk_of_a_node_is_full(kube, full_node):
    one(kube, project={"kubernetes": {"node_selector": {"mill.test/node": full_node}}})
    kube.env["DATA_MILL_KUBE_WAIT"] = "8s"
    failed = kube.up(check=False, code=1)
    assert "node.kubernetes.io/disk-pressure" in failed.err and "the disk of a node is full" in failed.err and "kubectl describe nodes" in failed.err, failed


# ---- the way in ----
def kubeconfig(t, tmp_path, change):
    text = Path(t.cluster.kubeconfig).read_text()
    path = tmp_path / "kubeconfig"
    path.write_text(change(text))
    return path


def test_a_kubeconfig_that_leads_nowhere(kube, tmp_path):
    one(kube)
    import re

    for change, words in (
        (lambda text: re.sub(r"https://[^\"\s,}]+", "https://127.0.0.1:1", text), "refused"),
        (lambda text: "apiVersion: v1\nkind: Config\nclusters: []\n", "context"),
        (lambda text: "not: [yaml", "kubeconfig"),
    ):
        path = kubeconfig(kube, tmp_path, change)
        kube.flavour("a", kubeconfig=path)
        failed = kube.up(check=False)
        assert failed.code in (1, 2) and words in failed.err and "next:" in failed.err, failed
    kube.flavour("a", kubeconfig="/no/such/file")
    assert kube.up(check=False).code in (1, 2)


def token_user(t, tmp_path, role):
    """A kubeconfig of a service account that has only what `role` (objects) gives."""
    t.cluster.kubectl("create", "namespace", t.namespace)
    t.cluster.kubectl("-n", t.namespace, "create", "serviceaccount", "person")
    if role:
        t.cluster.kubectl("apply", "-f", "-", input=role)
        t.cluster.kubectl("-n", t.namespace, "create", "rolebinding", "person", "--role=data-mill", f"--serviceaccount={t.namespace}:person")
    token = t.cluster.kubectl("-n", t.namespace, "create", "token", "person").strip()
    config = json.loads(t.cluster.kubectl("config", "view", "--raw", "--flatten", "-o", "json"))
    config["users"] = [{"name": "person", "user": {"token": token}}]
    for context in config["contexts"]:
        context["context"]["user"] = "person"
    path = tmp_path / "person.kubeconfig"
    path.write_text(json.dumps(config))
    return path


def test_a_user_without_rights_is_told_which(kube, tmp_path):
    one(kube)
    path = token_user(kube, tmp_path, None)
    kube.flavour("a", kubeconfig=path)
    failed = kube.up(check=False)
    assert failed.code == 1 and "configmaps" in failed.err and "forbidden" in failed.err.lower() and "--layer role" in failed.err, failed


def test_a_user_with_the_role_that_we_ship(kube, tmp_path):
    data_folder(kube)
    data = {"data_folder": str(kube.project / "data")}
    one(kube, project=data)
    role = kube("render", "-h", "-f", "default", "--layer", "role").out
    path = token_user(kube, tmp_path, role)
    kube.flavour("a", kubeconfig=path, project=data)
    kube.up()
    assert kube.status()["a.server"]["state"] == "ready"
    assert "listening" in kube.here("logs", "a").out
    assert kube("exec", "--platform", kube.namespace, "--", "/usr/bin/cat", "/data/word").out == "one"
    kube.here("down")
    kube.here("destroy", "--yes", "--delete-data")


# ---- two at once, and killed ----
def test_two_ups_at_once(kube, tmp_path):
    one(kube)
    other = conftest.Mill(tmp_path / "home", cwd=kube.project)
    other.env |= {k: kube.env[k] for k in ("PATH", "DATA_MILL_IMAGE_STORE")}
    both = [m.popen("up", "-h", "-f", "default", "--yes") for m in (kube, other)]
    said = [p.communicate(timeout=300)[0] for p in both]
    assert [p.returncode for p in both] == [0, 0], said
    assert any("waiting for" in s for s in said), said  # one waited for the other's Lease
    assert len(json.loads(kube.cluster.helm("-n", kube.namespace, "history", "a", "-o", "json"))) == 1


def test_a_helm_that_was_killed(kube):
    one(kube)
    kube.up()
    # what helm leaves when it is killed midway
    name = "sh.helm.release.v1.a.v1"
    kube.cluster.kubectl("-n", kube.namespace, "label", "secret", name, "status=pending-upgrade", "--overwrite")
    release = json.loads(kube.cluster.kubectl("-n", kube.namespace, "get", "secret", name, "-o", "json"))
    import gzip

    record = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(release["data"]["release"]))))
    record["info"]["status"] = "pending-upgrade"
    packed = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(record).encode()))).decode()
    kube.cluster.kubectl("-n", kube.namespace, "patch", "secret", name, "-p", json.dumps({"data": {"release": packed}}))
    one(kube, command=["more"])
    blocked = subprocess.run(["helm", "-n", kube.namespace, "upgrade", "a", str(conftest.ROOT / "helm-charts" / "component")], env=kube.cluster.env, capture_output=True, text=True)
    assert "another operation" in blocked.stderr, blocked  # what a person's own helm says to it
    kube.up()
    assert kube.status()["a.server"]["state"] == "ready"
    assert "nothing to do" in kube("plan", "-h", "-f", "default").out


def test_up_is_killed_and_run_again(kube):
    one(kube, service={"resources": {"memory": "16Mi", "disk": "1Gi"}})
    for after in (0.3, 1.5, 3):
        process = kube.popen("up", "-h", "-f", "default", "--yes")
        time.sleep(after)
        process.send_signal(signal.SIGKILL)
        process.wait()
        # its Lease ends by itself; here nobody waits for that
        kube.cluster.kubectl("-n", kube.namespace, "delete", "lease", "data-mill", "--ignore-not-found", check=False)
    kube.up()
    assert kube.status()["a.server"]["state"] == "ready"
    assert "nothing to do" in kube("plan", "-h", "-f", "default").out


def test_a_namespace_that_is_being_deleted(kube):
    kube.cluster.kubectl("create", "namespace", kube.namespace)
    kube.cluster.kubectl("-n", kube.namespace, "apply", "-f", "-", input=json.dumps({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "stuck", "finalizers": ["example.com/never"]}}))
    kube.cluster.kubectl("delete", "namespace", kube.namespace, "--wait=false")
    one(kube)
    try:
        failed = kube.up(check=False)
        assert failed.code == 1 and "is being deleted" in failed.err, failed
    finally:
        kube.cluster.kubectl("-n", kube.namespace, "patch", "configmap", "stuck", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')


# ---- other people's things ----
def test_what_is_not_ours_is_not_touched(kube):
    kube.cluster.kubectl("create", "namespace", kube.namespace)
    kube.cluster.kubectl("-n", kube.namespace, "create", "service", "clusterip", "a", "--tcp=80")
    kube.cluster.kubectl("-n", kube.namespace, "create", "secret", "generic", "theirs", "--from-literal=x=y")
    one(kube)
    failed = kube.up(check=False, code=1)
    assert "is not ours" in failed.err, failed
    kube.here("destroy", "--yes", "--delete-data")
    left = kube.cluster.kubectl("-n", kube.namespace, "get", "service,secret", "-o", "name").split()
    assert {"service/a", "secret/theirs"} <= set(left)  # and the namespace, which we did not make


def test_what_argo_holds_is_refused(kube):
    one(kube)
    kube.up()
    kube.cluster.kubectl("-n", kube.namespace, "annotate", "deployment", "a", "argocd.argoproj.io/tracking-id=lake:apps/Deployment:x/a")
    one(kube, command=["more"])
    failed = kube.up(check=False)
    assert failed.code == 1 and "belongs to Argo CD" in failed.err and "render" in failed.err, failed


def test_drift_is_planned_and_mended(kube):
    one(kube)
    kube.up()
    kube.cluster.kubectl("-n", kube.namespace, "patch", "service", "a", "-p", '{"spec":{"publishNotReadyAddresses":false}}')
    plan = kube("plan", "-h", "-f", "default").out
    assert "Service a was changed in the cluster: spec.publishNotReadyAddresses" in plan, plan
    kube.up()
    assert "nothing to do" in kube("plan", "-h", "-f", "default").out
    kube.cluster.kubectl("-n", kube.namespace, "delete", "service", "a")
    assert "Service a was changed in the cluster: it is gone" in kube("plan", "-h", "-f", "default").out
    kube.up()
    assert kube.cluster.kubectl("-n", kube.namespace, "get", "service", "a", "-o", "name").strip() == "service/a"


# ---- the cluster itself; only where it is ours ----
def test_the_api_server_dies_during_up(kube):
    if not kube.cluster.ours:
        pytest.skip("the cluster is somebody else's: its API server is not killed")
    kube.component("a", mode="ok", command=[])
    kube.component("b", requires=["a"])
    kube.flavour("a, b")
    process = kube.popen("up", "-h", "-f", "default", "--yes")
    conftest.wait_for(lambda: kube.cluster.kubectl("-n", kube.namespace, "get", "deployment", "a", "-o", "name", check=False).strip(), 60, "a to be there")
    os.kill(kube.cluster.pid("kube-apiserver"), signal.SIGKILL)
    time.sleep(2)
    folder = Path(os.environ.get("MILL_TEST_CLUSTER") or conftest.ROOT.parent / "shared" / "cluster")
    subprocess.run([str(folder / "up.sh")], env=os.environ | {"CLUSTER_HOME": str(kube.cluster.run_folder.parent), "LOCAL_PVS": "60"}, capture_output=True, timeout=300)
    said = process.communicate(timeout=600)[0]
    if process.returncode:  # a call fell into the gap: the same command goes on
        assert "API server does not answer" in said, said
        kube.up()
    assert {s["state"] for s in kube.status().values()} == {"ready"}


def test_a_kubelet_that_is_stopped(kube):
    if not kube.cluster.ours:
        pytest.skip("the cluster is somebody else's: its kubelet is not stopped")
    one(kube)
    kube.env["DATA_MILL_KUBE_WAIT"] = "8s"
    pid = kube.cluster.pid("kubelet")
    os.kill(pid, signal.SIGSTOP)
    try:
        failed = kube.up(check=False, code=1)
        assert "kubelet does not answer" in failed.err and "describe node" in failed.err, failed
    finally:
        os.kill(pid, signal.SIGCONT)
    del kube.env["DATA_MILL_KUBE_WAIT"]
    kube.up()
    assert kube.status()["a.server"]["state"] == "ready"
