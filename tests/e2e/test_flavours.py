"""Each shipped flavour by itself: up, its smoke tests, an empty plan, and nothing left after destroy.

A normal run takes `starter`; MILL_TEST_LONG=1 takes them all.  test_all.py has `default`.
"""

import json
import os
import tempfile

import pytest

from conftest import ROOT, Mill

LONG = os.environ.get("MILL_TEST_LONG") == "1"
FLAVOURS = sorted(p.stem for p in (ROOT / "flavours").glob("*.yaml") if p.stem not in ("default", "ds"))


def software(mill):
    """Bytes of the store entries that the platform's components are made of."""
    sizes = {e["key"]: e["bytes"] for e in mill.run("store", "list", "--json", "-q").json}
    used = set()
    for record in mill.platforms()[0].glob("components/*/manifest.json"):
        used |= set(json.loads(record.read_text()).get("store_entries") or ())
    return sum(sizes.get(key, 0) for key in used)


@pytest.mark.timeout(3000)
@pytest.mark.parametrize("name", FLAVOURS)
def test_flavour(name):
    if name != "starter" and not LONG:
        pytest.skip("takes minutes: MILL_TEST_LONG=1")
    m = Mill(tempfile.mkdtemp(prefix="mill-"))
    try:
        untested = {c["name"] for c in m.run("component", "list", "--json").json if not c["tested"]}
        up = m.run("up", "-f", name, check=False, timeout=2000)
        status = m.run("status", "--json", "--memory").json
        down = {s["component"] for s in status["services"] if s["state"] != "ready"}
        assert down <= untested and up.code == (1 if down else 0), up.err[-6000:]
        left = m.run("plan", "-f", name, "--json", "-q", check=False).json["actions"]
        assert {a["component"] for a in left} <= untested, left
        tests = {t["component"]: t for t in m.run("test", "--json", "-q", check=False, timeout=2000).json["tests"]}
        bad = {n: (t["message"], t.get("log", ""), [c for c in t.get("checks", []) if not c["ok"]]) for n, t in tests.items() if not t["ok"]}
        assert bad.keys() <= untested, json.dumps(bad, indent=1)
        mib = sum(s.get("pss", 0) for s in status["services"]) >> 20
        took = next(line for line in up.err.splitlines() if line.startswith("took "))
        print(f"\n{name}: {len(status['services'])} services, {mib} MiB, software {software(m) / 2**30:.1f} GiB; {took}")
        m.run("destroy", "--yes", "--delete-data", timeout=600)
        assert m.processes() == [] and not m.platforms()
    finally:
        m.clean()


def test_ds_is_explorative():
    def lines(name):
        return [x for x in (ROOT / "flavours" / f"{name}.yaml").read_text().splitlines() if x and not x.startswith("#")]

    assert lines("ds") == lines("explorative")
