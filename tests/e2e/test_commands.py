"""The commands that inform, check, prepare and integrate, as a user calls them."""

import hashlib
import http.server
import json
import os
import pty
import re
import shutil
import subprocess
import threading
from pathlib import Path

import pytest
from conftest import IS_ROOT, PROGRAM, ROOT, Mill, wait_for
from tiny import PYTHON, Tiny, alive, get, tiny  # noqa: F401 (tiny is a fixture)


@pytest.fixture(scope="module")
def mill(module_mill):
    """The shipped components and flavours, and no platform."""
    return module_mill


def names(text):
    """The first column below a table's header."""
    return [line.split()[0] for line in text.splitlines()[1:] if line.strip()]


# ---- help ----
def all_commands():
    """Every command and subcommand, asked of the program itself."""

    def words(*typed):
        out = subprocess.run([PROGRAM, "__complete", "--", *typed, ""], capture_output=True, text=True, check=True).stdout
        return [line.split("\t")[0] for line in out.splitlines() if "\t" in line]

    found = []
    for command in words():
        found.append((command,))
        text = subprocess.run([PROGRAM, "help", command], capture_output=True, text=True).stdout
        if text.startswith(f"Usage: data-mill {command} SUBCOMMAND"):
            found += [(command, sub) for sub in words(command)]
    return found


def test_help_of_every_command(mill):
    commands = all_commands()
    assert len(commands) > 50 and ("component", "new") in commands and ("up",) in commands
    overview = mill("help").out
    assert overview == mill("--help").out == mill("-h").out == mill().out
    assert overview.isascii() and max(map(len, overview.splitlines())) <= 80
    for words in commands:
        text = mill("help", *words).out
        assert text.startswith(f"Usage: data-mill {' '.join(words)}"), words
        assert text == mill(*words, "--help").out, words
        examples = text.partition("\nExamples:\n")[2]
        assert "data-mill" in examples, f"{words} shows no example"
        assert len(words) > 1 or re.search(rf"^  {words[0]} ", overview, re.M), words
        usage = re.findall(r"--[a-z-]+", examples)
        for option in usage:
            assert option in text or option in ("--system",), f"{words}: its example uses {option}, its options do not name it"


@pytest.mark.parametrize(
    "args, says, hint",
    [
        (["--flavou", "x"], "unknown option --flavou", "did you mean --flavour?"),
        (["up", "--dri-run"], "up: unknown option --dri-run", "did you mean --dry-run?"),
        (["-l", "-i", "--dri-run"], "up: unknown option --dri-run", "did you mean --dry-run?"),
        (["statsu"], "unknown command 'statsu'", "did you mean 'status'?"),
        (["component", "lst"], "component: unknown subcommand 'lst'", "did you mean 'list'?"),
        (["help", "nope"], "there is no command 'nope'", "data-mill help"),
        (["completion", "bas"], "completion: 'bas' is none of bash, zsh, fish", "did you mean 'bash'?"),
        (["env", "--format", "jsn"], "--format: 'jsn' is none of sh, dotenv, json", "did you mean 'json'?"),
        (["component", "show", "mini"], "there is no component 'mini'", "did you mean 'minio'?"),
        (["component", "validate", "mini"], "there is no component 'mini'", "did you mean 'minio'?"),
        (["component", "relock", "mini"], "there is no component 'mini'", "did you mean 'minio'?"),
        (["target", "show", "nativ"], "there is no target file 'nativ'", "native"),
        (["flavour", "show", "datalak"], "there is no flavour 'datalak'", "did you mean 'datalake'?"),
        (["graph", "datalak"], "there is no flavour 'datalak'", "did you mean 'datalake'?"),
        (["init"], "init: DIR is missing", None),
        (["version", "now"], "version: unexpected word 'now'", None),
        (["component", "new", "Up"], "'Up' cannot be a component's name", "lower case"),
        (["store", "verify", "nothing"], "the store has no 'nothing'", None),
        (["status"], "there is no platform yet", "data-mill up -f FLAVOUR"),
        (["enable"], "there is no platform yet", "data-mill up -f FLAVOUR"),
        (["open", "minio"], "there is no platform yet", "data-mill up -f FLAVOUR"),
    ],
    ids=lambda v: "-".join(v) if isinstance(v, list) else "",
)
def test_usage_errors(mill, args, says, hint):
    result = mill(*args, code=2)
    first, *rest = result.err.splitlines()
    assert first.startswith("data-mill: ") and says in first and result.out == "", result
    assert hint is None or any(line.startswith("next: ") and hint in line for line in rest), result
    assert not mill.platforms()


