"""Many components at once: ready, every smoke test, examples, pages in a browser, and what must hold of a whole platform.

A normal run takes those that are installed and started within minutes.  MILL_TEST_LONG=1 takes `default`, all that can be had, with every
example and the demo; there, what is not tested here (its software is on no registry) may fail alone.
"""

import json
import os
import re
import socket
import struct
import tempfile
import time
from pathlib import Path

import browser
import pytest
from examples import EXAMPLES
from storm import storm

from conftest import ROOT, Mill

pytestmark = pytest.mark.timeout(3600)
LONG = os.environ.get("MILL_TEST_LONG") == "1"
CORE = "minio dvc postgres redis influxdb rabbitmq kafka schema-registry mlflow jupyterhub prometheus alertmanager node-exporter".split()
QUICK = {"read_lake.py", "s3fs_lake.py", "boto3_lake.py", "dvc_versions.sh", "influxdb_series.py"}


@pytest.fixture(scope="module")
def platform():
    m = Mill(tempfile.mkdtemp(prefix="mill-"))
    m.flavour = "default"
    if not LONG:
        m.flavour = m.home / "core.yaml"
        m.flavour.write_text(
            f"project: {{k8s_namespace: core, flavour: [{', '.join(CORE)}], k8s_default_config: native.yaml, data_folder: {ROOT}/data}}\n"
        )
    m.up = m.run("up", "-f", m.flavour, check=False, timeout=3000)
    m.components = {c["name"] for c in m.run("status", "--json").json["components"]}
    yield m
    m.clean()


def untested(mill):
    return {c["name"] for c in mill.run("component", "list", "--json").json if not c["tested"]}


def services(mill):
    return mill.run("status", "--json").json["services"]


def listeners(pids):
    """(pid, address, port) of TCP sockets that these processes listen on."""
    inodes = {}
    for pid in pids:
        try:
            for fd in Path(f"/proc/{pid}/fd").iterdir():
                link = os.readlink(fd)
                if link.startswith("socket:["):
                    inodes[link[8:-1]] = pid
        except OSError:
            continue
    for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            address, port = words[1].split(":")
            if words[3] == "0A" and words[9] in inodes:
                raw = b"".join(struct.pack("<I", int(address[i : i + 8], 16)) for i in range(0, len(address), 8))
                yield inodes[words[9]], socket.inet_ntop(family, raw), int(port, 16)


def test_everything_that_can_be_had_is_ready(platform):
    down = {s["component"] for s in services(platform) if s["state"] != "ready"}
    assert down <= untested(platform), platform.up
    assert platform.up.code == (1 if down else 0)
    for name in down:
        assert f"install {name}" in platform.up.err or name in platform.up.err
    assert re.search(r"took .*longest chain .*processor time", platform.up.err)


def test_every_smoke_test(platform):
    result = platform.run("test", "--json", "-q", check=False, timeout=2400)
    tests = {t["component"]: t for t in result.json["tests"]}
    bad = {n: (t["message"], [c for c in t.get("checks", []) if not c["ok"]]) for n, t in tests.items() if not t["ok"]}
    assert set(bad) <= untested(platform), json.dumps(bad, indent=1)
    assert len(tests) - len(bad) >= (24 if LONG else len(CORE))


def test_nothing_listens_outside_this_machine(platform):
    pids = [pid for pid, _ in platform.processes()]
    found = list(listeners(pids))
    assert len(found) >= (60 if LONG else 25)
    loopback = re.compile(r"^(127\.\d+\.\d+\.\d+|::1|::ffff:127\.\d+\.\d+\.\d+)$")
    assert not [f for f in found if not loopback.match(f[1])]


def test_no_secret_in_any_command_line(platform):
    secrets = set()
    for c in platform.run("credentials", "--json").json:
        secrets |= {v for v in c["secrets"].values() if len(v) >= 16}
    assert len(secrets) >= (60 if LONG else 25)
    for pid, command in platform.processes():
        assert not [s for s in secrets if s in command], (pid, command.split()[0])


def test_ports_without_a_password_are_listed(platform):
    said = platform.run("credentials").out
    assert "NO PASSWORD" in said and "prometheus.server" in said
    for c in platform.run("credentials", "--json").json:
        for port in c.get("open", []):
            assert len(port["why"]) > 5


def test_a_second_up_changes_nothing(platform):
    before = {s["id"]: s.get("pid") for s in services(platform)}
    plan = platform.run("plan", "-f", platform.flavour, "--json", check=False).json
    tried = {a["component"] for a in plan["actions"]}
    assert tried <= untested(platform), plan["actions"]
    assert {s["id"]: s.get("pid") for s in services(platform)} == before


