"""The explorative flavour on a real cluster, with the real servers and the smoke tests that it has natively (MILL_TEST_LONG=1).

The tests of this file share one platform and build on each other.
"""

import os
import tempfile
import time
import uuid
from pathlib import Path

import conftest
import kube as kube_fixtures
import pytest
import yaml
from conftest import ROOT, TEST_HOME, Mill, wait_for

cluster, registry = kube_fixtures.cluster, kube_fixtures.registry
pytestmark = [
    pytest.mark.skipif(os.environ.get("MILL_TEST_LONG") != "1", reason="takes a quarter of an hour: MILL_TEST_LONG=1"),
    pytest.mark.timeout(3000),
]
# a person's server: the hub's API as its smoke test speaks it, from inside
SPAWN = """
import json, sys, time, urllib.error, urllib.request
token, (user, picked) = sys.stdin.read().strip(), sys.argv[1:]
def call(method, path="", body=None):
    data = None if method == "GET" else json.dumps(body).encode()
    request = urllib.request.Request("http://jupyterhub:8000/hub/api/users/" + user + path, data, {"Authorization": "token " + token}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.loads(answer.read() or "{}")
    except urllib.error.HTTPError as error:
        if error.code != 409:  # the user is there already
            raise
call("POST")
call("POST", "/server", {"environment": picked})
deadline = time.monotonic() + 180
while time.monotonic() < deadline:
    if call("GET")["servers"].get("", {}).get("ready"):
        sys.exit(0)
    time.sleep(0.5)
sys.exit("the server is not ready")
"""


class Explore:
    def __init__(self, cluster, registry):
        self.cluster, self.namespace = cluster, f"explore-{uuid.uuid4().hex[:6]}"
        self.mill = Mill(tempfile.mkdtemp(prefix="explore-"))
        self.mill.env |= {"PATH": cluster.env["PATH"], "DATA_MILL_IMAGE_STORE": str(TEST_HOME / "images" / "store")}
        self.mill.env |= {k: os.environ[k] for k in ("JAVA_TOOL_OPTIONS",) if k in os.environ}
        self.flavour = yaml.safe_load((ROOT / "flavours" / "explorative.yaml").read_text())
        project = self.flavour["project"]
        names = [n.strip() for n in project["flavour"].split(",")]
        project |= {"flavour": ", ".join(n for n in names if n != "arangodb") + ", redis", "k8s_namespace": self.namespace}
        project |= {"use": {"versioning": "dvc"}, "environments": ["base", "scipy"], "data_folder": str(ROOT / "data")}
        project["kubernetes"] = {"node_selector": {"kubernetes.io/os": "linux"}, "tolerations": [{"key": "data", "operator": "Exists"}]}
        self.flavour["hybrid"] = {"config": cluster.kubeconfig, "images": {"registry": registry}}
        self.path = Path(self.mill.home) / "explore.yaml"
        self.write()

    def write(self, **blocks):
        self.path.write_text(yaml.safe_dump(self.flavour | blocks))

    def run(self, command, *args, **kw):
        return self.mill(command, "-h", "-f", self.path, *args, **kw)

    def up(self):
        return self.run("up", "--yes", timeout=2400)

    def here(self, command, *args, **kw):
        return self.mill(command, "--platform", self.namespace, *args, **kw)

    def kubectl(self, *args, **kw):
        return self.cluster.kubectl("-n", self.namespace, *args, **kw)

    def pods(self):
        """component.service -> uid of its pod."""
        found = {}
        for pod in self.cluster.json("-n", self.namespace, "get", "pods", "-l", "data-mill.io/service")["items"]:
            labels = pod["metadata"]["labels"]
            found[labels["data-mill.io/component"] + "." + labels["data-mill.io/service"]] = pod["metadata"]["uid"]
        return found

    def spawn(self, user, environment):
        """Its pod."""
        python = ["exec", "-i", "jupyterhub-hub-0", "--", "/usr/bin/python3", "-c", SPAWN]
        self.kubectl(*python, user, environment, input=self.secret("jupyterhub", "ops"))
        (pod,) = self.notebooks()
        return pod

    def notebooks(self):
        return self.cluster.json("-n", self.namespace, "get", "pods", "-l", "data-mill.io/role=notebook")["items"]

    def secret(self, component, name):
        shown = self.here("credentials", component, "--json").json
        return next(c["secrets"][name] for c in shown if c["component"] == component)


@pytest.fixture(scope="module")
def explore(cluster, registry):
    e = Explore(cluster, registry)
    e.before = cluster.names()
    began = time.monotonic()
    e.first = e.up()
    e.seconds = time.monotonic() - began
    yield e
    cluster.kubectl("delete", "namespace", e.namespace, "--ignore-not-found", "--wait=false", check=False)
    e.mill.clean()


def test_every_pod_is_ready_and_the_plan_is_empty(explore):
    services = explore.here("status", "--json", "-q").json["services"]
    assert len(services) >= 16 and {s["state"] for s in services} == {"ready"}, services
    took = next(line for line in explore.first.err.splitlines() if line.startswith("took "))
    print(f"\nexplorative on a cluster: {len(services)} services; up {explore.seconds:.0f} s; {took}")
    again = explore.run("plan", "--detailed-exitcode")
    assert "nothing to do" in again.out


