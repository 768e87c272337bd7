"""`data-mill cluster`: every driver against a stand-in of its vendor's command line (tests/cluster/fakes), and the
kubeconfig driver against a real cluster where MILL_TEST_KUBECONFIG names one."""

import base64
import hashlib
import http.server
import importlib.util
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from pathlib import Path

import pytest
import yaml
from conftest import IS_ROOT, ROOT, Mill

FAKES = ROOT / "tests" / "cluster" / "fakes"
SUDO = "" if IS_ROOT else "sudo "

spec = importlib.util.spec_from_file_location("launcher", FAKES / "launcher.py")
launcher = importlib.util.module_from_spec(spec)
spec.loader.exec_module(launcher)

# provider -> location, its section with every key that it uses, its tools, its name, its context
TARGETS = {
    "minikube": ("l", {"provider": "minikube", "vm_driver": "docker", "cpus": 4, "memory": 8192, "storage": "60Gi", "kubernetes_version": "1.34.1",
                       "images": {"registry": "192.168.49.1:5000"}}, ["minikube", "docker"], "data-mill", "data-mill"),
    "kind": ("l", {"provider": "kind", "kubernetes_version": "1.34.0", "images": {"registry": "172.18.0.1:5000"}}, ["kind", "docker"],
             "data-mill", "kind-data-mill"),
    "k3d": ("l", {"provider": "k3d", "memory": 8192, "kubernetes_version": "1.34.1", "gpu_support": True, "images": {"registry": "localhost:5000"}},
            ["k3d", "docker"], "data-mill", "k3d-data-mill"),
    "microk8s": ("l", {"provider": "microk8s", "kubernetes_version": "1.34"}, ["snap"], "microk8s", "microk8s"),
    "multipass": ("l", {"provider": "microk8s", "use_multipass": True, "cpus": 4, "memory": 8192, "storage": "60Gi", "istio_support": True},
                  ["snap"], "data-mill", "microk8s"),
    "aws": ("r", {"provider": "aws", "cluster_name": "data-mill.k8s.local", "bucket_name": "data-mill-state", "region": "eu-central-1",
                  "zones": ["eu-central-1a", "eu-central-1b"], "no_nodes": 3, "node_size": "m5.xlarge", "storage": "80Gi", "kubernetes_version": "1.34.1"},
            ["kops", "aws"], "data-mill.k8s.local", "data-mill.k8s.local"),
    "gke": ("r", {"provider": "gke", "cluster_name": "data-mill", "region": "europe-west3", "zones": "europe-west3-a", "no_nodes": 3,
                  "node_size": "e2-standard-4", "storage": "80Gi", "project": "p", "kubernetes_version": "1.34"},
            ["gcloud", "gke-gcloud-auth-plugin"], "data-mill", "gke_p_europe-west3-a_data-mill"),
}  # fmt: skip
STATE_OF = {"aws": "kops", "gke": "gcloud", "microk8s": "microk8s"}  # where a fake keeps a provider's clusters


class Vendor:
    """A folder with the stand-ins of some tools, alone on PATH, and a program in a home of its own."""

    def __init__(self, folder, provider=None, tools=None, **changes):
        self.folder, self.provider = Path(folder) / "vendor", provider
        self.folder.mkdir()
        self.mill = Mill(tempfile.mkdtemp(prefix="mill-"), shared_store=False)  # installers run as another user

        location, section, own, self.name, self.context = TARGETS.get(provider, ("l", {}, [], "", ""))
        for tool in [*(own if tools is None else tools), "kubectl", *([] if IS_ROOT else ["sudo"])]:
            launcher.write(tool, self.folder)
        self.target = Path(folder) / "target.yaml"
        self.flags = [f"-{location}", "-t", str(self.target)]
        self.set_target(location, {k: v for k, v in (section | changes).items() if v is not None})

    def set_target(self, location, section):
        self.target.write_text(json.dumps({{"l": "local", "r": "remote", "h": "hybrid"}[location]: section}))  # JSON is YAML

    def __call__(self, verb, *more, **kw):
        kw["env"] = {"PATH": str(self.folder / "bin")} | kw.get("env", {})
        result = self.mill.run("cluster", verb, *self.flags, *more, **kw)
        assert not (self.folder / "undocumented").exists(), (self.folder / "undocumented").read_text() + repr(result)
        assert not (self.mill.home / ".kube").exists(), "the person's own kubeconfig was touched"
        return result

    def status(self):
        return self("status", "--json").json

    @property
    def log(self):
        path = self.folder / "log.jsonl"
        return [[e["tool"], *e["argv"]] for e in map(json.loads, path.read_text().splitlines())] if path.exists() else []

    def ran(self, *words):
        """The command lines that begin so."""
        return [e for e in self.log if e[: len(words)] == list(words)]

    @property
    def state(self):
        return json.loads((self.folder / "state.json").read_text())[STATE_OF.get(self.provider, self.provider)]

    def preset(self, state):
        (self.folder / "state.json").write_text(json.dumps(state))

    def fail(self, command, stderr, code=1, **more):
        (self.folder / "fail.json").write_text(json.dumps([{"command": command, "stderr": stderr, "code": code} | more]))

    @property
    def record(self):
        return self.mill.home / "mill" / "state" / "clusters" / f"{self.provider}.{self.name}"


