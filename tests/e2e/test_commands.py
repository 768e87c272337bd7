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
    assert by_name["minio"]["targets"] == ["native", "kubernetes"] and by_name["minio"]["tested"] and by_name["minio"]["provides"] == ["s3"]
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
    assert {"native", "default_mc", "default_uc", "multipass_uc", "aws", "gke", "minikube", "microk8s", "multipass", "kind", "k3d", "kubeconfig"} <= set(listed)
    assert listed["native"]["local"]["runtime"] == "native"
    assert listed["default_mc"]["local"]["provider"] == "minikube" and listed["default_mc"]["local"]["runtime"] == "kubernetes"
    assert listed["aws"]["remote"]["provider"] == "aws" and listed["gke"]["remote"]["provider"] == "gke"
    assert names(mill("target", "list").out) == sorted(listed)
    shown = mill("target", "show", "default_mc").out
    assert "minikube" in shown and "8192" in shown and "data-mill cluster create -l -t default_mc" in shown
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


def test_disk_budget(tiny):  # noqa: F811
    tiny.component("a", service={"resources": {"memory": "32Mi", "disk": "1Mi", "disk_max": "9Mi"}})
    tiny.flavour("a", project={"disk": "10Mi"})
    assert "disk budget" not in tiny("up").out
    found = {c["name"]: c for c in tiny("doctor", "--json", "-q").json}
    assert found["native.tiny disk"]["level"] == "ok", found
    (tiny.folder("a") / "data" / "much").write_bytes(b"x" * (9 << 20))
    found = {c["name"]: c for c in tiny("doctor", "--json", "-q").json}
    check = found["native.tiny disk"]
    assert check["level"] == "warning" and re.search(r"9\..* MiB of the disk budget of 10 MiB \(a.server 9", check["text"]), check
    result = tiny("up")
    assert re.search(r"warning: .*disk budget of 10 MiB", result.out + result.err), result


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
        assert mill("env", "--format", "json", cwd=folder).json == {"HELLO_WORLD_URL": url.rstrip("/"), "MILL_DATA_FOLDER": str(folder / "data")}
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
    # not while it runs; then it is removed, and `up` builds it again
    result = tiny("store", "verify", "--repair", code=1)
    assert "data-mill down" in result.err and states() == {"run": "running"}
    tiny("down", "--platform", "native.one")
    assert "removed 1 damaged of 1 entries" in tiny("store", "verify", "--repair").err
    tiny("up", "--platform", "native.one")
    assert tiny("store", "verify", "run").out == f"ok       {keys['run']}\n"
    tiny("down", "--platform", "native.one")
    tiny("destroy", "--yes", "--delete-data", "--platform", "native.one")
    assert keys["run"] in tiny("store", "gc").out.split() and tiny("store", "list", "--json", "-q").json == []


# ---- open ----
def stand_in(folder, name, code=0):
    """A program of that name that notes its arguments, one call a line, in NAME.calls."""
    folder.mkdir(exist_ok=True)
    path, calls = folder / name, folder / f"{name}.calls"
    path.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >>"{calls}"\nexit {code}\n')
    path.chmod(0o755)
    calls.touch()
    calls.chmod(0o666)
    return lambda: calls.read_text().splitlines()


def on_a_terminal(t, *args, **env):
    """Output of the program with a terminal as its standard output."""
    control, end = pty.openpty()
    process = subprocess.Popen([str(t.program), *map(str, args)], cwd=t.cwd, env=t.env | env, stdin=subprocess.DEVNULL, stdout=end, stderr=end)
    os.close(end)
    out = b""
    while True:
        try:
            out += os.read(control, 4096)
        except OSError:  # the last of the other side closed it
            break
    os.close(control)
    assert process.wait() == 0, out
    return out.decode().replace("\r\n", "\n")


