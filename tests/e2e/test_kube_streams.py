"""Streams, batch and monitoring on a real cluster, from images, with the smoke tests that they have natively (MILL_TEST_LONG=1).

The tests of this file share one platform and build on each other.
"""

import os
import tempfile
import time
import uuid
from pathlib import Path

import kube as kube_fixtures
import pytest
import yaml
from conftest import TEST_HOME, Mill, wait_for

cluster, registry = kube_fixtures.cluster, kube_fixtures.registry
pytestmark = [
    pytest.mark.skipif(os.environ.get("MILL_TEST_LONG") != "1", reason="takes a quarter of an hour: MILL_TEST_LONG=1"),
    pytest.mark.timeout(3000),
]
FLAVOUR = """minio, kafka, schema-registry, mosquitto, kafka-connect, kafka-streams, spark, flink,
             prometheus, alertmanager, node-exporter, opensearch"""


class Streams:
    def __init__(self, cluster, registry):
        self.cluster, self.namespace = cluster, f"streams-{uuid.uuid4().hex[:6]}"
        self.mill = Mill(tempfile.mkdtemp(prefix="streams-"))
        self.mill.env |= {"PATH": cluster.env["PATH"], "DATA_MILL_IMAGE_STORE": str(TEST_HOME / "images" / "store")}
        self.path = Path(self.mill.home) / "streams.yaml"
        self.flavour = {
            "project": {"k8s_namespace": self.namespace, "k8s_default_config": "native.yaml", "flavour": " ".join(FLAVOUR.split())},
            "hybrid": {"config": cluster.kubeconfig, "images": {"registry": registry}},
        }
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


@pytest.fixture(scope="module")
def streams(cluster, registry):
    s = Streams(cluster, registry)
    s.before = cluster.names()
    began = time.monotonic()
    s.first = s.up()
    s.seconds = time.monotonic() - began
    yield s
    cluster.kubectl("delete", "namespace", s.namespace, "--ignore-not-found", "--wait=false", check=False)
    s.mill.clean()


def test_every_pod_is_ready_and_the_plan_is_empty(streams):
    services = streams.here("status", "--json", "-q").json["services"]
    assert len(services) >= 21 and {s["state"] for s in services} == {"ready"}, services
    took = next(line for line in streams.first.err.splitlines() if line.startswith("took "))
    print(f"\nstreams on a cluster: {len(services)} services; up {streams.seconds:.0f} s; {took}")
    assert "nothing to do" in streams.run("plan", "--detailed-exitcode").out


def test_the_same_smoke_tests_pass(streams):
    done = streams.here("test", "--json", "-q", check=False, timeout=1500)
    tests = {t["component"]: t for t in done.json["tests"]}
    bad = {n: (t["message"], [c for c in t.get("checks", []) if not c["ok"]]) for n, t in tests.items() if not t["ok"]}
    assert not bad and done.code == 0, bad
    assert tests.keys() >= {name.strip() for name in FLAVOUR.split(",")}
    print(f"\nsmoke tests: {len(tests)} in {done.seconds:.0f} s")


def test_what_is_kept_fits_the_volume(streams):
    """By size, of its claim of 1 GiB: not of the disk of the machine that ran `up`."""
    kept = streams.kubectl("exec", "prometheus-0", "-c", "server", "--", "/bin/sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' '\\n'", check=False)
    size = next(line for line in kept.splitlines() if line.startswith("--storage.tsdb.retention.size="))
    assert 512 <= int(size.partition("=")[2].removesuffix("MB")) <= 1024, size


def test_a_setting_restarts_only_what_it_touches(streams):
    before = streams.pods()
    streams.write(mosquitto={"queued": 5000})
    changes = streams.run("plan", "--json", "-q").json["actions"]
    assert {a["component"] for a in changes} == {"mosquitto"}, changes
    streams.up()
    after = streams.pods()
    assert {s for s in after if after[s] != before.get(s)} == {"mosquitto.server"}


def test_destroy_leaves_nothing(streams):
    began = time.monotonic()
    streams.here("destroy", "--yes", "--delete-data", timeout=900)
    print(f"\ndestroy {time.monotonic() - began:.0f} s")

    def left():
        """Volumes of a pool are the cluster's; other namespaces are other people's."""
        return {n for n in streams.cluster.names() - streams.before if streams.namespace in n and not n.startswith("PersistentVolume ")}

    wait_for(lambda: not left(), 90, "everything gone")
    assert not streams.mill.platforms()