@pytest.fixture
def vendor(tmp_path):
    made = []

    def make(provider=None, **kw):
        made.append(Vendor(tmp_path, provider, **kw))
        return made[-1]

    yield make
    for v in made:
        v.mill.clean()


# ---- the life of a cluster ----
@pytest.mark.parametrize("provider", TARGETS)
def test_life(vendor, provider):
    v = vendor(provider)
    assert v.status()["state"] == "absent"
    r = v("kubeconfig", "--check", code=1)
    assert "is absent" in r.err or "is not on PATH" in r.err
    assert "data-mill cluster create -" in r.err or "next: " in r.err

    r = v("create", "--yes")
    assert r.err.rstrip().endswith("runs")
    s = v.status()
    assert (s["state"], s["version"], s["made_by_data_mill"]) == ("running", "v1.34.1", True)

    r = v("kubeconfig", "--check", "--json")
    kubeconfig = Path(r.json["kubeconfig"])
    assert r.json["context"] == v.context and kubeconfig == v.record / "kubeconfig"
    assert stat.S_IMODE(kubeconfig.stat().st_mode) == 0o600 and stat.S_IMODE(kubeconfig.parent.stat().st_mode) == 0o700
    kubeconfig.unlink()
    assert v("kubeconfig").out.strip() == str(kubeconfig) and kubeconfig.exists()

    before = len(v.log)
    assert "already runs" in v("create", "--yes").err
    assert "already runs" in v("start").err
    assert not [e for e in v.log[before:] if {"create", "launch"} & set(e)]

    v("stop")
    assert v.status()["state"] == "stopped"
    r = v("kubeconfig", "--check", code=1)
    assert "is stopped" in r.err and "data-mill cluster start -" in r.err and str(v.target) in r.err
    assert "already stopped" in v("stop").err
    v("start")
    assert v.status()["state"] == "running"

    v("delete", "--yes")
    assert v.status()["state"] == "absent" and not v.record.exists()
    assert "does not exist" in v("delete", "--yes").err
    assert v("start", code=1).err.count("data-mill cluster create") == 1 or provider in ("microk8s",)


def flags(argv):
    return {w for w in argv if w.startswith("-")}


def test_every_key_of_the_target_is_used(vendor, tmp_path):
    """What the vendor is told, key by key."""
    for i, provider in enumerate(TARGETS):
        folder = tmp_path / str(i)
        folder.mkdir()
        v = Vendor(folder, provider)
        v("create", "--yes")
        if provider == "minikube":
            [start] = v.ran("minikube", "start")
            assert {"--profile=data-mill", "--driver=docker", "--cpus=4", "--memory=8192m", "--disk-size=61440m", "--kubernetes-version=1.34.1",
                    "--insecure-registry=192.168.49.1:5000", "--interactive=false"} <= flags(start)  # fmt: skip
        if provider == "kind":
            [create] = v.ran("kind", "create", "cluster")
            assert "--image=kindest/node:v1.34.0" in create
            assert "/etc/containerd/certs.d" in v.state["data-mill"]["config"]
            hosts = tomllib.loads((v.record / "certs.d" / "172.18.0.1:5000" / "hosts.toml").read_text())
            assert hosts == {"server": "http://172.18.0.1:5000", "host": {"http://172.18.0.1:5000": {"capabilities": ["pull", "resolve"]}}}
        if provider == "k3d":
            [create] = v.ran("k3d", "cluster", "create")
            assert {"--servers-memory=8192m", "--image=rancher/k3s:v1.34.1-k3s1", "--gpus=all", "--kubeconfig-update-default=false"} <= flags(create)
            assert "host.k3d.internal:5000" in v.state["data-mill"]["registries"]  # what localhost is, seen from its containers
        if provider == "microk8s":
            assert v.ran("snap", "install")[0][3:] == ["--classic", "--channel=1.34/stable"] or v.ran("snap", "install")[0][2:] == ["microk8s", "--classic", "--channel=1.34/stable"]
            assert v.state["here"]["enabled"] == ["dns", "hostpath-storage"]
        if provider == "multipass":
            m = v.state["data-mill"]
            assert (m["cpus"], m["memory"], m["disk"], m["image"]) == ("4", "8192M", "61440M", "24.04")
            assert m["microk8s"]["enabled"] == ["dns", "hostpath-storage", "community", "istio"]
        if provider == "aws":
            [create] = v.ran("kops", "create", "cluster")
            assert {"--name=data-mill.k8s.local", "--state=s3://data-mill-state", "--cloud=aws", "--zones=eu-central-1a,eu-central-1b", "--node-count=3",
                    "--node-size=m5.xlarge", "--control-plane-zones=eu-central-1a", "--node-volume-size=80", "--kubernetes-version=1.34.1"} <= flags(create)  # fmt: skip
            aws = json.loads((v.folder / "state.json").read_text())["aws"]["data-mill-state"]
            assert aws == {"region": "eu-central-1", "versioning": "Status=Enabled"}
            assert "--wait=20m" in v.ran("kops", "validate", "cluster")[0]
        if provider == "gke":
            [create] = v.ran("gcloud", "container", "clusters", "create")
            assert {"--location=europe-west3-a", "--num-nodes=3", "--machine-type=e2-standard-4", "--disk-size=80GB", "--cluster-version=1.34",
                    "--project=p", "--quiet"} <= flags(create)  # fmt: skip
        v.mill.clean()


