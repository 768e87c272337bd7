"""Services that do not behave, under the real daemon and shim."""

import json
import os
import signal
import socket

import pytest
from platform_fixture import Place, alive, until

PYTHON = "/usr/bin/python3"
SH = "/bin/sh"
NEVER = {"policy": "never"}
ALIVE = "echo here; exec sleep 600"
PROBE = {"period_ms": 20, "timeout_ms": 1000, "failures": 2, "successes": 1}


@pytest.fixture
def platform():
    with Place() as p:
        p.start_daemon()
        yield p


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def up(p, *ids, timeout_ms=20000):
    p.start(*ids)
    return p.wait(*ids, timeout_ms=timeout_ms)


def states(p, id):
    return [e["to"] for e in p.events() if e.get("service") == id and e["event"] == "state"]


# ---- readiness ----

HTTP = r"""
import socket, sys
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", int(sys.argv[1])))
s.listen()
n = 0
while True:
    c, _ = s.accept()
    c.recv(4096)
    n += 1
    c.sendall(b"HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % (b"200 OK" if n > 3 else b"503 Wait"))
    c.close()
"""

NOTIFY = r"""
import os, signal, socket, sys, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.connect(os.environ["NOTIFY_SOCKET"])
s.send(b"STATUS=READY=1 is not said yet")
while not os.path.exists("go"):
    time.sleep(0.01)
s.send(b"STATUS=fine\nREADY=1\n")
signal.pause()
"""


def test_http_is_ready_when_the_status_is_in_range(platform):
    port = free_port()
    probe = PROBE | {"type": "http", "host": "127.0.0.1", "port": port, "path": "/ready", "status": [200, 299]}
    platform.service("a.s", [PYTHON, "-I", "-S", "-c", HTTP, port], probes={"readiness": probe})
    assert up(platform, "a.s")["a.s"]["ok"]
    assert states(platform, "a.s") == ["starting", "running", "ready"]


def test_a_probe_that_fails_later_and_recovers(platform):
    folder = platform.service(
        "a.s", [SH, "-c", "touch well; exec sleep 600"], probes={"readiness": PROBE | {"type": "exec", "command": [SH, "-c", "test -e well"]}}
    )
    up(platform, "a.s")
    (folder / "data/well").unlink()
    until(lambda: platform.status("a.s")["state"] == "unhealthy")
    (folder / "data/well").touch()
    until(lambda: platform.status("a.s")["state"] == "ready")
    said = [(e["probe"], e["result"]) for e in platform.events() if e["event"] == "probe"]
    assert said == [("readiness", "failure")], "the first failure only: the rest is told by the states"
    assert states(platform, "a.s") == ["starting", "running", "ready", "unhealthy", "ready"]
    assert platform.status("a.s")["restarts"] == 0


def test_tcp(platform):
    port = free_port()
    code = "import socket,sys,time\ntime.sleep(0.1)\ns=socket.socket();s.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1);s.bind(('127.0.0.1',int(sys.argv[1])));s.listen();time.sleep(600)"
    platform.service("a.s", [PYTHON, "-I", "-S", "-c", code, port], probes={"readiness": PROBE | {"type": "tcp", "host": "127.0.0.1", "port": port}})
    assert up(platform, "a.s")["a.s"]["ok"]
    with socket.create_connection(("127.0.0.1", port)):
        pass


PATIENT = r"""
import socket, sys, time
while True:
    s = socket.socket()
    try:
        s.bind(("127.0.0.1", int(sys.argv[1])))
        break
    except OSError:
        s.close()
        time.sleep(0.05)
s.listen()
time.sleep(600)
"""


def test_a_strangers_answer_does_not_make_it_ready(platform):
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        port = stranger.getsockname()[1]
        probe = PROBE | {"type": "tcp", "host": "127.0.0.1", "port": port}
        platform.service("a.s", [PYTHON, "-I", "-S", "-c", PATIENT, port], probes={"readiness": probe})
        result = up(platform, "a.s", timeout_ms=700)["a.s"]
        assert not result["ok"] and f"port {port} is held by pid {os.getpid()}" in result["reason"], result
    assert platform.wait("a.s", timeout_ms=20000)["a.s"]["ok"]


def test_exec_runs_in_the_services_environment(platform):
    folder = platform.service(
        "a.s",
        [SH, "-c", "sleep 0.1; touch up; exec sleep 600"],
        probes={"readiness": PROBE | {"type": "exec", "command": [SH, "-c", 'test -e up && test "$KEY" = value']}},
        environment={"PATH": os.environ["PATH"], "KEY": "value"},
    )
    assert up(platform, "a.s")["a.s"]["ok"] and (folder / "data/up").exists()