def test_the_same_smoke_tests_pass(explore):
    done = explore.here("test", "--json", "-q", check=False, timeout=1500)
    tests = {t["component"]: t for t in done.json["tests"]}
    bad = {n: (t["message"], [c for c in t.get("checks", []) if not c["ok"]]) for n, t in tests.items() if not t["ok"]}
    assert not bad and done.code == 0, bad
    assert tests.keys() >= {"minio", "dvc", "postgres", "redis", "influxdb", "superset", "mlflow", "dask", "seldon", "jupyterhub", "scipy"}
    print(f"\nsmoke tests: {len(tests)} in {done.seconds:.0f} s")


def test_no_pod_tells_a_secret(explore):
    """Neither workloads nor what helm keeps hold what credentials show."""
    wanted = {explore.secret(c, s) for c, s in (("minio", "password"), ("postgres", "password"), ("superset", "password"), ("mlflow", "password"))}
    objects = explore.kubectl("get", "statefulsets,deployments,pods,configmaps", "-o", "json")
    values = "".join(explore.cluster.helm("-n", explore.namespace, "get", "values", r) for r in ("minio", "superset", "mlflow", "jupyterhub"))
    for secret in wanted:
        assert secret not in objects and secret not in values


def test_a_server_is_a_pod_of_the_picked_environment(explore):
    """Restricted, with a volume of its own, and with the variables in a Secret: what anna sees is what `env` prints."""
    pod = explore.spawn("anna", "scipy")
    spec = pod["spec"]
    image = spec["containers"][0]["image"]
    assert spec["nodeSelector"] == {"kubernetes.io/os": "linux"} and "data" in [t.get("key") for t in spec["tolerations"]]
    assert "/scipy:" in image and not spec.get("automountServiceAccountToken"), image
    assert pod["metadata"]["labels"]["data-mill.io/platform"] == explore.namespace
    assert explore.secret("minio", "password") not in str(pod)
    said = explore.kubectl(
        "exec", pod["metadata"]["name"], "--", spec["containers"][0]["command"][0], "-c",
        "import os; e = dict(x.split('=', 1) for x in open('/proc/1/environ').read().split('\\0') if '=' in x); print(e['AWS_ENDPOINT_URL_S3'], e['MILL_ENVIRONMENT'], e['HOME'])",
    )  # fmt: skip
    assert said.split() == ["http://minio:9000", "scipy", "/home/jovyan"]
    explore.kubectl("exec", pod["metadata"]["name"], "--", "/usr/bin/touch", "/home/jovyan/notebooks/mine.ipynb")
    # the data folder, read-only, and in sight of the file browser
    iris = explore.kubectl("exec", pod["metadata"]["name"], "--", "/usr/bin/cat", "/home/jovyan/data/iris/iris.csv")
    assert iris == (ROOT / "data" / "iris" / "iris.csv").read_text()
    (mount,) = [m for m in spec["containers"][0]["volumeMounts"] if m["mountPath"] == "/data"]
    assert mount["readOnly"] and {"name": "MILL_DATA_FOLDER", "value": "/data"} in spec["containers"][0]["env"]
    assert pod["metadata"]["labels"]["data-mill.io/mounts"] == "data" and spec["affinity"]["podAffinity"]


def test_a_setting_restarts_only_what_it_touches(explore):
    before = explore.pods()
    explore.write(superset={"row_limit": 40000})
    changes = explore.run("plan", "--json", "-q").json["actions"]
    assert {a["component"] for a in changes} == {"superset"} and [a["name"] for a in changes if a["action"] == "restart"] == ["server"], changes
    began = time.monotonic()
    explore.up()
    after = explore.pods()
    assert {s for s in after if after[s] != before.get(s)} == {"superset.server"}
    print(f"\none setting of superset: {time.monotonic() - began:.0f} s")


def test_down_and_up_keep_data(explore):
    """Points, a dashboard and a person's notebook are there again."""
    line = "import os,sys,urllib.request as u,base64;p=sys.argv;r=u.Request('http://influxdb:8086/'+p[2],p[3].encode() if len(p)>3 else None,{'Authorization':'Basic '+base64.b64encode(p[1].encode()).decode()});print(u.urlopen(r).read().decode())"
    login = "people:" + explore.secret("influxdb", "password")

    def influx(*args):
        return explore.kubectl("exec", "jupyterhub-hub-0", "--", "/usr/bin/python3", "-c", line, login, *args)

    influx("write?db=people", "kept value=42")
    began = time.monotonic()
    explore.here("down", timeout=600)
    down = time.monotonic() - began
    assert not explore.pods() and not explore.notebooks()
    began = time.monotonic()
    explore.up()
    print(f"\ndown {down:.0f} s, up again {time.monotonic() - began:.0f} s")
    assert "42" in influx("query?db=people&q=SELECT%20*%20FROM%20kept")
    sample = explore.here("test", "superset", "--json", "-q").json["tests"][0]
    assert any(c["name"] == "the sample dashboard" and c["ok"] for c in sample["checks"])
    pod = explore.spawn("anna", "base")
    explore.kubectl("exec", pod["metadata"]["name"], "--", "/usr/bin/test", "-f", "/home/jovyan/notebooks/mine.ipynb")


def test_destroy_leaves_nothing(explore):
    began = time.monotonic()
    explore.here("destroy", "--yes", "--delete-data", timeout=900)
    print(f"\ndestroy {time.monotonic() - began:.0f} s")

    def left():
        """Volumes of a pool are the cluster's; other namespaces are other people's."""
        return {n for n in explore.cluster.names() - explore.before if explore.namespace in n and not n.startswith("PersistentVolume ")}

    wait_for(lambda: not left(), 90, "everything gone")
    assert not explore.mill.platforms()
    assert conftest.PROGRAM.exists()