def test_registry_of_this_machine(vendor, tmp_path):
    """Without `images` it is the one of `data-mill registry start`; a registry with TLS of its own needs no word."""
    v = vendor("kind", images=None)
    v("create")
    text = (v.record / "certs.d" / "127.0.0.1:5000" / "hosts.toml").read_text()
    assert 'host."http://172.17.0.1:5000"' in text
    v("delete", "--yes")
    v.set_target("l", {"provider": "kind", "images": {"registry": "ghcr.io/team"}})
    v("create")
    assert not (v.record / "certs.d").exists() and "certs.d" not in v.state["data-mill"]["config"]


def test_minikube_has_other_drivers(vendor):
    v = vendor("minikube", tools=["minikube"], vm_driver="kvm2", gpu_support=True, istio_support=True)
    v("create")
    assert {"--driver=kvm2", "--kvm-gpu"} <= flags(v.ran("minikube", "start")[0]) and "--gpus=all" not in v.ran("minikube", "start")[0]
    assert v.state["data-mill"]["addons"] == ["istio-provisioner", "istio", "nvidia-device-plugin", "nvidia-driver-installer"]
    # started again it keeps what it was made with
    v("stop")
    v("start")
    assert not [f for f in flags(v.ran("minikube", "start")[1]) if f.startswith(("--driver", "--cpus", "--memory"))]


def test_minikube_needs_its_engine(vendor):
    v = vendor("minikube", tools=["minikube"])
    r = v("create", code=1)
    assert "vm_driver docker: docker is not on PATH" in r.err and not v.ran("minikube", "start")
    v.set_target("l", {"provider": "minikube", "vm_driver": "podman"})
    assert "vm_driver podman: podman is not on PATH" in v("create", code=1).err


def test_gke_in_several_zones(vendor):
    """--num-nodes counts each zone's: https://cloud.google.com/sdk/gcloud/reference/container/clusters/create"""
    v = vendor("gke", zones=["europe-west3-a", "europe-west3-b"], no_nodes=5)
    r = v("create", "--yes")
    [create] = v.ran("gcloud", "container", "clusters", "create")
    assert {"--location=europe-west3", "--node-locations=europe-west3-a,europe-west3-b", "--num-nodes=3"} <= flags(create)
    v("stop")
    assert v.state["data-mill"]["pools"]["default-pool"]["nodes"] == 0
    v("start")
    assert v.state["data-mill"]["pools"]["default-pool"]["nodes"] == 3
    assert r.code == 0


def test_kops_stop_and_start_keep_the_number_of_nodes(vendor):
    v = vendor("aws", gpu_support=True)
    v("create", "--yes")
    groups = lambda: {n: g["maxSize"] for n, g in v.state["data-mill.k8s.local"]["groups"].items()}  # noqa: E731
    made = {"control-plane-eu-central-1a": 1, "nodes-eu-central-1a": 2, "nodes-eu-central-1b": 1, "gpu-nodes": 1}
    assert groups() == made
    r = v("stop")
    assert "still cost" in r.err and groups() == {n: 1 if n.startswith("control") else 0 for n in made}
    v("start")
    assert groups() == made


# ---- what asks first ----
@pytest.mark.parametrize("provider, said", [
    ("aws", ["costs money", "3 x m5.xlarge in eu-central-1a,eu-central-1b", "1 control-plane machine", "calculator.aws"]),
    ("gke", ["costs money", "3 x e2-standard-4 in europe-west3-a", "management fee", "products/calculator"]),
])  # fmt: skip
def test_a_cloud_asks_before_it_costs(vendor, provider, said):
    v = vendor(provider)
    r = v("create", code=2)
    assert "not confirmed" in r.err and "nothing was changed" in r.err and all(s in r.err for s in said), r
    assert not [e for e in v.log if "create" in e or "create-bucket" in e], v.log
    assert not [w for w in r.err.split() if w.startswith(("$", "€"))], "no price is invented"
    v("create", "--yes")
    r = v("delete", code=2)
    assert "with everything on it" in r.err and v.status()["state"] == "running"


@pytest.mark.parametrize("provider, command", [
    ("microk8s", "snap install microk8s --classic --channel=1.34/stable"),
    ("multipass", "snap install multipass"),
])  # fmt: skip
def test_what_needs_root_is_shown_and_asked(vendor, provider, command):
    v = vendor(provider)
    r = v("create", code=2)
    assert SUDO + command in r.err and "add --yes" in r.err and not v.log
    v("create", "--yes")
    assert command.split() in [e for e in v.log if e[0] == "snap"]
    if provider == "microk8s":
        assert v("delete", code=2).err.count("Type") == 0
        v("delete", "--yes")
        assert ["snap", "remove", "microk8s", "--purge"] in v.log


def test_gcloud_comes_as_a_snap(vendor):
    v = vendor("gke", tools=["snap", "gke-gcloud-auth-plugin"])
    assert SUDO + "snap install google-cloud-cli --classic" in v("create", code=2).err
    v("create", "--yes")
    assert v.status()["state"] == "running"