# ---- lists ----
def test_component_list(mill):
    listed = mill("component", "list", "--json").json
    assert isinstance(listed, list)
    by_name = {c["name"]: c for c in listed}
    assert set(by_name) == {d.name for d in (ROOT / "components").iterdir() if (d / "component.yaml").exists()}
    for c in listed:
        assert c["category"] and c["summary"] and isinstance(c["targets"], list) and isinstance(c["tested"], bool), c
        assert set(c["targets"]) <= {"native", "kubernetes"} and c["targets"], c
    assert by_name["minio"]["targets"] == ["native"] and by_name["minio"]["tested"] and by_name["minio"]["provides"] == ["s3"]
    assert not by_name["pachyderm"]["tested"] and by_name["pachyderm"]["stands_in"] == "dvc" and by_name["pachyderm"]["not_tested_because"]
    table = mill("component", "list").out
    assert names(table) == sorted(by_name)


def test_component_show(mill):
    text = mill("component", "show", "minio").out
    for word in ("MinIO", "AGPL-3.0", "storage", "frozen", "s3", "region that clients must sign for", "us-east-1", "api 9000"):
        assert word in text, text
    assert "not tested here" in mill("component", "show", "pachyderm").out
    shown = mill("component", "show", "minio", "--json").json
    assert shown in mill("component", "list", "--json").json


def test_flavours(mill):
    listed = mill("flavour", "list", "--json").json
    assert {f["name"] for f in listed} == {p.stem for p in (ROOT / "flavours").glob("*.yaml")}
    assert all(f["summary"] and f["components"] and Path(f["file"]).exists() for f in listed)
    assert names(mill("flavour", "list").out) == sorted(f["name"] for f in listed)
    assert mill("flavor", "list").out == mill("flavour", "list").out, "an American may spell it so"
    shown = mill("flavour", "show", "datalake", "--json").json
    assert [c["name"] for c in shown["components"]] == ["minio", "dvc"] and shown["components"][1]["stands_for"] == "pachyderm"
    assert shown["platform"] == "data-mill" and shown["provider"] == "native" and shown["data_folder"] == str(ROOT / "data")
    text = mill("flavour", "show", "datalake").out
    assert "pachyderm (dvc)" in text and "native.data-mill" in text
    assert mill("flavour", "show", "-f", "datalake").out == text


def test_targets(mill):
    listed = {t["name"]: t for t in mill("target", "list", "--json").json}
    assert {"native", "default_mc", "default_uc", "multipass_uc", "aws", "gke"} <= set(listed)
    assert listed["native"]["local"]["runtime"] == "native"
    assert listed["default_mc"]["local"]["provider"] == "minikube" and listed["default_mc"]["local"]["runtime"] == "kubernetes"
    assert listed["aws"]["remote"]["provider"] == "aws" and listed["gke"]["remote"]["provider"] == "gke"
    assert names(mill("target", "list").out) == sorted(listed)
    shown = mill("target", "show", "default_mc").out
    assert "minikube" in shown and "8192" in shown and "needs the Kubernetes runtime" in shown
    assert mill("target", "show", "aws", "--json").json == listed["aws"]
    assert "provider         native" in mill("target", "show").out


# ---- validate, doctor, graph ----
def test_validate(tiny):  # noqa: F811
    tiny.component("a")
    tiny.component("b", requires=["a"])
    tiny.flavour("a, b")
    assert tiny("validate").out == "default: valid, 2 components, target local (native)\n"
    assert tiny("validate", "--json").json == []
    assert "manifests are valid" in tiny("validate", "--all").out
    folder = tiny.project / "components" / "c"
    folder.mkdir()
    (folder / "component.yaml").write_text("schema: 1\nname: c\nkategory: support\n")
    assert tiny("validate").out.startswith("default: valid"), "a flavour does not answer for what it does not name"
    result = tiny("validate", "--all", code=2)
    assert re.search(r"^components/c/component.yaml:3:1: error: .*kategory.*\nkategory: support\n\^~+$", result.err, re.M), result
    found = tiny("validate", "--all", "--json", code=2).json
    wrong = next(d for d in found if d["line"] == 3)
    assert wrong["severity"] == "error" and wrong["column"] == 1 and wrong["file"].endswith("components/c/component.yaml"), wrong
    assert "category" in wrong["hint"], wrong