def test_log_counts_only_lines_of_this_start(platform):
    folder = platform.service(
        "a.s",
        [SH, "-c", "test -e second && { sleep 0.2; touch late; echo Started; }; touch second; test -e late || echo Started; exec sleep 600"],
        probes={"readiness": PROBE | {"type": "log", "pattern": "^Start(ed|ing)$"}},
    )
    assert up(platform, "a.s")["a.s"]["ok"]
    platform.call("restart", services=["a.s"])
    assert platform.wait("a.s")["a.s"]["ok"]
    assert (folder / "data/late").exists(), "the first start's line made nobody ready"


def test_notify(platform):
    folder = platform.service("a.s", [PYTHON, "-I", "-S", "-c", NOTIFY], probes={"readiness": PROBE | {"type": "notify"}})
    platform.start("a.s")
    until(lambda: platform.status("a.s")["state"] == "running")
    assert not platform.wait("a.s", timeout_ms=300)["a.s"]["ok"], "READY=1 inside another value is none"
    (folder / "data/go").touch()
    assert platform.wait("a.s")["a.s"]["ok"]


# ---- ends ----


def test_one_that_exits_at_once_fails_with_its_last_words(platform):
    platform.service("a.s", [SH, "-c", "echo cannot find the flux capacitor; echo giving up >&2; exit 3"], restart={"policy": "always", "delay_ms": 5, "max_delay_ms": 10, "limit": 3, "window_ms": 60000})
    result = up(platform, "a.s")["a.s"]
    assert not result["ok"] and result["state"] == "failed"
    assert "crash loop: 3 exits" in result["reason"] and "exit code 3" in result["reason"]
    assert any("flux capacitor" in line for line in result["log"]) and any("giving up" in line for line in result["log"])
    assert states(platform, "a.s").count("backoff") == 2
    again = up(platform, "a.s")["a.s"]
    assert not again["ok"] and states(platform, "a.s").count("failed") == 2, "asked again, it is tried again"


def test_the_delay_doubles_up_to_its_most(platform):
    platform.service("a.s", [SH, "-c", "exit 1"], restart={"policy": "always", "delay_ms": 10, "max_delay_ms": 50, "limit": 6, "window_ms": 60000})
    up(platform, "a.s")
    backoffs = [e for e in platform.events() if e.get("to") == "backoff"]
    stamps = [e["retry_ms"] for e in backoffs]
    # retry_ms is when: the event's own time plus the delay, in whole milliseconds
    from datetime import datetime

    delays = [r - round(datetime.fromisoformat(e["time"]).timestamp() * 1000) for r, e in zip(stamps, backoffs)]
    assert [min((10, 20, 40, 50), key=lambda d: abs(d - x)) for x in delays] == [10, 20, 40, 50, 50], delays


@pytest.mark.parametrize("policy, code, state", [("never", 0, "stopped"), ("never", 1, "stopped"), ("on-failure", 0, "stopped"), ("on-failure", 1, "failed")])
def test_policies(platform, policy, code, state):
    platform.service("a.s", [SH, "-c", f"exit {code}"], restart={"policy": policy, "delay_ms": 1, "max_delay_ms": 1, "limit": 2, "window_ms": 60000})
    platform.start("a.s")
    until(lambda: platform.status("a.s")["state"] == state, what=state)
    assert states(platform, "a.s").count("backoff") == (1 if state == "failed" else 0)


def test_a_program_that_is_not_there(platform):
    platform.service("a.s", ["/nowhere/server"])
    answer = platform.start("a.s")["a.s"]
    result = platform.wait("a.s")["a.s"]
    assert not answer["ok"] and "/nowhere/server: No such file" in answer["error"]
    assert not result["ok"] and "/nowhere/server: No such file" in result["reason"]
    assert any("/nowhere/server" in text for stream, text in platform.log("a.s") if stream == "m")
    assert "backoff" not in states(platform, "a.s"), "another try would not help"


def test_one_that_is_never_ready(platform):
    probe = PROBE | {"type": "exec", "command": ["/bin/false"]}
    platform.service("a.s", [SH, "-c", ALIVE], probes={"readiness": probe, "startup": {"deadline_ms": 400}})
    result = up(platform, "a.s")["a.s"]
    assert not result["ok"] and result["state"] == "failed" and "not ready within" in result["reason"]
    until(lambda: not platform.processes().values() or "service" not in platform.processes().values(), what="it is ended")


