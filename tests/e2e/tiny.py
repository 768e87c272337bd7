"""Platforms of tiny components: a manifest each and one Python program, nothing to install.

`Tiny` is a project folder and the program in a home of its own:

    t = Tiny(tmp)
    t.component("a")                       # one HTTP service, provides the capability `a`
    t.component("b", requires=["a"])
    t.flavour("a, b")
    t("up")

What a service does is told by its argument MODE (see SERVER), so that a manifest reads like a real one.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import conftest
import pytest

PYTHON = "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else sys.executable

# Sockets only: it listens 20 ms after its start.
SERVER = r'''
"""server.py MODE ADDRESS PORT: answers /NAME with what it knows; MODE makes it misbehave."""
import os, signal, socket, sys, time

mode, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
config, words = os.environ.get("CONFIG"), sys.argv[4:]
with open("starts", "a") as f:
    f.write("%d\n" % os.getpid())


def say(text):
    print(text, flush=True)


def read_config(*_):
    global settings
    settings = open(config).read() if config else ""
    if _:
        say("read its files again")


if mode == "exit":
    say("cannot find the flux capacitor")
    print("boom: giving up", file=sys.stderr, flush=True)
    sys.exit(3)
if mode == "crash-later" and not os.path.exists("fine"):
    open("fine", "w").close()
elif mode == "crash-later":
    say("the second start fails")
    sys.exit(4)
if mode == "signal":
    os.kill(os.getpid(), signal.SIGSEGV)
if mode == "flood":
    line = "x" * 200
    for i in range(20000):
        print(i, line)
    say("end of the flood")
if mode == "no-newline":
    sys.stdout.write("y" * 3000000)
    say("")
if mode == "eat":  # more memory than it may have: the argument after the port says how much
    kept = []
    say("eating %s MiB" % sys.argv[4])
    for i in range(int(sys.argv[4])):
        kept.append(bytearray(b"x" * (1 << 20)))
    say("full")
if mode == "fill":  # writes that many MiB beside its data
    say("writing %s MiB" % sys.argv[4])
    with open("/tmp/filler", "wb") as f:
        for i in range(int(sys.argv[4])):
            f.write(b"x" * (1 << 20))
    say("written")
    time.sleep(600)
if mode == "ignore-term":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if mode == "forks":  # a grandchild that leaves its session and its parent
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            open("stray", "w").write(str(os.getpid()))
            time.sleep(600)
        os._exit(0)
    os.wait()
read_config()
signal.signal(signal.SIGHUP, read_config)
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
if mode == "hang":
    say("thinking")
    time.sleep(600)
s.bind((address, port))
s.listen(64)
say("listening on %d" % port)
while True:
    c, _ = s.accept()
    asked = c.recv(4096).split(b" ")
    if len(asked) < 2:  # a tcp probe says nothing
        c.close()
        continue
    path = asked[1].decode()
    status = "503 Not yet" if mode == "never-ready" else "200 OK"
    body = {"/config": settings, "/environment": "".join("%s=%s\n" % i for i in sorted(os.environ.items())), "/words": "\n".join(words)}.get(path, "ok")
    if path.startswith("/say/"):
        say(path[5:])
    c.sendall(("HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (status, len(body.encode()), body)).encode())
    c.close()
'''.lstrip()

PROVISION = r'''
import json, pathlib, sys
ask = json.load(sys.stdin)
request = ask["request"]
folder = pathlib.Path(ask["services"]["server"]["dirs"]["data"])
with open(folder / "provisioned", "a") as f:
    f.write(json.dumps(request) + "\n")
json.dump({"message": "made", "values": {}}, sys.stdout)
'''.lstrip()

SMOKE = r'''
import json, sys, urllib.request
ask = json.load(sys.stdin)
(values,) = ask["provides"].values()
answer = urllib.request.urlopen(values["url"], timeout=5).read().decode()
ok = answer == "ok"
json.dump({"message": "asked", "checks": [{"name": "answers", "ok": ok, "detail": answer}]}, sys.stdout)
sys.exit(0 if ok else 1)
'''.lstrip()

_given = set()


def free_port():
    """A number below the ephemeral range that nobody listens on; never the same twice."""
    start = 20000 + (os.getpid() * 37) % 8000
    for port in range(start, start + 4000):
        if port in _given:
            continue
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port
    raise AssertionError("no free port")


def get(port, path="/"):
    return urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5).read().decode()


class Stranger:
    """Another program that holds a port."""

    def __init__(self, port):
        code = "import socket,sys,time\ns=socket.socket();s.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1);s.bind(('127.0.0.1',int(sys.argv[1])));s.listen();print('ready',flush=True);time.sleep(600)"
        self.process = subprocess.Popen([PYTHON, "-I", "-S", "-c", code, str(port)], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Tiny(conftest.Mill):
    def __init__(self, folder, home=None):
        self.project = Path(folder) / "project"
        for name in ("components", "flavours"):
            (self.project / name).mkdir(parents=True)
        (self.project / "data-mill.yaml").write_text("")
        if conftest.IS_ROOT:
            for at in (Path(folder), self.project):
                at.chmod(0o711)
        super().__init__(home or Path(folder) / "home", shared_store=False, cwd=self.project)
        self.ports, self.manifests = {}, {}

    # ---- what the project holds ----
    def component(self, name, mode="ok", requires=(), optional=(), port=None, command=(), environment=None, service=None, ready=True, **more):
        """Writes a component with the service `server`; more are keys of the manifest, service those of its service."""
        self.ports[name] = port or self.ports.get(name) or free_port()
        needs = [r if isinstance(r, str) else next(iter(r)) for r in requires]
        env = {f"{n.upper().replace('-', '_')}_URL": "${%s.url}" % n for n in needs}
        server = {
            "command": [PYTHON, "-I", "-S", "${component}/server.py", mode, "${bind}", "${port.http}", *command],
            "environment": env | (environment or {}),
            "ports": {"http": self.ports[name]},
            "resources": {"memory": "16Mi", "memory_min": "8Mi"},
            "restart": {"delay": "20ms", "max_delay": "50ms", "limit": 3, "window": "30s"},
            "stop": {"grace": "2s"},
        }
        if ready:
            server["readiness"] = {"http": {"port": "http", "path": "/"}, "period": "50ms", "timeout": "1s"}
        manifest = {
            "schema": 1,
            "name": name,
            "category": "support",
            "summary": f"the tiny server {name}",
            "version": "1.0",
            "provides": {name: {"url": "http://${host}:${port.server.http}"}},
            "requires": list(requires),
            "optional": list(optional),
            "services": {"server": server | (service or {})},
        } | more
        self.manifest(name, manifest)
        return manifest

    def manifest(self, name, manifest):
        folder = self.project / "components" / name
        folder.mkdir(exist_ok=True)
        if not isinstance(manifest, str):
            manifest = {k: v for k, v in manifest.items() if v is not None}
        self.manifests[name] = manifest
        (folder / "component.yaml").write_text(manifest if isinstance(manifest, str) else json.dumps(manifest, indent=1))
        for file, text in (("server.py", SERVER), ("provision.py", PROVISION), ("smoke.py", SMOKE)):
            if not (folder / file).exists():
                (folder / file).write_text(text)
        return folder

    def flavour(self, components, name="default", namespace="tiny", project=None, **blocks):
        """flavours/NAME.yaml; blocks are the components' (with _ for -)."""
        text = {"project": {"k8s_namespace": namespace, "flavour": components, "k8s_default_config": "native.yaml"} | (project or {})}
        text |= {k.replace("_", "-"): v for k, v in blocks.items()}
        path = self.project / "flavours" / f"{name}.yaml"
        path.write_text(json.dumps(text, indent=1))
        return path

    # ---- what runs ----
    def platform(self, name="tiny"):
        return super().platform(name)

    def folder(self, component, service="server"):
        return self.platform() / "services" / f"{component}.{service}"

    def status(self):
        """id -> its status."""
        return {s["id"]: s for s in self("status", "--json", "-q").json["services"]}

    def pids(self):
        return {i: s.get("pid") for i, s in self.status().items()}

    def states(self):
        return {i: s["state"] for i, s in self.status().items()}

    def starts(self, component):
        """How often it was started since its data were made."""
        return (self.folder(component) / "data" / "starts").read_text().count("\n")

    def empty_plan(self, *args):
        return self("plan", "--detailed-exitcode", *args, code=0)

    def actions(self, *args):
        """The steps of the plan, as "verb component.service"."""
        plan = self("plan", "--json", "-q", *args).json
        return {f"{a['action']} {a['component']}" + (f".{a['name']}" if a.get("name") else "") for a in plan["actions"]}

    def snapshot(self):
        """Every file below the platforms with its content: what "nothing was changed" means."""
        root, found = self.home / "mill", {}
        for path in sorted(root.rglob("*")) if root.exists() else ():
            kind = path.lstat()
            found[str(path.relative_to(root))] = (kind.st_mode, path.read_bytes() if path.is_file() else None)
        return found

    def clean(self):
        super().clean()
        shutil.rmtree(self.project, ignore_errors=True)


def chain(t, **more):
    """a <- b <- c, and d by itself; more are keys of a's manifest."""
    t.component("a", **more)
    t.component("b", requires=["a"])
    t.component("c", requires=["b"])
    t.component("d")
    t.flavour("a, b, c, d")


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def tiny():
    """An empty project; what it runs is ended and all of it removed."""
    folder = tempfile.mkdtemp(prefix="tiny-")
    t = Tiny(folder)
    yield t
    t.clean()
    shutil.rmtree(folder, ignore_errors=True)