def test_doctor(tiny):  # noqa: F811
    tiny.component("a", upstream={"status": "dead", "checked": "2026-01-02", "note": "its maker is gone"})
    tiny.flavour("a")
    text = tiny("doctor").out
    for check in ("kernel", "landlock", "store", "platforms", "cache", "memory"):
        assert re.search(rf"^(ok|warning) +{check} ", text, re.M), text
    assert re.search(r"^warning +a +upstream is dead: its maker is gone$", text, re.M), text
    assert re.search(r"^0 errors, \d+ warnings$", text, re.M), text
    found = tiny("doctor", "--json", "-q").json
    assert {c["level"] for c in found} <= {"ok", "warning"} and all(c["name"] and c["text"] for c in found)
    assert not tiny.platforms(), "looking changes nothing"
    tiny("up", "-q")
    found = {c["name"]: c for c in tiny("doctor", "--json", "-q").json}
    assert found["native.tiny"]["text"].startswith("1 of 1 services ready"), found
    tiny("down", "-q")
    found = {c["name"]: c for c in tiny("doctor", "--json", "-q").json}
    assert "0 of 1 services ready, no daemon runs" in found["native.tiny"]["text"], found
    # something stands in the way: no memory for what cannot do with less
    tiny.component("a", service={"resources": {"memory": "9Ti", "memory_min": "9Ti"}})
    found = tiny("doctor", "--json", "-q", code=1).json
    assert any(c["level"] == "error" and c["name"] == "memory" for c in found), found


DOT_LINE = re.compile(r'^  (rankdir=LR|node \[shape=box\]|("[a-z0-9-]+")( -> ("[a-z0-9-]+"))?( \[label="[^"]*"(, style=dashed)?\])?);$')


def test_graph(tiny):  # noqa: F811
    tiny.component("a")
    tiny.component("b", requires=["a"])
    tiny.component("c", requires=["b"], optional=["a"])
    tiny.flavour("a, b, c")
    assert tiny("graph").out == "a\nb\n  a <- a\nc\n  b <- b\n  a <- a (optional)\n"
    dot = tiny("graph", "--dot").out
    first, *lines, last = dot.splitlines()
    assert first == 'digraph "default" {' and last == "}" and all(DOT_LINE.match(line) for line in lines), dot
    edges = [DOT_LINE.match(line) for line in lines if "->" in line]
    assert {(m[2], m[4], bool(m[6])) for m in edges} == {('"a"', '"b"', False), ('"b"', '"c"', False), ('"a"', '"c"', True)}
    if shutil.which("dot"):
        subprocess.run(["dot", "-Tsvg"], input=dot, text=True, check=True, capture_output=True)
    graph = tiny("graph", "--json").json
    assert graph["nodes"] == ["a", "b", "c"]
    assert {(e["from"], e["to"], e["capability"], e["optional"]) for e in graph["edges"]} == {("a", "b", "a", False), ("b", "c", "b", False), ("a", "c", "a", True)}


def test_version(mill):
    text = mill("version").out
    assert text == mill("--version").out and re.fullmatch(r"data-mill \d+\.\d+\.\d+\n", text)
    told = mill("version", "--json").json
    assert f"data-mill {told['version']}\n" == text
    assert (told["manifest_schema"], told["state_version"], told["protocol_version"]) == (1, 1, 1)