def test_open(tiny, tmp_path):  # noqa: F811
    tiny.component("a", links=[{"title": "Console", "service": "server", "port": "http", "path": "/console"}, {"title": "API", "service": "server", "port": "http"}])
    tiny.component("b")
    tiny.flavour("a, b")
    tiny("up")
    url = f"http://127.0.0.1:{tiny.ports['a']}"
    assert re.search(rf"^a +Console +{url}/console +-$", tiny("open").out, re.M)
    assert tiny("open", "a").out == tiny("open", "a", "console").out == f"{url}/console\n"
    assert tiny("open", "a", "api", "--print").out == f"{url}/\n"
    assert "b has no page" in tiny("open", "b", code=2).err
    assert "a has no page Nowhere" in tiny("open", "a", "Nowhere", code=2).err
    assert "no component 'c'" in tiny("open", "c", code=2).err
    opened = stand_in(tmp_path / "bin", "xdg-open")
    path = f"{tmp_path / 'bin'}:{tiny.env['PATH']}"
    tiny("open", "a", env={"PATH": path, "DISPLAY": ":0"})
    assert on_a_terminal(tiny, "open", "a", "--print", PATH=path, DISPLAY=":0") == f"{url}/console\n"
    assert on_a_terminal(tiny, "open", "a", PATH=path) == f"{url}/console\n"
    assert opened() == [], "only on a desktop's terminal, and not with --print"
    on_a_terminal(tiny, "open", "a", PATH=path, DISPLAY=":0")
    wait_for(opened, what="the browser")
    assert opened() == [f"{url}/console"]


# ---- enable, disable ----
def verify_unit(path, *args):
    if not shutil.which("systemd-analyze"):
        return
    done = subprocess.run(["systemd-analyze", *args, "verify", str(path)], capture_output=True, text=True, env=os.environ | {"XDG_RUNTIME_DIR": "/tmp"})
    about = [line for line in done.stderr.splitlines() if path.name in line]
    assert not about, done.stderr


def unit_of(text):
    """A unit's keys; the value of one that is repeated is a list."""
    found = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


def check_unit(path, home, wanted_by):
    unit = unit_of(path.read_text())
    (start,), (stop,) = unit["ExecStart"], unit["ExecStop"]
    assert start == f'"{PROGRAM}" start --platform native.tiny' and stop == f'"{PROGRAM}" down --platform native.tiny'
    assert unit["WantedBy"] == [wanted_by] and unit["Type"] == ["oneshot"] and unit["RemainAfterExit"] == ["yes"]
    assert f'"DATA_MILL_HOME={home}"' in [v.replace("%%", "%") for v in unit["Environment"]]


USER = 65534  # nobody


def as_user(t, folder, *args, **env):
    """Runs the program as an ordinary user (as root: as one that we become) whose home is `folder`."""
    who = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--"] if IS_ROOT else []
    environment = {k: v for k, v in t.env.items() if k != "DATA_MILL_STORE"} | {"HOME": str(folder), "DATA_MILL_HOME": str(folder / "mill")} | env
    return subprocess.run([*who, str(PROGRAM), *args], cwd="/", env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)


@pytest.fixture
def recorded(tiny):  # noqa: F811
    """A platform that is down, and its like in the home of an ordinary user, whose path wants quoting."""
    tiny.component("a")
    tiny.flavour("a")
    tiny("up")
    tiny("down")
    folder = tiny.project.parent / "u s%r"
    folder.mkdir()
    shutil.copytree(tiny.home / "mill" / "platforms" / "native.tiny", folder / "mill" / "platforms" / "native.tiny", symlinks=True)
    if IS_ROOT:
        subprocess.run(["chown", "-R", f"{USER}:{USER}", folder], check=True)
    return tiny, folder


def reachable(path):
    """Whether an ordinary user can run it: a checkout below /root cannot be looked into."""
    return all(p.stat().st_mode & 0o005 == 0o005 for p in [path, *path.parents])


@pytest.mark.skipif(IS_ROOT and not reachable(PROGRAM), reason="an ordinary user cannot run this build")
@pytest.mark.skipif(Path("/run/systemd/system").exists(), reason="systemd runs: it would be asked")
def test_enable_for_a_user(recorded):
    t, folder = recorded
    done = as_user(t, folder, "enable")
    units = folder / ".config" / "systemd" / "user"
    unit, link = units / "data-mill-native.tiny.service", units / "default.target.wants" / "data-mill-native.tiny.service"
    assert done.returncode == 0 and done.stdout == f"{unit}\n{link}\n" and "systemd does not run here" in done.stderr, done
    assert link.is_symlink() and link.resolve() == unit
    check_unit(unit, folder / "mill", "default.target")
    verify_unit(unit, "--user")
    text = unit.read_text()
    assert as_user(t, folder, "enable").returncode == 0 and unit.read_text() == text, "once more is fine"
    done = as_user(t, folder, "disable")
    assert done.returncode == 0 and not unit.exists() and not link.is_symlink()
    assert "was not enabled" in as_user(t, folder, "disable").stderr
    elsewhere = as_user(t, folder, "enable", XDG_CONFIG_HOME=str(folder / "config"))
    assert elsewhere.stdout.startswith(f"{folder}/config/systemd/user/"), elsewhere


