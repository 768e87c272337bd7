"""The control socket and the daemon's own life: hostile clients, two daemons, replacement, removed folders."""

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest
from platform_fixture import DAEMON, SHIM, Place, alive, until

SH = "/bin/sh"
ALIVE = [SH, "-c", "echo here; exec sleep 600"]


@pytest.fixture
def platform():
    with Place() as p:
        p.service("a.s", ALIVE)
        p.start_daemon()
        yield p


def raw(p):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20)
    s.connect(p.record()["socket"])
    return s


def daemons(p):
    return [pid for pid, kind in p.processes().items() if kind == "data-mill-daemon"]


def gone(p):
    until(lambda: not daemons(p), what="the daemon is gone")


# ---- requests ----

BAD = [
    (b"\n", "expected"),
    (b"hello\n", "expected"),
    (b"[]\n", "object"),
    (b'{"v": 1, "id": 1}\n', "op"),
    (b'{"v": 1, "id": 1, "op": "explode"}\n', "no such op"),
    (b'{"v": 99, "id": 1, "op": "status"}\n', "protocol"),
    (b'{"v": 1, "id": 1, "op": "start"}\n', "services"),
    (b'{"v": 1, "id": 1, "op": "start", "services": "a.s"}\n', "services"),
    (b'{"v": 1, "id": 1, "op": "start", "services": ["../../etc"]}\n', ""),
    (b'{"v": 1, "id": 1, "op": "wait", "services": ["a.s"], "for": "godot"}\n', ""),
    (b'{"v": 1, "id": 1, "op": "status", "services": [' + b'"a.s",' * 600 + b'"a.s"]}\n', ""),
    (b'{"v": 1, "id": 1, "op": "status", "x": ' + b"[" * 5000 + b"\n", "depth"),
    (b"\xff\xfe\x00\n", "decode"),
]


@pytest.mark.parametrize("line, word", BAD, ids=range(len(BAD)))
def test_bad_requests_are_refused_with_a_reason(platform, line, word):
    with raw(platform) as s:
        s.sendall(line)
        answer = json.loads(s.makefile().readline())
    assert answer["ok"] is False and answer["code"] and word.lower() in answer["error"].lower(), answer
    assert platform.call("hello")["ok"]


def test_a_line_that_is_too_long_ends_the_connection(platform):
    with raw(platform) as s:
        try:
            for _ in range(64):
                s.sendall(b"x" * 65536)
            rest = s.makefile("rb").read()
        except (BrokenPipeError, ConnectionResetError):
            rest = b""
        assert rest.count(b"\n") <= 1
    assert platform.call("hello")["ok"]


def test_half_a_request_and_a_client_that_leaves(platform):
    s = raw(platform)
    s.sendall(b'{"v": 1, "id": 1, "op": "st')
    assert platform.call("hello")["ok"]
    s.close()
    s = raw(platform)
    s.sendall(b'{"v": 1, "id": 1, "op": "start", "services": ["a.s"]}\n')
    s.close()
    assert platform.call("hello")["ok"]


def test_several_requests_in_one_write(platform):
    with raw(platform) as s:
        s.sendall(b"".join(b'{"v": 1, "id": %d, "op": "hello"}\n' % i for i in range(50)))
        lines = s.makefile()
        assert {json.loads(lines.readline())["id"] for _ in range(50)} == set(range(50))


def test_many_clients(platform):
    """Beyond its ceiling it refuses, and serves again when there is room."""
    clients = []
    try:
        for _ in range(300):
            clients.append(raw(platform))
    except OSError:
        pass
    for s in clients:
        s.close()

    def answer():
        try:
            return platform.call("hello")
        except ConnectionError:  # it has not seen all of them go yet
            return None

    until(answer, what="an answer once they are gone")


def test_only_its_owner_may_ask(platform):
    assert os.stat(platform.record()["socket"]).st_mode & 0o777 == 0o600
    if os.getuid() != 0:
        pytest.skip("needs root to become somebody else")
    # the way to the socket is opened, so that it is the daemon that looks at who asks
    path = platform.record()["socket"]
    part = os.path.dirname(path)
    while part != "/":
        os.chmod(part, os.stat(part).st_mode | 0o055)
        part = os.path.dirname(part)
    os.chmod(path, 0o666)
    code = "import os,socket,sys\nos.setgid(65534);os.setuid(65534)\ns=socket.socket(socket.AF_UNIX);s.settimeout(10);s.connect(sys.argv[1])\ntry:\n s.sendall(b'{\"v\":1,\"id\":1,\"op\":\"quit\"}\\n');print(s.recv(4096).decode())\nexcept OSError as e: print(e)"
    done = subprocess.run(["/usr/bin/python3", "-c", code, path], capture_output=True, text=True, check=True)
    assert '"ok": true' not in done.stdout and '"ok":true' not in done.stdout
    assert platform.call("hello")["ok"], "it did not quit"


# ---- events ----