def test_gke_wants_kubectls_plugin_before_it_costs(vendor):
    v = vendor("gke", tools=["gcloud"])
    r = v("create", "--yes", code=1)
    assert "gke-gcloud-auth-plugin is not on PATH" in r.err and "gcloud components install" in r.err
    assert not v.ran("gcloud", "container", "clusters", "create")


# ---- failures: who, why, what next ----
FAILURES = [
    # provider, command, what the tool says (its sources or reference), code, what we say, the next step
    ("minikube", "start", "X Exiting due to RSRC_OVER_ALLOC_MEM: Requested memory allocation 8192MB is more than your system limit 7000MB.", 23,
     "more memory is asked for than the machine has", "memory in the target file"),
    ("minikube", "start", 'X Exiting due to PROVIDER_DOCKER_NEWGRP: "docker version" exit status 1: permission denied while trying to connect to the '
     "Docker daemon socket at unix:///var/run/docker.sock", 67, "this user may not use docker's socket", "usermod -aG docker"),
    ("minikube", "start", "X Exiting due to DRV_AS_ROOT: The \"docker\" driver should not be used with root privileges.", 57, "refuses to run as root", "ordinary user"),
    ("minikube", "start", "X Exiting due to HOST_VIRT_UNAVAILABLE: Failed to start host: creating host: precreate: This computer doesn't have VT-X/AMD-v enabled.", 30,
     "cannot run virtual machines", "nested virtualisation"),
    ("kind", "create cluster", "ERROR: failed to create cluster: failed to list nodes: Cannot connect to the Docker daemon at unix:///var/run/docker.sock. "
     "Is the docker daemon running?", 1, "docker does not run", "systemctl start docker"),
    ("kind", "create cluster", 'ERROR: failed to create cluster: node(s) already exist for a cluster with the name "data-mill"', 1, "already there", "another name"),
    ("k3d", "cluster create", "FATA[0000] Failed to create cluster 'data-mill' because a cluster with that name already exists", 1, "already there", "another name"),
    ("multipass", "launch", "launch failed: KVM support is not enabled on this machine. Please ensure the following: ...", 2, "cannot run virtual machines", "VT-x"),
    ("multipass", "launch", "launch failed: timed out waiting for response", 2, "did not come up in time", "goes on from here"),
    ("aws", "create cluster", "Error: error determining default DNS zone: error querying zones: operation error Route 53: ListHostedZones, get identity: get credentials: "
     "failed to refresh cached credentials, no EC2 IMDS role found", 1, "there are no credentials", "aws configure"),
    ("aws", "update cluster", "error running task: VcpuLimitExceeded: You have requested more vCPU capacity than your current vCPU limit of 5 allows", 1,
     "quota of processors is used up", "service-quotas"),
    ("aws", "update cluster", "error: InvalidClientTokenId: The security token included in the request is invalid.", 1, "the access key is wrong", "aws configure"),
    ("aws", "update cluster", "error: ExpiredToken: The provided token has expired.", 1, "have expired", "sign in again"),
    ("aws", "validate cluster", "Error: wait time exceeded during validation", 1, "did not become valid in time", "waits again"),
    ("gke", "container clusters create", "ERROR: (gcloud.container.clusters.create) ResponseError: code=403, message=Insufficient regional quota to satisfy request: "
     "resource \"CPUS\": request requires '12.0' and is short '4.0'.", 1, "quota is used up", "Quotas"),
    ("gke", "container clusters create", "ERROR: (gcloud.container.clusters.create) You do not currently have an active account selected.", 1, "nobody is signed in",
     "gcloud auth login"),
    ("gke", "container clusters create", "ERROR: (gcloud.container.clusters.create) There was a problem refreshing your current auth tokens: Reauthentication failed.", 1,
     "has expired", "gcloud auth login"),
    ("gke", "container clusters create", "ERROR: (gcloud.container.clusters.create) ResponseError: code=403, message=Kubernetes Engine API has not been used in project 1 "
     "before or it is disabled.", 1, "API is off", "gcloud services enable"),
    ("gke", "container clusters create", "ERROR: (gcloud.container.clusters.create) ResponseError: code=409, message=Already exists: projects/p/locations/z/clusters/data-mill.",
     1, "already there", ""),
]  # fmt: skip


@pytest.mark.parametrize("provider, command, said, code, cause, step", FAILURES, ids=[f"{f[0]}-{f[4]}" for f in FAILURES])
def test_failures_name_tool_cause_and_step(vendor, provider, command, said, code, cause, step):
    v = vendor(provider)
    tool = {"aws": "kops", "gke": "gcloud"}.get(provider, provider)
    v.fail(f"{tool} {command}", said, code)
    r = v("create", "--yes", code=1)
    first = r.err[r.err.index("data-mill: ") :].splitlines()[0]
    assert first.startswith(f"data-mill: {tool} {command}: ") and cause in first and f"(exit code {code})" in first, r
    assert f"    | {said[:60]}" in r.err, "the tool's own words"
    assert step in r.err[r.err.index(first) :], r
    exists = "already there" in cause
    assert v.record.joinpath("cluster.json").exists() != exists, "somebody else's must never count as ours"
    assert ("goes on from here" in r.err) != exists
    # what was wrong is over: the same command goes on
    if not exists:
        v("create", "--yes")
        assert v.status()["state"] == "running"


