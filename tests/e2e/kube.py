"""A real cluster and a registry for the tests that want them.

MILL_TEST_KUBECONFIG   a cluster that exists: the tests make namespaces of their own in it
MILL_TEST_CLUSTER      a folder with up.sh and down.sh of a one-node cluster (default: ../shared/cluster beside the checkout); needs root
MILL_TEST_REGISTRY     a registry that the cluster pulls from and that we may push to; else one is started here

Without any of them the tests that ask for `cluster` are skipped, and say why.
"""

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

import conftest
import pytest
from tiny import Tiny

# names that come and go by themselves
FLEETING = {"events", "events.events.k8s.io", "leases.coordination.k8s.io", "endpoints", "endpointslices.discovery.k8s.io"}


class Cluster:
    def __init__(self, kubeconfig, path="", run=None):
        self.kubeconfig, self.run_folder = str(kubeconfig), run
        self.env = os.environ | {"KUBECONFIG": self.kubeconfig, "PATH": f"{path}:{os.environ['PATH']}" if path else os.environ["PATH"]}

    @property
    def ours(self):
        """We started it: its processes may be killed."""
        return self.run_folder is not None

    def kubectl(self, *args, check=True, input=None):
        done = subprocess.run(["kubectl", *map(str, args)], env=self.env, capture_output=True, text=True, input=input, timeout=300)
        assert not check or done.returncode == 0, f"kubectl {' '.join(map(str, args))}\n{done.stdout}{done.stderr}"
        return done.stdout

    def json(self, *args):
        text = self.kubectl(*args, "-o", "json")
        return json.loads(text) if text.strip() else None

    def helm(self, *args, check=True):
        done = subprocess.run(["helm", *map(str, args)], env=self.env, capture_output=True, text=True, timeout=300)
        assert not check or done.returncode == 0, f"helm {args}\n{done.stderr}"
        return done.stdout

    def names(self):
        """The names of every listable resource type, but those that come and go by themselves."""
        kinds = sorted(set(self.kubectl("api-resources", "--verbs=list", "-o", "name").split()) - FLEETING)
        lines = self.kubectl("get", ",".join(kinds), "-A", "--ignore-not-found", "-o", "custom-columns=K:.kind,NS:.metadata.namespace,N:.metadata.name", "--no-headers")
        return {" ".join(line.split()) for line in lines.splitlines()}

    def pid(self, name):
        return int((self.run_folder / "pids" / name).read_text())


def bring_up():
    folder = Path(os.environ.get("MILL_TEST_CLUSTER") or conftest.ROOT.parent / "shared" / "cluster")
    if not (folder / "up.sh").exists():
        pytest.skip("no cluster: MILL_TEST_KUBECONFIG names none, and there is no script that makes one (MILL_TEST_CLUSTER)")
    if not conftest.IS_ROOT:
        pytest.skip("no cluster: MILL_TEST_KUBECONFIG names none, and making one needs root")
    home = conftest.TEST_HOME / "cluster"
    env = os.environ | {"CLUSTER_HOME": str(home), "LOCAL_PVS": "60"}
    done = subprocess.run([str(folder / "up.sh")], env=env, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        pytest.skip(f"no cluster: {folder}/up.sh failed here: {done.stderr[-400:]}")
    found = Cluster(home / "run" / "admin.kubeconfig", path=str(home / "bin"), run=home / "run")
    # its own pods are made after it says that it is up: what is compared later must not see them come
    conftest.wait_for(lambda: found.kubectl("-n", "kube-system", "get", "pods", "-o", "name").strip(), 120, "the cluster's own pods")
    found.kubectl("-n", "kube-system", "wait", "--for=condition=Ready", "pods", "--all", "--timeout=120s")
    return folder, env, found


@pytest.fixture(scope="session")
def cluster():
    given = os.environ.get("MILL_TEST_KUBECONFIG")
    if given:
        yield Cluster(given)
        return
    folder, env, found = bring_up()
    yield found
    subprocess.run([str(folder / "down.sh"), "-p"], env=env, capture_output=True, timeout=300)


def answers(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="session")
def registry():
    given = os.environ.get("MILL_TEST_REGISTRY")
    if given:
        yield given
        return
    if not shutil.which("docker-registry") or not shutil.which("skopeo"):
        pytest.skip("no registry: neither MILL_TEST_REGISTRY nor the programs docker-registry and skopeo are here")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="registry-"))
    (folder / "config.yml").write_text(
        f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {folder}/data}}, delete: {{enabled: true}}}}\nhttp: {{addr: 127.0.0.1:{port}}}\n"
    )
    process = subprocess.Popen(["docker-registry", "serve", str(folder / "config.yml")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    conftest.wait_for(lambda: answers(port), 20, "the registry")
    yield f"127.0.0.1:{port}"
    process.terminate()
    process.wait()
    shutil.rmtree(folder, ignore_errors=True)


class KubeTiny(Tiny):
    """Tiny components in a namespace of a cluster."""

    def __init__(self, folder, cluster, registry):
        super().__init__(folder)
        self.cluster, self.registry = cluster, registry
        self.namespace = f"mill-{uuid.uuid4().hex[:8]}"
        self.env["PATH"] = cluster.env["PATH"]
        self.env["DATA_MILL_IMAGE_STORE"] = str(conftest.TEST_HOME / "images" / "store")
        self.env["DATA_MILL_STORE"] = str(conftest.TEST_HOME / "store")
        self.env["DATA_MILL_CACHE"] = str(conftest.TEST_HOME / "cache")

    def flavour(self, components, name="default", project=None, kubeconfig=None, **blocks):
        path = super().flavour(components, name, self.namespace, project, **blocks)
        text = json.loads(path.read_text())
        text["hybrid"] = {"config": str(kubeconfig or self.cluster.kubeconfig), "images": {"registry": self.registry}}
        path.write_text(json.dumps(text, indent=1))
        return path

    def component(self, name, *args, **more):
        more.setdefault("targets", ["native", "kubernetes"])
        return super().component(name, *args, **more)

    def up(self, *args, **kw):
        return self("up", "-h", "-f", "default", "--yes", *args, **kw)

    def here(self, *args, **kw):
        """A command that works from the record."""
        return self(*args, "--platform", self.namespace, **kw)

    def status(self):
        components = self.here("status", "--json", "-q").json["components"]
        return {s["id"]: s for c in components for s in c["services"]}

    def pods(self):
        """workload's service -> uid of its pod."""
        items = self.cluster.json("-n", self.namespace, "get", "pods", "-l", "data-mill.io/service")["items"]
        return {f"{p['metadata']['labels']['data-mill.io/component']}": p["metadata"]["uid"] for p in items if "deletionTimestamp" not in p["metadata"]}

    def clean(self):
        self.cluster.kubectl("delete", "namespace", self.namespace, "--ignore-not-found", "--wait=false", check=False)
        shutil.rmtree(self.home, ignore_errors=True)
        shutil.rmtree(self.project, ignore_errors=True)


@pytest.fixture
def kube(cluster, registry):
    folder = tempfile.mkdtemp(prefix="kube-")
    t = KubeTiny(folder, cluster, registry)
    yield t
    t.clean()
    shutil.rmtree(folder, ignore_errors=True)