def test_events_since(platform):
    platform.start("a.s")
    platform.wait("a.s")
    history = platform.events()
    assert [e["seq"] for e in history] == list(range(1, len(history) + 1))
    with platform.connect() as c:
        assert c.call("events", since=2)["ok"]
        assert [c.event()["seq"] for _ in range(len(history) - 2)] == [e["seq"] for e in history[2:]]
        platform.call("stop", services=["a.s"])
        live = c.event()
        assert live["seq"] == len(history) + 1 and live["to"] == "stopping"


def test_numbers_go_on_across_daemons(platform):
    platform.start("a.s")
    platform.wait("a.s")
    last = platform.events()[-1]["seq"]
    old = platform.record()["pid"]
    os.kill(old, signal.SIGKILL)
    until(lambda: platform.record()["pid"] != old)
    until(lambda: platform.events()[-1]["seq"] > last)
    numbers = [e["seq"] for e in platform.events()]
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_reader_that_does_not_read_blocks_nobody(platform):
    with raw(platform) as lazy:
        lazy.sendall(b'{"v": 1, "id": 1, "op": "events", "since": 0}\n')
        for _ in range(60):
            platform.call("restart", services=["a.s"])
        assert platform.call("hello")["ok"]


def test_answers_while_a_stop_takes_its_time(platform):
    platform.service("slow.s", [SH, "-c", 'trap "" TERM; echo here; while :; do sleep 0.05; done'], stop={"signal": 15, "grace_ms": 700})
    platform.start("slow.s")
    platform.wait("slow.s")
    stopper = threading.Thread(target=lambda: platform.call("stop", services=["slow.s"]))
    stopper.start()
    until(lambda: platform.status("slow.s")["state"] == "stopping")
    assert platform.start("a.s")["a.s"]["ok"]
    stopper.join()
    assert platform.status("slow.s")["state"] == "stopped"


def test_reload(platform):
    folder = platform.service("r.s", [SH, "-c", 'trap "echo again >>said" HUP; echo here; while :; do sleep 0.02; done'], reload={"signal": 1})
    platform.start("r.s")
    platform.wait("r.s")
    pid = platform.status("r.s")["pid"]
    assert platform.call("reload", services=["r.s"])["ok"]
    until(lambda: (folder / "data/said").exists())
    assert platform.status("r.s")["pid"] == pid
    assert any(e["event"] == "reload" and e["service"] == "r.s" for e in platform.events())
    refused = platform.call("reload", services=["a.s"])
    assert not refused.get("ok") or not refused["results"][0]["ok"], "nothing to signal"


# ---- one daemon a platform ----


def test_a_second_daemon_is_refused(platform):
    done = subprocess.run([DAEMON, "--shim", SHIM, platform.dir], capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL)
    assert done.returncode == 1
    assert "daemon.lock" in (platform.dir / "run/daemon.log").read_text()
    assert len(daemons(platform)) == 1


def test_many_daemons_at_once_leave_one(platform):
    platform.call("quit")
    gone(platform)
    started = [
        subprocess.Popen(["setsid", "--fork", str(DAEMON), "--shim", str(SHIM), str(platform.dir)], stdin=subprocess.DEVNULL) for _ in range(12)
    ]
    for s in started:
        s.wait()
    until(lambda: len(daemons(platform)) == 1, 20, what="one")
    until(lambda: platform.call("hello"), what="and it answers")


def test_quit_leaves_the_services_to_a_successor(platform):
    platform.start("a.s")
    platform.wait("a.s")
    before = platform.status("a.s")
    platform.call("quit")
    gone(platform)
    assert alive(before["pid"])
    platform.start_daemon()
    platform.wait("a.s")
    after = platform.status("a.s")
    assert (after["pid"], after["state"], after["restarts"]) == (before["pid"], "ready", 0)


def test_term_takes_the_platform_down(platform):
    platform.start("a.s")
    platform.wait("a.s")
    os.kill(platform.record()["pid"], signal.SIGTERM)
    until(lambda: not platform.processes(), what="nothing is left")
    platform.start_daemon()
    assert platform.status("a.s")["state"] in ("ready", "running", "starting"), "it is still wanted"


def test_down_is_final(platform):
    """No shim brings a daemon back that was taken down, however the kills fall."""
    platform.start("a.s")
    platform.wait("a.s")
    assert platform.call("down")["ok"]
    until(lambda: not platform.processes(), what="nothing is left")
    time.sleep(0.3)
    assert not platform.processes()


def test_the_folder_is_removed_under_it(platform):
    platform.start("a.s")
    platform.wait("a.s")
    shutil.rmtree(platform.dir)
    until(lambda: not platform.processes(), what="nothing is left")
    assert not platform.dir.exists(), "nobody makes it again"


def test_state_of_a_newer_version_is_refused(platform):
    platform.call("quit")
    gone(platform)
    platform.write(platform.dir / "desired.json", {"v": 99, "services": []})
    with pytest.raises(AssertionError, match="newer"):
        platform.start_daemon()
    platform.write(platform.dir / "desired.json", {"v": 1, "services": []})
    (platform.dir / "desired.json").write_text("{")
    with pytest.raises(AssertionError, match="desired.json"):
        platform.start_daemon()