def test_wrong_credentials_for_the_bucket(vendor):
    v = vendor("aws")
    v.fail("aws s3api head-bucket", "\nAn error occurred (403) when calling the HeadBucket operation: Forbidden", 254, times=9)
    r = v("create", "--yes", code=1)
    assert "aws s3api head-bucket: the bucket is somebody else's" in r.err and "another bucket_name" in r.err
    v.fail("aws s3api head-bucket", '\nUnable to locate credentials. You can configure credentials by running "aws configure".', 253, times=9)
    assert "there are no credentials" in v("status", code=1).err
    assert not [e for e in v.log if e[0] == "kops" and "create" in e]


def test_a_bucket_of_somebody_else(vendor):
    v = vendor("aws")
    v.fail("aws s3api create-bucket", "\nAn error occurred (BucketAlreadyExists) when calling the CreateBucket operation: The requested bucket name is not available.", 254)
    r = v("create", "--yes", code=1)
    assert "somebody else has a bucket of that name" in r.err and "another bucket_name" in r.err


HANGS = [("minikube", "minikube start"), ("kind", "kind create cluster"), ("multipass", "multipass launch"), ("aws", "kops update cluster"),
         ("gke", "gcloud container clusters create")]  # fmt: skip


@pytest.mark.parametrize("provider, command", HANGS)
def test_what_hangs_is_ended(vendor, provider, command):
    v = vendor(provider)
    v.fail(command, "", hang=600)
    r = v("create", "--yes", "--timeout", "2s", code=1, timeout=60)
    assert f"{command}: no end after 2s; it was stopped" in r.err and "still working ..." in r.err and "goes on from here" in r.err
    v("create", "--yes")
    assert v.status()["state"] == "running"


def test_a_question_that_hangs_is_no_answer(vendor):
    """Ctrl-C while the vendor works: exit code 130, and nothing of it is left behind."""
    v = vendor("gke")
    v.fail("gcloud container clusters create", "", hang=600)
    env = v.mill.env | {"PATH": str(v.folder / "bin")}
    v.mill.env = env
    p = v.mill.popen("cluster", "create", *v.flags, "--yes")
    deadline = time.monotonic() + 60
    while not v.ran("gcloud", "container", "clusters", "create"):
        assert time.monotonic() < deadline and p.poll() is None
        time.sleep(0.05)
    r = v("stop", code=1)
    assert "changes the GKE cluster 'data-mill' now; nothing was changed" in r.err and "(data-mill cluster)" in r.err
    p.send_signal(signal.SIGINT)
    out, _ = p.communicate(timeout=30)
    assert p.returncode == 130 and "goes on from here" in out, out
    v("create", "--yes")
    assert v.status()["state"] == "running"


# ---- half made ----
HALF = [
    # provider, command that fails, what it leaves, what it says, the state then, what is not done again
    ("minikube", "minikube start", {"host": "Running", "api": "Stopped", "driver": "docker"}, "X Exiting due to GUEST_START: failed to start node: wait 6m0s for node", None),
    ("kind", "kind create cluster", {"containers": "exited", "config": ""}, "ERROR: failed to create cluster: failed to init node with kubeadm", None),
    ("multipass", "multipass launch", {"state": "Stopped"}, "launch failed: timed out waiting for initialization to complete", ["multipass", "launch"]),
    ("aws", "kops update cluster", {}, "error running tasks: deadline exceeded executing task", ["kops", "create", "cluster"]),
]  # fmt: skip


@pytest.mark.parametrize("provider, command, left, said, once", HALF, ids=[h[0] for h in HALF])
def test_half_made_goes_on(vendor, provider, command, left, said, once):
    v = vendor(provider)
    v.fail(command, said, leave={v.name: left} if left else {})
    v("create", "--yes", code=1)
    s = v.status()
    assert s["state"] == "broken" and s["text"] and s["made_by_data_mill"], s
    r = v("kubeconfig", "--check", code=1)
    assert "is broken" in r.err and "data-mill cluster create -" in r.err
    v("create", "--yes")
    assert v.status()["state"] == "running"
    assert not once or len(v.ran(*once)) == 1
    # and what is half made can be removed as well
    v("delete", "--yes")
    assert v.status()["state"] == "absent"


def test_gke_cannot_mend_a_half_made_cluster(vendor):
    v = vendor("gke")
    v.fail("gcloud container clusters create", "ERROR: Operation finished with error", leave={"data-mill": {"status": "ERROR", "message": "All cluster resources were brought up, but: "
           "component kube-proxy is unhealthy", "pools": {}, "zones": 1}})  # fmt: skip
    v("create", "--yes", code=1)
    assert "kube-proxy is unhealthy" in v.status()["text"]
    r = v("create", "--yes", code=1)
    assert "cannot mend it" in r.err and "data-mill cluster delete -r" in r.err
    v("delete", "--yes")
    v("create", "--yes")