# ---- a project of one's own ----
def test_init_and_a_new_component(mill, tmp_path):
    """A scaffold validates, runs unchanged and proves itself; the project's own are found before the shipped ones."""
    tmp_path.chmod(0o755)
    folder = tmp_path / "Ébène & co"
    made = mill("init", folder)
    assert made.out == f"{folder}\n" and "data-mill plan" in made.err
    assert {p.relative_to(folder).as_posix() for p in folder.rglob("*")} == {
        "README.md", "components", "data", "data/README.md", "data-mill.yaml", "flavours", "flavours/default.yaml"}
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    again = mill("init", folder, code=2)
    assert "is there already; nothing was changed" in again.err and before == {p: p.read_bytes() for p in before}
    shown = mill("flavour", "show", "--json", cwd=folder).json
    assert shown["file"] == str(folder / "flavours" / "default.yaml") and shown["data_folder"] == str(folder / "data")
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]*[a-z0-9]", shown["platform"]), shown
    assert [c["name"] for c in shown["components"]] == ["minio", "dvc"]

    assert mill("component", "new", "hello-world", cwd=folder).out == f"{folder}/components/hello-world\n"
    assert "is there already" in mill("component", "new", "hello-world", cwd=folder, code=2).err
    assert mill("component", "validate", "hello-world", cwd=folder).out == "hello-world: valid\n"
    assert mill("component", "validate", folder / "components" / "hello-world").out.endswith("hello-world: valid\n")
    flavour = folder / "flavours" / "default.yaml"
    flavour.write_text(flavour.read_text().replace("minio, pachyderm", "hello-world").replace("k8s_namespace: ", "k8s_namespace: e2e-"))
    mill("up", cwd=folder, timeout=600)
    try:
        url = mill("open", "hello-world", "--print", cwd=folder).out.strip()
        assert mill("env", "--format", "json", cwd=folder).json == {"HELLO_WORLD_URL": url.rstrip("/")}
        assert get(int(url.split(":")[2].rstrip("/"))) == "hello\n"
        assert re.search(r"^ok +hello-world .*says hello\n1 ok, 0 failed, 0 skipped$", mill("test", cwd=folder).out, re.M)
        mill("plan", "--detailed-exitcode", cwd=folder)
    finally:
        mill("destroy", "--yes", "--delete-data", cwd=folder)

    # a component of the same name as a shipped one is the project's
    own = folder / "components" / "minio"
    shutil.copytree(folder / "components" / "hello-world", own)
    manifest = own / "component.yaml"
    manifest.write_text(manifest.read_text().replace("hello-world", "minio").replace("HELLO_WORLD", "MINIO"))
    assert mill("component", "show", "minio", "--json", cwd=folder).json["folder"] == str(own)
    assert mill("component", "show", "minio", "--json").json["folder"] == str(ROOT / "components" / "minio")


def test_component_validate(tiny):  # noqa: F811
    folder = tiny.manifest("a", """schema: 1
name: a
category: suport
summary: x
version: "1"
settings:
  level: {type: int, default: 12, min: 1, max: 9, help: how much}
secrets: {key: {length: 8}}
provides: {a: {url: "http://127.0.0.1:${port.server.http}"}}
services:
  server:
    command: ["${store}/bin/a", --key, "${secret.key}", --to, "${port.htp}", "${component}/../../x"]
    ports: {http: 99999}
smoke: gone.py
""")
    result = tiny("component", "validate", "a", code=2)
    lines = (folder / "component.yaml").read_text().splitlines()
    said = {(m[1], m[3]): int(m[2]) for m in re.finditer(r"^components/a/component.yaml:(\d+):(\d+): error: (.*)$", result.err, re.M)}
    for line, word, text in (
        (3, "suport", "category"),
        (7, "12", "12"),
        (8, "8", "between 16 and 1024"),
        (9, '"http', "127.0.0.1"),
        (12, '"${secret', "secret"),
        (12, '"${port', "htp"),
        (13, "99999", "99999"),
        (14, "gone.py", "gone.py"),
    ):
        at = [column for (n, message), column in said.items() if int(n) == line and text in message]
        start = lines[line - 1].index(word) + 1
        assert any(start <= column <= start + len(word) + 4 for column in at), (line, text, said)
    assert tiny("component", "validate", "a", "--json", code=2).json
    assert "no such folder" in tiny("component", "validate", "./nowhere", code=2).err


# ---- component relock ----
class Files(http.server.BaseHTTPRequestHandler):
    content = {}

    def do_GET(self):
        data = self.content.get(self.path)
        self.send_response(200 if data else 404)
        self.send_header("Content-Length", str(len(data or b"")))
        self.end_headers()
        self.wfile.write(data or b"")

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def server():
    s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files)
    threading.Thread(target=s.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{s.server_port}"
    s.shutdown()
    s.server_close()


ARCH = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]


def tool(t, server, name, script, sha=None, **more):
    """A component whose software is one downloaded script."""
    Files.content[f"/{name}-{ARCH}"] = data = f"#!/bin/sh\n{script}\n".encode()
    step = {"url": server + f"/{name}-${{arch}}", "sha256": {ARCH: sha or hashlib.sha256(data).hexdigest()}, "unpack": False, "binary": name}
    t.manifest(name, {"schema": 1, "name": name, "category": "support", "summary": "x", "version": "1", "targets": ["native"],
                      "native": {"install": [{"download": step}]}} | more)
    return step["sha256"][ARCH]


def test_relock_of_a_download(tiny, server):  # noqa: F811
    right = tool(tiny, server, "t", "echo 1")
    assert "the checksums in its manifest are right" in tiny("component", "relock", "t").err
    manifest = tiny.project / "components" / "t" / "component.yaml"
    text = manifest.read_text()
    manifest.write_text(text.replace(right, "0" * 64))
    result = tiny("component", "relock", "t", code=1)
    assert f"sha256: {{{ARCH}: {right}}}" in result.err, "it says what to write"
    manifest.write_text(text)
    tiny("component", "relock", "t", "--measure")
    assert json.loads((manifest.parent / "locks" / "meta.json").read_text())["installed_bytes"] > 0
    tiny.component("plain")
    assert "installs nothing" in tiny("component", "relock", "plain").err