# In a mount namespace of its own: systemd "runs", /etc/systemd/system is a folder of ours.
NAMESPACE = """
set -e
mount -t tmpfs none /run && mkdir -p /run/systemd/system
mount --bind "$1" /etc/systemd/system
shift
exec "$@"
"""


def in_namespace(units, *command, **kw):
    return subprocess.run(["unshare", "-m", "sh", "-c", NAMESPACE, "sh", str(units), *map(str, command)], capture_output=True, text=True, stdin=subprocess.DEVNULL, **kw)


@pytest.mark.skipif(not IS_ROOT, reason="mounts")
def test_enable_with_systemd(recorded):
    t, folder = recorded
    base = t.project.parent
    units, tools = base / "units", base / "bin"
    units.mkdir()
    if in_namespace(units, "true").returncode:
        pytest.skip("this root may not mount")
    tools.mkdir()
    tools.chmod(0o755)
    systemctl, loginctl = stand_in(tools, "systemctl"), stand_in(tools, "loginctl")
    env = t.env | {"PATH": f"{tools}:{t.env['PATH']}"}
    # root: a unit of the machine
    done = in_namespace(units, PROGRAM, "enable", env=env)
    unit = units / "data-mill-native.tiny.service"
    assert done.returncode == 0 and done.stdout.splitlines()[0] == f"/etc/systemd/system/{unit.name}", done
    assert "platform native.tiny is enabled" in done.stderr
    assert (units / "multi-user.target.wants" / unit.name).is_symlink()
    check_unit(unit, t.home / "mill", "multi-user.target")
    verify_unit(unit)
    assert systemctl() == ["daemon-reload"] and loginctl() == []
    done = in_namespace(units, PROGRAM, "disable", env=env)
    assert done.returncode == 0 and not list(units.rglob("data-mill*")) and systemctl() == ["daemon-reload"] * 2
    # an ordinary user: their own unit, with linger
    if reachable(PROGRAM):
        user = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--", PROGRAM]
        env |= {"HOME": str(folder), "DATA_MILL_HOME": str(folder / "mill")}
        done = in_namespace(units, *user, "enable", env=env)
        assert done.returncode == 0 and not list(units.rglob("data-mill*")), done
        assert systemctl()[2:] == ["--user daemon-reload"] and loginctl() == ["enable-linger nobody"]
        assert "linger is on for nobody" in done.stderr
        stand_in(tools, "loginctl", code=1)
        done = in_namespace(units, *user, "enable", env=env)
        assert done.returncode == 0 and "without linger it starts at the first login of nobody" in done.stderr, done
    # what systemd's tools say is told, and stops nothing
    stand_in(tools, "systemctl", code=1)
    done = in_namespace(units, PROGRAM, "enable", env=t.env | {"PATH": f"{tools}:{t.env['PATH']}"})
    assert done.returncode == 0 and "warning: systemctl daemon-reload: exit code 1" in done.stderr, done
    # the unit's own commands bring the platform up and down
    command = unit_of(unit.read_text())
    for key, state in (("ExecStart", "ready"), ("ExecStop", "stopped")):
        subprocess.run(command[key][0].replace('"', "").split(), env={"DATA_MILL_HOME": str(t.home / "mill"), "PATH": env["PATH"]}, check=True)
        assert t.states() == {"a.server": state}


# ---- completion ----
def bash_complete(t, folder, *words):
    """What bash offers for the last word, by the script that the program prints."""
    script = """
source <(data-mill completion bash)
complete -p data-mill >/dev/null || exit 3
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
_data_mill data-mill "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
((${#COMPREPLY[@]})) && printf '%s\\n' "${COMPREPLY[@]}"
true
"""
    done = subprocess.run(["bash", "--norc", "-c", script, "bash", "data-mill", *words], cwd=folder, capture_output=True, text=True,
                          env=t.env | {"PATH": f"{PROGRAM.parent}:{t.env['PATH']}"})
    assert done.returncode == 0 and not done.stderr, done
    return done.stdout.splitlines()