def test_gke_that_is_being_made_is_waited_for(vendor):
    v = vendor("gke")
    v.preset({"gcloud": {"data-mill": {"status": "PROVISIONING", "pools": {}, "zones": 1}}})
    assert v.status()["state"] == "starting"
    r = v("kubeconfig", "--check", code=1)
    assert "is starting" in r.err and "cluster status" in r.err
    r = v("create", "--yes", code=1)
    assert "data-mill did not make it" in r.err, "nor is it ours to go on with"
    v.preset({"gcloud": {}})
    v.fail("gcloud container clusters create", "", hang=600, leave={"data-mill": {"status": "PROVISIONING", "pools": {}, "zones": 1, "ready_after": 3}})
    v("create", "--yes", "--timeout", "2s", code=1)
    assert v.status()["state"] == "starting"
    assert "being made already; waiting" in v("create", "--yes").err or v.status()["state"] == "running"
    assert v.status()["state"] == "running" and len(v.ran("gcloud", "container", "clusters", "create")) == 1


# ---- somebody else's ----
def test_a_strangers_cluster_is_used_and_not_deleted(vendor):
    v = vendor("kind")
    v.preset({"kind": {"data-mill": {"containers": "running", "config": ""}}})
    r = v("create")
    assert "uses it as it is" in r.err and not v.ran("kind", "create")
    assert v.status()["made_by_data_mill"] is False
    r = v("delete", "--yes", code=2)
    assert "was not made by data-mill" in r.err and "--force" in r.err and v.status()["state"] == "running"
    v("delete", "--yes", "--force")
    assert v.status()["state"] == "absent"


def test_a_strangers_stopped_cluster_is_not_made_anew(vendor):
    v = vendor("k3d")
    v.preset({"k3d": {"data-mill": {"running": 0}}})
    r = v("create", code=1)
    assert "already exists (stopped), and data-mill did not make it" in r.err and "cluster_name" in r.err and not v.ran("k3d", "cluster", "create")
    v("start")
    assert v.status()["state"] == "running"


def test_deleted_behind_our_back(vendor):
    v = vendor("kind")
    v("create")
    v.preset({"kind": {}})
    assert v.status()["state"] == "absent"
    assert "is absent" in v("kubeconfig", "--check", code=1).err
    v("create")
    assert v.status()["state"] == "running"


# ---- versions, and the store ----
def old(v, tool, says):
    path = v.folder / "bin" / tool
    path.write_text(f"#!{sys.executable}\nprint({says!r})\n")


def test_versions_are_checked(vendor):
    v = vendor("gke")
    old(v, "gcloud", "Google Cloud SDK 300.0.0")
    r = v("create", "--yes", code=1)
    assert "gcloud is version 300.0.0; 450.0 or newer is needed" in r.err and "next: https://cloud.google.com/sdk/docs/install" in r.err


def serve(folder):
    handler = type("H", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *a: None})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), lambda *a, **k: handler(*a, directory=str(folder), **k))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def project_with_kind(v, tmp_path, sha256, url):
    project = tmp_path / "project"
    (project / "flavours").mkdir(parents=True, exist_ok=True)
    tool = project / "k8s" / "tools" / "kind"
    tool.mkdir(parents=True, exist_ok=True)
    step = {"kind": "download", "url": url, "sha256": sha256, "unpack": False, "binary": "kind"}
    (tool / "recipe.json").write_text(json.dumps({"name": "kind", "version": "0.31.0", "steps": [step]}))
    return project


@pytest.mark.parametrize("present", ["absent", "too old"])
def test_a_missing_tool_is_installed_by_its_checksum(vendor, tmp_path, present):
    v = vendor("kind")
    program = v.folder / "bin" / "kind"
    web = tmp_path / "web"
    web.mkdir()
    shutil.move(program, web / "kind")
    if present == "too old":
        old(v, "kind", "kind v0.9.0 go1.15.2 linux/amd64")
        program.chmod(0o755)
    server = serve(web)
    url = f"http://127.0.0.1:{server.server_port}/kind"
    digest = hashlib.sha256((web / "kind").read_bytes()).hexdigest()
    arch = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]

    project = project_with_kind(v, tmp_path, {arch: "0" * 64}, url)
    r = v("create", code=1, cwd=project)
    assert "kind" in r.err and "checksum" in r.err.lower(), r
    project_with_kind(v, tmp_path, {}, url)
    r = v("create", code=1, cwd=project)
    assert f"has no SHA-256 for {arch}: nothing was fetched" in r.err and "write the vendor's SHA-256" in r.err
    project_with_kind(v, tmp_path, {arch: digest}, url)
    r = v("create", cwd=project)
    assert "installing kind 0.31.0 into the store" in r.err
    assert v("status", "--json", cwd=project).json["state"] == "running"
    server.shutdown()
    assert "installing" not in v("stop", cwd=project).err, "once is enough"
    [entry] = [e for e in v.mill("store", "list", "--json").json if e["name"] == "kind"]
    assert entry["state"] == "in use"
    v.mill("store", "gc", "--yes")
    assert "installing" not in v("start", cwd=project).err


def test_recipes_carry_checksums_or_refuse():
    """One for each tool that the store may hold; kops' could not be compared with the vendor's, and says so."""
    found = {p.parent.name: json.loads(p.read_text()) for p in (ROOT / "k8s" / "tools").glob("*/recipe.json")}
    assert set(found) == {"kubectl", "helm", "minikube", "kind", "k3d", "kops"}
    for name, recipe in found.items():
        [step] = recipe["steps"]
        assert step["url"].startswith("https://") and recipe["version"] in step["url"]
        sums = step["sha256"]
        assert (set(sums) == set()) if name == "kops" else (set(sums) == {"amd64", "arm64"} and all(len(s) == 64 for s in sums.values())), name