def test_examples_and_their_notebooks_are_in_the_lake(platform):
    there = {o["name"] for o in platform.run("data", "ls", "data/examples/", "--json").json}
    assert {f"examples/{f.name}" for f in (ROOT / "data/examples").iterdir() if f.is_file()} <= there


@pytest.mark.parametrize("file, needs, arguments", EXAMPLES, ids=[e[0] for e in EXAMPLES])
def test_examples(platform, file, needs, arguments, tmp_path):
    if not LONG and file not in QUICK:
        pytest.skip("takes minutes: MILL_TEST_LONG=1")
    arguments = [a.format(output=tmp_path / "out.ipynb") if "{output}" in a else a for a in arguments]
    env = {"DATA_MILL": str(platform.program)}
    result = platform.run(*arguments, check=False, timeout=900, env=env, cwd=ROOT)
    assert result.code == 0, result
    if file.endswith(".ipynb"):
        for notebook in (tmp_path / "out.ipynb", ROOT / "data/examples" / file):  # as run now, and as people find it
            cells = [c for c in json.loads(notebook.read_text())["cells"] if c["cell_type"] == "code"]
            assert all(c["execution_count"] for c in cells), notebook
            assert sum("image/png" in o.get("data", {}) for c in cells for o in c["outputs"]) >= 2, notebook


@pytest.mark.skipif(browser.available() is not None, reason=str(browser.available()))
@pytest.mark.parametrize("component, title, look", browser.PAGES, ids=[p[0] for p in browser.PAGES])
def test_pages_in_a_browser(platform, component, title, look):
    if component not in platform.components:
        pytest.skip("MILL_TEST_LONG=1 has it")
    known = {c["component"]: c["links"] for c in platform.run("credentials", "--json").json}
    known |= {c["name"]: c["links"] for c in platform.run("status", "--json").json["components"] if c["name"] not in known}
    link = next(l for l in known[component] if title is None or l["title"] == title)
    b = browser.Browser()
    try:
        look(b, link)
        b.keep(component)
    finally:
        b.close()


def test_a_killed_service_comes_back_and_its_neighbours_stay(platform):
    """Those that others depend on: each is killed, alone, while the rest runs."""
    for name in ("postgres.server", "minio.server", "kafka.broker"):
        before = {s["id"]: s["pid"] for s in services(platform) if s["state"] == "ready"}
        os.kill(before[name], 9)
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline:
            now = {s["id"]: s for s in services(platform)}
            if now[name]["state"] == "ready" and now[name]["pid"] != before[name]:
                break
            time.sleep(0.5)
        assert now[name]["state"] == "ready", now[name]
    result = platform.run("test", "postgres", "minio", "kafka", "mlflow", "--json", "-q", check=False, timeout=900)
    assert all(t["ok"] for t in result.json["tests"]), result


@pytest.mark.skipif(not LONG, reason="takes minutes: MILL_TEST_LONG=1")
def test_the_story(platform):
    result = platform.run("demo", "sensors", "--json", check=False, timeout=2400)
    assert result.code == 0, result


@pytest.mark.skipif(not LONG, reason="takes minutes: MILL_TEST_LONG=1")
def test_the_story_ends_right_while_everything_is_restarted(platform):
    flavour = (ROOT / "demos/sensors/flavour.yaml").read_text()
    named = re.search(r"flavour: (.*)", flavour)[1].split(", ")
    stories = storm(platform, [n for n in named if n in {s["component"] for s in services(platform)}])
    assert stories[-1]["left"] == [], stories[-1]
    for story in stories:
        assert story["code"] == 0 and story["told"]["failed"] == 0, story
        counts = {s["step"]: s["counts"] for s in story["told"]["steps"]}
        rows = counts["publish"]["published"]
        assert rows == counts["aggregate"]["summed"] == counts["influx"]["readings"] == counts["lake"]["in_lake"] == counts["features"]["features"]


def test_down_leaves_nothing_running_and_destroy_nothing_at_all(platform):
    platform.run("down", timeout=600)
    assert platform.processes() == []
    kept = platform.platforms()[0] / "services/jupyterhub.hub/data/home/smoke/notebooks/kept.ipynb"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text("{}")
    platform.run("destroy", "--yes", timeout=600)
    assert kept.exists()  # what people wrote goes with --delete-data only
    platform.run("destroy", "--yes", "--delete-data", timeout=600)
    assert not platform.platforms()