def test_what_it_waits_for_is_told(platform):
    port = free_port()
    probe = PROBE | {"type": "tcp", "host": "127.0.0.1", "port": port}
    platform.service("a.s", [SH, "-c", ALIVE], probes={"readiness": probe})
    platform.start("a.s")
    until(lambda: "readiness probe" in platform.status("a.s").get("reason", ""))
    result = platform.wait("a.s", timeout_ms=100)["a.s"]
    assert not result["ok"] and "timeout: still running, readiness probe: " in result["reason"] and "refused" in result["reason"]


def test_one_that_stops_answering_is_restarted(platform):
    folder = platform.service(
        "a.s",
        [SH, "-c", "touch well; exec sleep 600"],
        probes={"liveness": PROBE | {"type": "exec", "command": [SH, "-c", "test -e well"]}},
        restart={"policy": "always", "delay_ms": 10, "max_delay_ms": 10, "limit": 5, "window_ms": 60000},
    )
    assert up(platform, "a.s")["a.s"]["ok"]
    first = platform.status("a.s")["pid"]
    (folder / "data/well").unlink()
    until(lambda: (s := platform.status("a.s"))["state"] == "ready" and s["pid"] != first, what="another process")
    assert any("liveness" in e.get("reason", "") for e in platform.events())
    assert platform.status("a.s")["restarts"] == 1


# ---- stops ----


def test_one_that_ignores_term_is_killed_after_its_grace(platform):
    code = "import signal,time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('deaf',flush=True)\ntime.sleep(600)"
    platform.service("a.s", [PYTHON, "-I", "-S", "-c", code], probes={"readiness": PROBE | {"type": "log", "pattern": "deaf"}}, stop={"signal": 15, "grace_ms": 200})
    up(platform, "a.s")
    pid = platform.status("a.s")["pid"]
    assert platform.call("stop", services=["a.s"])["ok"] and not alive(pid)
    assert platform.shim_status("a.s")["signal"] == signal.SIGKILL


def test_its_own_stop_signal(platform):
    platform.service("a.s", [SH, "-c", 'trap "echo bye; exit 0" INT; echo here; while :; do sleep 0.05; done'], probes={"readiness": PROBE | {"type": "log", "pattern": "here"}}, stop={"signal": 2, "grace_ms": 10000})
    up(platform, "a.s")
    assert platform.call("stop", services=["a.s"])["ok"]
    assert platform.shim_status("a.s")["exit_code"] == 0 and ("o", "bye") in platform.log("a.s")


def test_children_that_it_leaves_behind_are_ended(platform):
    """A double fork into a session of its own: no process group reaches it, the subreaper does."""
    code = "import os,time\nif os.fork()==0:\n os.setsid()\n if os.fork()==0:\n  open('stray','w').write(str(os.getpid()))\n  time.sleep(600)\n os._exit(0)\nos.wait()\nwhile not os.path.exists('stray') or not open('stray').read(): time.sleep(0.01)\nprint('here',flush=True)\ntime.sleep(600)"
    folder = platform.service("a.s", [PYTHON, "-I", "-S", "-c", code], probes={"readiness": PROBE | {"type": "log", "pattern": "here"}}, restart=NEVER)
    up(platform, "a.s")
    stray = int((folder / "data/stray").read_text())
    assert alive(stray)
    os.kill(platform.status("a.s")["pid"], signal.SIGKILL)
    until(lambda: platform.status("a.s")["state"] == "stopped")
    assert not alive(stray)
    assert platform.shim_status("a.s")["leftover"] == 1


def test_stops_follow_the_edges_backwards(platform):
    """d after b, c; b, c after a: d has ended before b and c are asked, these before a."""
    # b and c end only once both were asked: one after the other they never would
    note = 'trap "date +%s%N >asked; while ! test -e $0/asked; do sleep 0.01; done; date +%s%N >ended; exit 0" TERM; echo here; while :; do sleep 0.02; done'
    edges = {"a.s": [], "b.s": ["a.s"], "c.s": ["a.s"], "d.s": ["b.s", "c.s"]}
    for i, after in edges.items():
        other = {"b.s": "c.s", "c.s": "b.s"}.get(i, i)
        platform.service(
            i, [SH, "-c", note, platform.dir / "services" / other / "data"], after=after, stop={"signal": 15, "grace_ms": 60000}, probes={"readiness": PROBE | {"type": "log", "pattern": "here"}}
        )
    up(platform, *edges)
    assert platform.call("down")["ok"]
    until(lambda: not platform.processes(), what="the daemon goes last")
    when = {(i, what): int((platform.dir / "services" / i / "data" / what).read_text()) for i in edges for what in ("asked", "ended")}
    for i, after in edges.items():
        for provider in after:
            assert when[i, "ended"] <= when[provider, "asked"], (i, provider)


