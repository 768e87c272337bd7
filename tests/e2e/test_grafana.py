"""What Grafana is given: dashboards whose queries name metrics that there are, and the sources they read, written as the flavour has them."""

import base64
import http.server
import json
import os
import re
import shutil
import subprocess
import threading

import pytest
import yaml
from conftest import ROOT, TEST_HOME
from tiny import PYTHON, free_port, tiny  # noqa: F401 (a fixture)

FOLDER, HOOKS = ROOT / "components" / "grafana", ROOT / "components" / "_hooks"
BOARDS = {p.stem: json.loads(p.read_text()) for p in sorted(FOLDER.glob("dashboards*/*.json"))}
MANIFEST = yaml.safe_load((FOLDER / "component.yaml").read_text())
FILES = MANIFEST["services"]["server"]["files"]
SOURCES = {s["uid"]: s["type"] for name, f in FILES.items() if "/datasources/" in name for s in f["value"]["datasources"]}
# every name that was scraped from the components, but for those nobody would show: tests/tools/dashboards.py writes it
SCRAPED = set((ROOT / "tests" / "e2e" / "metrics.txt").read_text().split())
RULES = yaml.safe_load((ROOT / "components" / "prometheus" / "rules.yml").read_text())["groups"]
KNOWN = SCRAPED | {r["record"] for g in RULES for r in g["rules"] if "record" in r} | {"ALERTS"}
WORDS = {"and", "or", "unless", "bool", "on", "ignoring", "group_left", "group_right", "offset", "inf", "nan"}


def queries():
    for name, board in BOARDS.items():
        for panel in board["panels"]:
            for target in panel.get("targets", ()):
                yield name, panel, target


PROMQL = sorted({t["expr"].replace("$topic", ".+") for _, _, t in queries() if "expr" in t})


def metrics(promql):
    named = {n for names in re.findall(r'__name__=~"([^"]+)"', promql) for n in names.split("|")}
    text = re.sub(r'"(\\.|[^"\\])*"', "", promql)
    text = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", text)
    return {w for w in re.findall(r"(?<![\w:.])[a-zA-Z_:][\w:]*(?![\w:]*\s*\()", text)} - WORDS | named


def test_names_are_found_in_queries():
    assert metrics('sum by (a, b) (rate(x_total{c="d_e"}[5m]) or 2 * y:z:sum) > bool 1e3') == {"x_total", "y:z:sum"}
    assert metrics('count({__name__=~"a|b_c",d="e"})') == {"a", "b_c"}