# ---- GPU ----
def test_gpu(vendor, tmp_path):
    plans = {}
    for i, provider in enumerate(TARGETS):
        (tmp_path / str(i)).mkdir()
        v = Vendor(tmp_path / str(i), provider)
        r = v("gpu", "--dry-run", "--json", code=1 if provider in ("kind", "multipass") else 0)
        plans[provider] = (r.json["device_plugin"], r.json["at_creation"])
        assert len(r.json["text"]) > 60 and not v.log
        v.mill.clean()
    assert plans == {"minikube": ("vendor", True), "kind": ("none", False), "k3d": ("layer", True), "microk8s": ("vendor", False),
                     "multipass": ("none", False), "aws": ("vendor", False), "gke": ("vendor", False)}  # fmt: skip


@pytest.mark.parametrize("provider", ["microk8s", "aws", "gke", "minikube"])
def test_gpu_is_enabled_on_a_cluster_that_runs(vendor, provider):
    v = vendor(provider)
    assert "does not exist" in v("gpu", "--yes", code=1).err
    v("create", "--yes")
    r = v("gpu", "--yes")
    if provider == "microk8s":
        assert v.state["here"]["enabled"][-1] == "nvidia"
    elif provider == "minikube":
        assert v.state["data-mill"]["addons"] == ["nvidia-device-plugin"]
    elif provider == "aws":
        c = v.state["data-mill.k8s.local"]
        assert c["set"] == ["spec.containerd.nvidiaGPU.enabled=true"]
        assert c["groups"]["gpu-nodes"] == {"role": "Node", "minSize": 1, "maxSize": 1, "subnet": "eu-central-1a", "machineType": "g4dn.xlarge"}
    else:
        assert v.state["data-mill"]["pools"]["gpu"]["accelerator"] == "type=nvidia-tesla-t4,count=1,gpu-driver-version=default"
    assert r.out.strip()
    if provider in ("aws", "gke"):
        assert "cost money" in v("gpu", code=2).err


# ---- targets ----
def test_shipped_targets(vendor):
    """Each loads at each of its locations, and so does the original's."""
    v = vendor("kind")
    for path in sorted((ROOT / "k8s" / "configs").glob("*.yaml")):
        for section in v.mill("target", "show", path.stem, "--json").json.keys() & {"local", "remote", "hybrid"}:
            if path.stem == "native" or section == "hybrid":
                continue
            r = v.mill.run("cluster", "status", f"-{section[0]}", "-t", path.stem, "--json", env={"PATH": str(v.folder / "bin")})
            assert r.json["state"] == "absent", (path, r)


def test_the_originals_keys(vendor):
    v = vendor("minikube")
    v.set_target("l", {"provider": "minikube", "cpus": 2, "memory": 4096, "storage": "20G", "gpu_support": False, "use_overlay": "true", "vm_driver": "docker",
                       "use_multipass": False, "istio_support": False})  # fmt: skip
    r = v("create")
    assert "'use_overlay' no longer means anything" in r.err
    assert {"--cpus=2", "--memory=4096m", "--disk-size=19073m"} <= flags(v.ran("minikube", "start")[0])


def test_mistakes_change_nothing(vendor):
    v = vendor("aws", zones=None)
    assert "`zones` is missing" in v("create", "--yes", code=2).err
    v.set_target("r", {"provider": "aws", "cluster_name": "plain", "bucket_name": "data-mill-state", "zones": "eu-central-1a", "node_size": "m5.xlarge"})
    r = v("create", "--yes", code=2)
    assert "target.yaml:1:" in r.err and "is not a DNS name" in r.err and "^" in r.err
    v.set_target("r", {"provider": "gke", "zones": ["europe-west3-a", "europe-west3-b"], "node_size": "e2-standard-4"})
    assert "need the `region`" in v("create", "--yes", code=2).err
    assert "no such file" in v.mill.run("cluster", "status", "-t", "./nope.yaml", code=2).err
    assert "belongs to the hybrid location" in v.mill.run("cluster", "status", "-l", "--kubeconfig", "x", code=2).err
    assert "without Kubernetes" in v.mill.run("cluster", "create", code=2).err
    assert not v.log


# ---- an existing cluster ----
def hybrid(v, text, **section):
    path = v.folder / "kube config.yaml"
    path.write_text(text)
    v.flags = ["-h", "-t", str(v.target)]
    v.set_target("h", {"config": str(path)} | section)
    return path


CONTEXTS = (
    "apiVersion: v1\nkind: Config\ncurrent-context: one\nclusters: [{name: c, cluster: {server: 'https://127.0.0.1/kind/data-mill'}}]\n"
    "contexts: [{name: one, context: {cluster: c}}, {name: two, context: {cluster: c}}]\nusers: []\n"
)