def test_completion_bash(tiny, tmp_path):  # noqa: F811
    tiny.component("alpha")
    tiny.component("beta")
    tiny.flavour("alpha", name="mine")
    tiny("up", "-f", "mine")

    def offered(*words):
        return bash_complete(tiny, tiny.project, *words)

    assert offered("comp") == ["component", "completion"]
    assert {"up", "down", "status", "data"} <= set(offered("")) and "proxy" not in offered("") and "__complete" not in offered("")
    assert offered("component", "") == ["list", "show", "new", "validate", "relock", "schema"]
    assert offered("component", "show", "alp") == ["alpha"] and {"alpha", "beta", "minio"} <= set(offered("component", "show", ""))
    assert offered("up", "--dr") == ["--dry-run"] and {"--prune", "--json", "-f"} <= set(offered("up", "-"))
    assert {"mine", "datalake", "default", "small"} <= set(offered("up", "-f", ""))
    assert offered("up", "-f", "mi") == ["mine"] and offered("up", "--flavour", "=", "mi") == ["mine"]
    assert offered("plan", "-c", "be") == ["beta"]
    assert offered("logs", "alpha.") == ["alpha.server"]
    assert offered("status", "--platform", "") == ["native.tiny"]
    assert {"native", "aws", "gke"} <= set(offered("up", "-t", ""))
    assert offered("env", "--format", "") == ["sh", "dotenv", "json"]
    assert offered("completion", "") == ["bash", "zsh", "fish"] and offered("completion", "bash", "") == []
    (tmp_path / "my file").touch()
    (tmp_path / "my folder").mkdir()
    assert sorted(bash_complete(tiny, tmp_path, "up", "--kubeconfig", "my")) == ["my file", "my folder"]
    assert bash_complete(tiny, tmp_path, "init", "my") == ["my folder"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_valid(mill, shell, tmp_path):
    script = tmp_path / "script"
    script.write_text(mill("completion", shell).out)
    assert "data-mill" in script.read_text()
    if not shutil.which(shell):
        pytest.skip(f"no {shell} here")
    done = subprocess.run([shell, "-n", script], capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done


# ---- self-install ----
def test_self_install(tmp_path):
    """The program of a checkout that is gone: it finds all it needs below its prefix."""
    top = tmp_path / "a checkout"
    shutil.copytree(PROGRAM.parent, top / "build", ignore=lambda d, names: [n for n in names if not n.startswith("data-mill") or n.endswith(".p")])
    for name in ("components", "flavours", "k8s", "data", "docs"):
        shutil.copytree(ROOT / name, top / name)
    for path in [tmp_path, *tmp_path.parents]:
        if str(path).startswith("/tmp/"):
            path.chmod(0o755)
    prefix = tmp_path / "prefix é"
    first = Mill(tmp_path / "home", program=top / "build" / "data-mill", cwd=tmp_path)
    first.env["DATA_MILL_ROOT"] = str(top)
    listed = first("self-install", prefix).out.splitlines()
    assert listed and all(Path(line).exists() and line.startswith(str(prefix)) for line in listed)
    shutil.rmtree(top)
    t = Mill(tmp_path / "home", program=prefix / "bin" / "data-mill", cwd=tmp_path)
    try:
        assert "minio" in names(t("component", "list").out) and "datalake" in names(t("flavour", "list").out)
        assert t("component", "show", "minio", "--json").json["folder"] == str(prefix / "share/data-mill/components/minio")
        for file in ("share/man/man1/data-mill.1", "share/bash-completion/completions/data-mill", "share/zsh/site-functions/_data-mill",
                     "share/fish/vendor_completions.d/data-mill.fish", "lib/data-mill/data-mill-net.so", "bin/data-mill-daemon", "bin/data-mill-shim"):
            assert (prefix / file).stat().st_size > 0, file
        assert (prefix / "share/bash-completion/completions/data-mill").read_text() == t("completion", "bash").out
        assert (prefix / "share/man/man1/data-mill.1").read_text().startswith(".")
        assert t("doctor", "-f", "small").out.splitlines()[-1].startswith("0 errors")
        # it runs platforms, with its own daemon and shim, and installs itself again
        project = tmp_path / "project"
        t("init", project)
        t("component", "new", "hello", cwd=project)
        t("up", "-c", "hello", cwd=project, timeout=600)
        commands = [command for _, command in t.processes()]
        assert any("data-mill-daemon" in c for c in commands) and any("data-mill-shim" in c for c in commands)
        assert "1 ok" in t("test", cwd=project).out
        again = t("self-install", prefix, code=2)
        assert "already is the one" in again.err
        other = tmp_path / "other"
        t("self-install", other)
        before = {p.relative_to(prefix): p.stat().st_mode for p in prefix.rglob("*")}
        assert before == {p.relative_to(other): p.stat().st_mode for p in other.rglob("*")}
        moved = Mill(tmp_path / "home", program=other / "bin" / "data-mill", cwd=tmp_path)
        assert moved("version").out == t("version").out
        moved("self-install", prefix)
        assert "1 ok" in t("test", cwd=project).out, "what runs is not disturbed"
    finally:
        t("down", "--platform", "native.project", check=False)
        t.clean()
