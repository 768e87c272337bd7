"""A platform folder made by hand, its real daemon and shims, and a client of the control socket."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

BUILD = Path(os.environ.get("MILL_BUILD") or Path(__file__).resolve().parents[2] / "build-test")
DAEMON = BUILD / "src" / "data-mill-daemon"
SHIM = BUILD / "src" / "data-mill-shim"


def proc_stat(pid):
    """(state, ppid, start time) of a process, or None."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text[text.rindex(")") + 2:].split()
    return fields[0], int(fields[1]), int(fields[19])


def alive(pid):
    stat = proc_stat(pid)
    return stat is not None and stat[0] not in "ZX"


def until(condition, timeout=10.0, every=0.01, what=""):
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(every)
    raise AssertionError(f"not within {timeout} s: {what or condition}")


class Client:
    """One connection; answers are matched by id, events are kept apart."""

    def __init__(self, path, timeout=30):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(timeout)
        self.sock.connect(path)
        self.file = self.sock.makefile("r", encoding="utf-8")
        self.id = 0

    def call(self, op, **fields):
        self.id += 1
        request = {"v": 1, "id": self.id, "op": op, **fields}
        self.sock.sendall((json.dumps(request) + "\n").encode())
        while True:
            line = self.file.readline()
            if not line:
                raise ConnectionError("the daemon closed the connection")
            answer = json.loads(line)
            if answer.get("id") == self.id:
                return answer

    def event(self):
        line = self.file.readline()
        if not line:
            raise ConnectionError("the daemon closed the connection")
        return json.loads(line)

    def close(self):
        self.file.close()
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


class Platform:
    def __init__(self, parent, name="native.test"):
        self.dir = Path(parent) / name
        (self.dir / "services").mkdir(parents=True)
        self.desired = {}

    # ---- what the command line would write ----

    def service(self, id, command, after=(), wanted="up", **spec):
        folder = self.dir / "services" / id
        (folder / "data").mkdir(parents=True, exist_ok=True)
        base = {
            "spec": 1, "id": id, "component": id.split(".")[0], "service": id.split(".")[1],
            "platform": "native.test", "platform_dir": str(self.dir), "dir": str(folder),
            "fingerprint": "0" * 64, "command": [str(c) for c in command],
            "environment": {"PATH": os.environ["PATH"]}, "cwd": str(folder / "data"),
            "restart": {"policy": "always", "delay_ms": 50, "max_delay_ms": 200, "limit": 5, "window_ms": 60000},
            "stop": {"signal": 15, "grace_ms": 2000}, "after": list(after),
        }
        base.update(spec)
        self.write(folder / "spec.json", base)
        self.want(id, wanted, after)
        return folder

    def want(self, id, wanted, after=None):
        entry = self.desired.setdefault(id, {"id": id, "after": []})
        entry["wanted"] = wanted
        if after is not None:
            entry["after"] = list(after)
        self.write(self.dir / "desired.json", {"v": 1, "services": list(self.desired.values()), "tasks": {}})

    @staticmethod
    def write(path, value):
        new = path.with_name(path.name + ".new")
        new.write_text(json.dumps(value, ensure_ascii=False))
        new.rename(path)

    # ---- the daemon ----

    def start_daemon(self, *options, env=None, daemon=None):
        """Started as nobody's child; returns once it listens."""
        read, write = os.pipe()
        environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
        environment.update({k: v for k, v in os.environ.items() if k in ("ASAN_OPTIONS", "UBSAN_OPTIONS")})
        environment.update(env or {})
        subprocess.run(
            ["setsid", "--fork", str(daemon or DAEMON), "--shim", str(SHIM), "--ready-fd", str(write), *options,
             str(self.dir)],
            pass_fds=[write], env=environment, check=True)
        os.close(write)
        with os.fdopen(read) as ready:
            said = ready.readline().strip()
        assert said == "ok", said or (self.dir / "run/daemon.log").read_text()
        return self.record()

    def record(self):
        return json.loads((self.dir / "run/daemon.json").read_text())

    def connect(self, timeout=30):
        return Client(self.record()["socket"], timeout)

    def call(self, op, **fields):
        with self.connect() as client:
            return client.call(op, **fields)

    def start(self, *ids):
        answer = self.call("start", services=list(ids))
        assert answer["ok"], answer
        return {r["id"]: r for r in answer["results"]}

    def wait(self, *ids, state="ready", timeout_ms=10000):
        answer = self.call("wait", services=list(ids), timeout_ms=timeout_ms, **{"for": state})
        assert answer["ok"], answer
        return {r["id"]: r for r in answer["results"]}

    def status(self, id=None):
        services = {s["id"]: s for s in self.call("status")["services"]}
        return services if id is None else services[id]

    def shim_status(self, id):
        try:
            return json.loads((self.dir / "services" / id / "run/status.json").read_text())
        except FileNotFoundError:
            return None

    def log(self, id):
        """Lines as (stream, text), oldest first."""
        folder = self.dir / "services" / id / "log"
        files = sorted((f for f in folder.iterdir() if f.name.isdigit()), key=lambda f: -int(f.name))
        lines = []
        for file in [*files, folder / "current"]:
            if file.exists():
                for line in file.read_text(errors="replace").splitlines():
                    lines.append((line[25:26], line[27:]))
        return lines

    def events(self):
        lines = []
        for name in ("events.1.jsonl", "events.jsonl"):
            file = self.dir / "run" / name
            if file.exists():
                lines += [json.loads(line) for line in file.read_text().splitlines() if line.strip()]
        return lines

    def processes(self):
        """Every process that belongs to this platform: marker, shim or daemon."""
        found = {}
        marker = b"DATA_MILL_SERVICE=" + os.fsencode(self.dir) + b"/"
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                environ = Path(f"/proc/{entry}/environ").read_bytes()
                command = Path(f"/proc/{entry}/cmdline").read_bytes().split(b"\0")
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
            if not alive(int(entry)):
                continue
            name = os.path.basename(command[0])
            here = any(os.fsencode(self.dir) in word for word in command)
            if any(v.startswith(marker) for v in environ.split(b"\0")):
                found[int(entry)] = "service"
            elif name in (b"data-mill-daemon", b"data-mill-shim") and here:
                found[int(entry)] = name.decode()
        return found

    def end(self):
        """Whatever the test left is ended, by pid."""
        for _ in range(50):
            left = self.processes()
            if not left:
                break
            for pid in sorted(left, key=lambda p: left[p] != "data-mill-daemon"):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.02)
        return not self.processes()


class Place:
    """A temporary folder with a platform in it."""

    def __init__(self, **options):
        self.options = options

    def __enter__(self):
        base = self.options.pop("base", None) or os.environ.get("TMPDIR", "/tmp")
        self.top = tempfile.mkdtemp(prefix="mill-faults-", dir=base)
        inside = Path(self.top) / self.options.pop("inside", ".")
        inside.mkdir(parents=True, exist_ok=True)
        self.platform = Platform(inside.resolve(), **self.options)
        return self.platform

    def __exit__(self, *unused):
        clean = self.platform.end()
        shutil.rmtree(self.top, ignore_errors=True)
        assert clean, "processes of the platform could not be ended"