def test_kubeconfig_of_somebody(vendor):
    v = vendor("kind")
    path = hybrid(v, CONTEXTS)
    v.preset({"kind": {"data-mill": {"containers": "running", "config": ""}}})
    before = path.stat().st_mtime_ns
    assert v.status()["state"] == "running"
    assert v("kubeconfig", "--check", "--json").json == {"kubeconfig": str(path), "context": "one"}
    for verb in ("create", "start", "stop", "delete"):
        r = v(verb, "--yes", code=2)
        assert "belongs to whoever made it; nothing was changed" in r.err
    v.preset({"kind": {"data-mill": {"containers": "exited", "config": ""}}})
    s = v.status()
    assert s["state"] == "broken" and "nothing listens" in s["text"]
    r = v("kubeconfig", "--check", code=1)
    assert "does not answer: nothing listens at its address" in r.err and "| The connection to the server" in r.err
    hybrid(v, CONTEXTS, context="three")
    r = v("status", code=2)
    assert "has no context 'three'" in r.err and "there are: one, two" in r.err
    hybrid(v, "clusters: [\n")
    assert "not a kubeconfig" in v("status", code=2).err
    hybrid(v, "hello: world\n")
    assert "it has no list of clusters" in v("status", code=2).err
    path.unlink()
    assert "no such kubeconfig" in v("status", code=2).err
    assert before


def test_home_is_expanded_and_the_command_line_wins(vendor):
    v = vendor("kind")
    other = hybrid(v, CONTEXTS)
    (v.mill.home / "k").write_text(CONTEXTS.replace("current-context: one", "current-context: two"))
    v.set_target("h", {"config": "~/k"})
    assert v("kubeconfig", "--json").json == {"kubeconfig": str(v.mill.home / "k"), "context": "two"}
    assert v("kubeconfig", "--json", "--kubeconfig", other).json["context"] == "one"
    v.set_target("h", {})
    assert v("kubeconfig", "--json", env={"KUBECONFIG": f"{other}:/nope"}).json["kubeconfig"] == str(other)


REFUSALS = [
    ("error: You must be logged in to the server (Unauthorized)", "credentials in the kubeconfig are wrong or have expired"),
    ("Unable to connect to the server: tls: failed to verify certificate: x509: certificate has expired or is not yet valid", "certificate has expired"),
    ("Unable to connect to the server: tls: failed to verify certificate: x509: certificate signed by unknown authority", "another cluster"),
    ("Unable to connect to the server: dial tcp: lookup api.example on 127.0.0.53:53: no such host", "name is not known"),
    ("Unable to connect to the server: net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)", "not answer in time"),
    ("Unable to connect to the server: getting credentials: exec: executable gke-gcloud-auth-plugin not found", "gke-gcloud-auth-plugin is missing"),
]  # fmt: skip


@pytest.mark.parametrize("said, cause", REFUSALS)
def test_why_it_does_not_answer(vendor, said, cause):
    v = vendor("kind")
    hybrid(v, CONTEXTS)
    v.fail("kubectl get", said, times=9)
    r = v("kubeconfig", "--check", code=1)
    assert cause in r.err.splitlines()[0] and f"    | {said}" in r.err
    # it knows us and says no: it is there
    v.fail("kubectl get", 'Error from server (Forbidden): forbidden: User "x" cannot get path "/readyz"', times=9)
    v("kubeconfig", "--check")


def test_kubectl_is_needed(vendor):
    v = vendor("kind")
    hybrid(v, CONTEXTS)
    (v.folder / "bin" / "kubectl").unlink()
    r = v("status", code=1, env={"HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"})
    assert "kubectl is not on PATH; installing it" in r.err


@pytest.mark.skipif(not os.environ.get("MILL_TEST_KUBECONFIG"), reason="MILL_TEST_KUBECONFIG names no cluster")
def test_a_real_cluster(vendor, tmp_path):
    real = os.environ["MILL_TEST_KUBECONFIG"]
    v = vendor("kind", tools=[])
    v.flags = ["-h", "--kubeconfig", real]
    path = {"PATH": os.environ["PATH"]}
    assert shutil.which("kubectl"), "kubectl must be on PATH"
    s = v("status", "--json", env=path).json
    assert s["state"] == "running" and s["version"].startswith("v1.")
    r = v("kubeconfig", "--check", "--json", env=path).json
    assert r["kubeconfig"] == os.path.abspath(real) and r["context"]
    # what a real API server, a real kubectl and the network say to a kubeconfig that is wrong
    config = yaml.safe_load(Path(real).read_text())
    server = config["clusters"][0]["cluster"]["server"]
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    other = subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", tmp_path / "key", "-subj", "/CN=other", "-days", "2"],
                           capture_output=True, check=True).stdout  # fmt: skip
    for change, cause in [
        (lambda: cluster.update(server="https://127.0.0.1:9"), "nothing listens at its address"),
        (lambda: cluster.update(server="https://nowhere.invalid:6443"), "its name is not known here"),
        (lambda: (cluster.clear(), cluster.update({"certificate-authority-data": base64.b64encode(other).decode(), "server": server})), "its certificate is not the one"),
        (lambda: (user.clear(), user.update(token="nonsense")), "credentials in the kubeconfig are wrong or have expired"),
    ]:
        config = yaml.safe_load(Path(real).read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        change()
        bad = tmp_path / "bad.yaml"
        bad.write_text(yaml.safe_dump(config))
        v.flags = ["-h", "--kubeconfig", str(bad)]
        r = v("kubeconfig", "--check", code=1, env=path)
        assert cause in r.err, r
        assert v("status", "--json", env=path).json["state"] == "broken"