def test_what_was_relocked_is_installed(tiny):  # noqa: F811
    """With the package client's cache that relock filled: as root that is another user's."""
    folder = tiny.manifest("six", {"schema": 1, "name": "six", "category": "support", "summary": "x", "version": "1", "targets": ["native"],
                                   "native": {"install": [{"pip": {"requirements": ["six==1.16.0"]}}]}})
    tiny.flavour("six")
    result = tiny("component", "validate", "six", code=2)
    assert re.search(r"component.yaml:\d+:\d+: error: the lock locks/pip.txt is missing\n", result.err), result
    result = tiny("up", code=1)
    assert "data-mill: six: the lock locks/pip.txt is missing\nnext: make it: data-mill component relock six\n" in result.err, result
    tiny("component", "relock", "six", timeout=300)
    lock = folder / "locks" / "pip.txt"
    assert re.match(r"six==1.16.0 \\\n +--hash=sha256:[0-9a-f]{64}", lock.read_text()) and "://" not in lock.read_text()
    first = lock.read_text()
    tiny("component", "relock", "six", timeout=300)
    assert lock.read_text() == first
    tiny("install", timeout=600)
    (entry,) = tiny("store", "list", "--json", "-q").json and [e for e in tiny("store", "list", "--json", "-q").json if e["name"] == "six"]
    assert entry["complete"] and entry["state"] in ("in use", "unused")


# ---- store ----
def test_store(tiny, server):  # noqa: F811
    """gc keeps what a platform's record names and what a shim runs, and removes the rest."""

    def states():
        return {e["name"]: e["state"] for e in tiny("store", "list", "--json", "-q").json}

    serve = {"services": {"server": {"command": ["${store}/bin/run"], "restart": {"delay": "10ms"}, "stop": {"grace": "1s"},
                                     "resources": {"memory": "16Mi", "memory_min": "8Mi"}}}, "targets": None}
    tool(tiny, server, "run", "exec sleep 600", **serve)
    tool(tiny, server, "kept", "echo kept")
    tool(tiny, server, "lost", "echo lost")
    tiny.flavour("run, kept", name="default", namespace="one")
    tiny.flavour("lost", name="other", namespace="two")
    tiny("up", "-f", "other")
    tiny("up", "-f", "default")
    assert states() == {"run": "running", "kept": "in use", "lost": "in use"}
    tiny("destroy", "--yes", "--delete-data", "--platform", "native.two")
    assert states() == {"run": "running", "kept": "in use", "lost": "unused"}
    table = tiny("store", "list")
    assert names(table.out) == [e["name"] for e in tiny("store", "list", "--json", "-q").json] and "3 entries" in table.err
    keys = {e["name"]: e["key"] for e in tiny("store", "list", "--json", "-q").json}
    dry = tiny("store", "gc", "--dry-run")
    assert dry.out == keys["lost"] + "\n" and "would remove 1 entries" in dry.err and states()["lost"] == "unused"
    assert tiny("store", "verify").out.count("ok ") == 3
    assert tiny("store", "verify", "kept").out == f"ok       {keys['kept']}\n"
    assert tiny("store", "gc").out == keys["lost"] + "\n" and set(states()) == {"run", "kept"}
    # another home on the same store knows no record of ours: what runs is held by its shim
    stranger = {"DATA_MILL_HOME": str(tiny.home / "other"), "DATA_MILL_STORE": str(tiny.home / "mill" / "store")}
    assert tiny("store", "gc", env=stranger).out == keys["kept"] + "\n"
    assert states() == {"run": "running"}
    # damage is found, named, and an exit code
    file = tiny.home / "mill" / "store" / keys["run"] / "bin" / "run"
    file.chmod(0o755)
    file.write_text(file.read_text().replace("600", "601"))
    result = tiny("store", "verify", code=1)
    assert f"DAMAGED  {keys['run']}" in result.out and "bin/run" in result.out and "1 of 1 entries are damaged" in result.err
    tiny("down", "--platform", "native.one")
    tiny("destroy", "--yes", "--delete-data", "--platform", "native.one")
    assert tiny("store", "gc").out == keys["run"] + "\n" and tiny("store", "list", "--json", "-q").json == []