def test_starts_wait_for_what_they_come_after(platform):
    edges = {"a.s": [], "b.s": ["a.s"], "c.s": ["b.s"]}
    for i, after in edges.items():
        platform.service(i, [SH, "-c", "sleep 0.05; " + ALIVE], after=after, probes={"readiness": PROBE | {"type": "log", "pattern": "here"}})
    up(platform, "c.s", "b.s", "a.s")
    order = [(e["service"], e["to"]) for e in platform.events() if e["event"] == "state" and e["to"] in ("starting", "ready")]
    assert order == [(i, what) for i in edges for what in ("starting", "ready")]


def test_a_hung_service_delays_nobody_who_does_not_need_it(platform):
    platform.service("hung.s", [SH, "-c", ALIVE], probes={"readiness": PROBE | {"type": "exec", "command": ["/bin/false"]}})
    platform.service("needs.s", [SH, "-c", ALIVE], after=["hung.s"])
    platform.service("free.s", [SH, "-c", ALIVE])
    with platform.connect() as c:
        c.id += 1
        c.sock.sendall((json.dumps({"v": 1, "id": c.id, "op": "start", "services": ["hung.s", "needs.s", "free.s"]}) + "\n").encode())
        assert platform.wait("free.s")["free.s"]["ok"]
        assert platform.status("needs.s")["state"] == "stopped"


# ---- logs ----


def test_a_flood_is_rotated_and_disturbs_nobody(platform):
    line = "x" * 200
    folder = platform.service(
        "a.s", [PYTHON, "-I", "-S", "-c", f"import time\nfor i in range(30000): print(i, '{line}')\nprint('end of the flood', flush=True)\ntime.sleep(600)"],
        probes={"readiness": PROBE | {"type": "log", "pattern": "end of the flood"}}, log={"max_bytes": 200000, "keep": 3, "line_max": 1000},
    )
    platform.service("b.s", [SH, "-c", ALIVE])
    platform.start("a.s", "b.s")
    assert platform.wait("b.s")["b.s"]["ok"] and platform.wait("a.s")["a.s"]["ok"]
    files = sorted(f.name for f in (folder / "log").iterdir())
    assert files == ["1", "2", "3", "current"] and all(f.stat().st_size <= 200000 for f in (folder / "log").iterdir())
    numbers = [int(text.split()[0]) for stream, text in platform.log("a.s") if stream == "o" and text[0].isdigit()]
    assert numbers == list(range(numbers[0], 30000)), "what is kept has no gap and no torn line"


def test_a_line_without_end_and_bytes_that_are_no_text(platform):
    platform.service(
        "a.s", [PYTHON, "-I", "-S", "-c", "import sys,time\nsys.stdout.write('y'*100000)\nsys.stdout.flush()\nsys.stderr.buffer.write(b'\\x00\\xff\\x1b[31m\\n')\nsys.stderr.flush()\ntime.sleep(0.1)\nprint('\\ndone',flush=True)\ntime.sleep(600)"],
        probes={"readiness": PROBE | {"type": "log", "pattern": "^done$"}}, log={"max_bytes": 1000000, "keep": 1, "line_max": 1000},
    )
    assert up(platform, "a.s")["a.s"]["ok"]
    lines = platform.log("a.s")
    assert "".join(t for s, t in lines if s == "o" and set(t) <= {"y"}) == "y" * 100000
    assert all(len(t) <= 1000 for s, t in lines)
    assert any(s == "e" for s, t in lines)


def test_one_that_closes_its_output_goes_on(platform):
    platform.service("a.s", [SH, "-c", "echo here; exec >/dev/null 2>&1; exec sleep 600"], probes={"readiness": PROBE | {"type": "log", "pattern": "here"}})
    up(platform, "a.s")
    pid = platform.status("a.s")["pid"]
    assert platform.call("hello")["ok"] and platform.status("a.s")["pid"] == pid and alive(pid)


# ---- the ground it runs on ----