@pytest.mark.parametrize("name", BOARDS)
def test_dashboard(name):
    board = BOARDS[name]
    assert board["uid"] == name and board["title"] and "id" not in board and not board["editable"]
    assert board["schemaVersion"] >= 39 and board["time"]["from"] and board["panels"]
    ids = [p["id"] for p in board["panels"]]
    assert len(ids) == len(set(ids))
    taken = set()
    for p in board["panels"]:
        at = p["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24 and not cells & taken, f"{p['title']} lies on another"
        taken |= cells
        if p["type"] == "row":
            continue
        assert p["title"] and p["targets"] and len({t["refId"] for t in p["targets"]}) == len(p["targets"])
        for source in (p["datasource"], *(t["datasource"] for t in p["targets"] if "datasource" in t)):
            assert SOURCES[source["uid"]] == source["type"]
        assert all(("expr" in t) == (p["datasource"]["uid"] == "prometheus") for t in p["targets"])
    variables = board["templating"]["list"]
    assert all(SOURCES[v["datasource"]["uid"]] == v["datasource"]["type"] for v in variables if v["type"] == "query")
    for word in re.findall(r"\$\{?(\w+)", json.dumps([p.get("targets") for p in board["panels"]])):
        assert word in {v["name"] for v in variables}


def test_a_dashboard_is_there_only_with_its_sources():
    for name, board in BOARDS.items():
        folder = next(FOLDER.glob(f"dashboards*/{name}.json")).parent.name
        provider = next(f for f in FILES.values() if "providers" in f.get("value", ()) and f["value"]["providers"][0]["options"]["path"] == "${component}/" + folder)
        assert {p["datasource"]["uid"] for p in board["panels"] if "datasource" in p} <= {"prometheus", provider.get("when")}


def test_every_metric_was_seen():
    unseen = {(n, p["title"], m) for n, p, t in queries() if "expr" in t for m in metrics(t["expr"]) - KNOWN}
    assert not unseen
    asked = {m for b in BOARDS.values() for v in b["templating"]["list"] for m in re.findall(r"label_values\((\w+)", json.dumps(v))}
    assert asked <= KNOWN


def test_promql_parses(tmp_path):
    tools = [shutil.which("promtool"), *TEST_HOME.glob("store/*-prometheus-*/usr/bin/promtool")]
    tool = next((t for t in tools if t), None)
    if not tool:
        pytest.skip("no promtool")
    rules = [{"record": f"q{i}", "expr": q} for i, q in enumerate(PROMQL)]
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "g", "rules": rules}]}))
    done = subprocess.run([tool, "check", "rules", tmp_path / "rules.yml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def stand_ins(t):
    """Grafana's own manifest over tiny servers, which give what the real ones give."""
    there = {"host": "${host}", "port": "${port.server.http}", "url": "http://${host}:${port.server.http}", "user": "people", "password": "${secret.password}"}
    for name in ("prometheus", "alertmanager"):
        t.component(name)
    for name in ("search", "postgres", "influxdb"):
        hook = {"command": [PYTHON, "-I", "-S", "${component}/provision.py"], "user": "user", "password": "password"}
        more = {} if name == "search" else {"database": "people"}
        t.component(name, provides={name: there | more}, secrets={"password": {}}, provision={name: hook})
    shutil.copytree(FOLDER, t.project / "components" / "grafana")
    manifest = yaml.safe_load((FOLDER / "component.yaml").read_text())
    del manifest["native"], manifest["services"]["server"]["folders"]
    server = manifest["services"]["server"]
    server["command"] = [PYTHON, "-I", "-S", "${component}/server.py", "ok", "${bind}", "${port.http}"]
    server["readiness"]["period"] = "50ms"
    server["ports"] = {"http": free_port()}
    t.manifest("grafana", json.dumps(manifest, default=str))


def provisioned(t):
    """path -> what is in it, of the files that Grafana reads when it starts."""
    config = t.folder("grafana") / "config"
    found = {str(p.relative_to(config / "provisioning")): p for p in config.glob("provisioning/*/*")}
    assert all(p.stat().st_mode & 0o777 == 0o600 for p in found.values())
    return {name: yaml.safe_load(p.read_text()) for name, p in found.items()}


def test_provisioning_follows_the_flavour(tiny):  # noqa: F811
    stand_ins(tiny)
    tiny.flavour("prometheus, grafana")
    tiny("up", code=0)
    few = {"datasources/prometheus.yaml", "dashboards/platform.yaml"}
    found = provisioned(tiny)
    assert set(found) == few
    path = found["dashboards/platform.yaml"]["providers"][0]["options"]["path"]
    assert sorted(p.name for p in (tiny.platform() / path).glob("*.json")) == sorted(p.name for p in FOLDER.glob("dashboards/*.json"))

    tiny.flavour("prometheus, alertmanager, search, postgres, influxdb, grafana")
    tiny("up", code=0)
    found = provisioned(tiny)
    assert set(found) == few | {f"datasources/{n}.yaml" for n in ("alertmanager", "search", "postgres", "influxdb")} | {"dashboards/search.yaml"}
    sources = {s["uid"]: s for f in found.values() for s in f.get("datasources", ())}
    assert {u: s["type"] for u, s in sources.items()} == SOURCES and [u for u, s in sources.items() if s.get("isDefault")] == ["prometheus"]
    assert all(f["prune"] for f in found.values() if "datasources" in f)
    asked = {n: json.loads((tiny.folder(n) / "data" / "provisioned").read_text()) for n in ("search", "postgres", "influxdb")}
    assert all(a["parameters"]["access"] == "read" and a["consumer"] == "grafana" for a in asked.values())
    for name, key in (("search", "basicAuthPassword"), ("postgres", "password"), ("influxdb", "password")):
        source, given = sources[name], asked[name]["credentials"]
        assert source["secureJsonData"] == {key: given["password"]} and len(given["password"]) == 40
        assert given["user"] == "grafana" == source.get("basicAuthUser", source.get("user"))
        assert given["password"] not in json.dumps({k: v for k, v in source.items() if k != "secureJsonData"})
        port = tiny.ports[name]
        assert re.fullmatch(rf"(http://)?127\.0\.0\.1:{port}", source["url"])
    assert sources["postgres"]["jsonData"]["database"] == sources["influxdb"]["jsonData"]["dbName"] == "people"
    tiny.empty_plan()

    tiny.flavour("prometheus, grafana")
    tiny("up", code=0)
    assert set(provisioned(tiny)) == few


class Pretend(http.server.BaseHTTPRequestHandler):
    """Answers as Grafana does, by its documented API; `lets_in` are the logins."""

    lets_in = ("people:right",)

    def do_GET(self):
        login = base64.b64decode(self.headers.get("Authorization", "Basic ")[6:]).decode()
        uid = self.path.split("/")[-1]
        answers = {
            "/api/datasources/proxy/uid/prometheus/api/v1/query?query=up": {"status": "success"},
            "/api/datasources/proxy/uid/alertmanager/api/v2/status": {"versionInfo": {"version": "0"}},
        } | {f"/api/datasources/uid/{s}/health": {"status": "OK"} for s in ("search", "postgres", "influxdb")}
        if self.path.startswith("/api/dashboards/uid/") and uid in BOARDS:
            answers[self.path] = {"dashboard": BOARDS[uid]}
        code = 401 if login not in self.lets_in else 200 if self.path in answers else 404
        body = json.dumps(answers.get(self.path, {})).encode()
        self.send_response(code)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.mark.parametrize("lets_in, failed", [(("people:right",), []), (("people:right", "admin:admin"), ["admin is refused"])])
def test_smoke_hook(lets_in, failed):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("P", (Pretend,), {"lets_in": lets_in}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    ask = {
        "provides": {"grafana": {"url": f"http://127.0.0.1:{server.server_port}", "user": "people", "password": "right"}},
        "requires": {n: {} for n in ("prometheus", "alertmanager", "search", "postgres", "influxdb")},
    }
    done = subprocess.run([PYTHON, FOLDER / "smoke.py"], input=json.dumps(ask), capture_output=True, text=True, timeout=60, env=os.environ | {"PYTHONPATH": str(HOOKS)})
    server.shutdown()
    server.server_close()
    assert done.stdout, done.stderr
    said = json.loads(done.stdout)
    assert [c["name"] for c in said["checks"] if not c["ok"]] == failed and len(said["checks"]) == 14
    assert done.returncode == bool(failed), done.stderr