def test_what_a_service_inherits(platform):
    """Its own session, no new privileges, a closed umask, nothing of our environment, no file of ours but its lock."""
    code = "import json,os,resource\nm=os.umask(0)\nfds=[]\nfor f in os.listdir('/proc/self/fd'):\n try: fds.append(os.readlink('/proc/self/fd/'+f))\n except OSError: pass\njson.dump({'umask':m,'sid':os.getsid(0)==os.getpid(),'env':sorted(os.environ),'fds':sorted(x for x in fds if not x.startswith('pipe:')),'nnp':[l for l in open('/proc/self/status') if l.startswith('NoNewPrivs')][0].split()[1],'core':resource.getrlimit(resource.RLIMIT_CORE)[0]},open('seen','w'))\nimport time;time.sleep(600)"
    folder = platform.service("a.s", [PYTHON, "-I", "-S", "-c", code], environment={"PATH": "/usr/bin:/bin", "OWN": "1"})
    os.environ["MILL_FAULTS_LEAK"] = "1"
    try:
        up(platform, "a.s")
    finally:
        del os.environ["MILL_FAULTS_LEAK"]
    seen = json.loads(until(lambda: (folder / "data/seen").exists() and (folder / "data/seen").read_text()))
    assert seen["umask"] == 0o077 and seen["sid"] and seen["nnp"] == "1" and seen["core"] == 0
    assert set(seen["env"]) - {"LC_CTYPE"} == {"PATH", "OWN", "DATA_MILL_SERVICE", "DATA_MILL_BOOT"}
    assert [f for f in seen["fds"] if not f.startswith(("/dev/null", "/proc/"))] == [str(folder / "run/lock")]


def test_status_files_of_another_boot_or_a_reused_pid_name_nobody(platform):
    folder = platform.service("a.s", [SH, "-c", ALIVE])
    bystander = platform.service("b.s", [SH, "-c", ALIVE])
    up(platform, "a.s", "b.s")
    other = platform.shim_status("b.s")
    assert platform.call("stop", services=["a.s"])["ok"]
    old = platform.shim_status("a.s")
    boot = open("/proc/sys/kernel/random/boot_id").read().strip()
    for lie in (
        {"boot_id": "00000000-0000-0000-0000-000000000000", "shim": other["shim"], "main": other["main"]},
        {"boot_id": boot, "shim": other["shim"] | {"start": other["shim"]["start"] - 1}, "main": other["main"] | {"start": other["main"]["start"] - 1}},
        {"boot_id": boot, "shim": {"pid": os.getpid(), "start": 1}, "main": {"pid": os.getpid(), "start": 1}},
    ):
        platform.call("quit")
        until(lambda: "data-mill-daemon" not in platform.processes().values(), what="the daemon is gone")
        keep = {k: v for k, v in old.items() if k not in ("exit_code", "signal", "ended_ms", "leftover")}
        platform.write(folder / "run/status.json", keep | {"state": "running"} | lie)
        platform.start_daemon()
        assert up(platform, "a.s")["a.s"]["ok"]
        now = platform.status()
        assert now["b.s"]["pid"] == other["main"]["pid"] and alive(other["shim"]["pid"]), "the bystander was left alone"
        assert now["a.s"]["pid"] not in (other["main"]["pid"], os.getpid())
        assert platform.call("stop", services=["a.s"])["ok"]
    assert bystander.exists()


def test_garbage_in_the_status_file(platform):
    folder = platform.service("a.s", [SH, "-c", ALIVE])
    up(platform, "a.s")
    assert platform.call("stop", services=["a.s"])["ok"]
    platform.call("quit")
    until(lambda: "data-mill-daemon" not in platform.processes().values())
    for text in (b"", b"{", b"[1]", b"\x00" * 5000, b'{"v": 99, "state": "running"}'):
        (folder / "run/status.json").write_bytes(text)
        platform.start_daemon()
        assert up(platform, "a.s")["a.s"]["ok"]
        assert platform.call("stop", services=["a.s"])["ok"]
        platform.call("quit")
        until(lambda: "data-mill-daemon" not in platform.processes().values())
    platform.start_daemon()


def test_odd_folders():
    for options in ({"inside": "with space/ünï çødé"}, {"inside": "/".join(["deep" * 10] * 4)}):
        with Place(**options) as p:
            p.service("a.s", [PYTHON, "-I", "-S", "-c", NOTIFY], probes={"readiness": PROBE | {"type": "notify"}})
            p.start_daemon()
            (p.dir / "services/a.s/data/go").touch()
            assert up(p, "a.s")["a.s"]["ok"]
            moved = not p.record()["socket"].startswith(str(p.dir))
            assert moved == (len(os.fsencode(p.dir / "run/daemon.sock")) > 107)
            old = p.record()["pid"]
            os.kill(old, signal.SIGKILL)
            until(lambda: p.record()["pid"] != old, 20)
            until(lambda: p.call("hello"), 20)
            assert p.call("down")["ok"]
