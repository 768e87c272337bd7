"""kill -9 of the daemon, of shims and of services: nothing runs twice, everything comes back."""

import os
import random
import signal
import time
from collections import Counter

import pytest
from platform_fixture import Place, alive, proc_stat, until

PYTHON = "/usr/bin/python3"

# Holds a lock as long as it lives: a second one beside it says so and stays, to be counted.
SERVER = r"""
import fcntl, os, signal, sys
lock = open("lock", "w")
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    open("twice", "a").write("%d\n" % os.getpid())
with open("starts", "a") as f:
    f.write("%d\n" % os.getpid())
print("serving", flush=True)
while True:
    signal.pause()
"""

FOREVER = {"policy": "always", "delay_ms": 10, "max_delay_ms": 40, "limit": 0, "window_ms": 60000}
READY = {"readiness": {"type": "log", "pattern": "serving", "period_ms": 20, "timeout_ms": 1000, "failures": 3, "successes": 1}}


@pytest.fixture
def platform():
    with Place() as p:
        yield p


def server(p, id, after=(), **spec):
    program = p.dir / "server.py"
    if not program.exists():
        program.write_text(SERVER)
    spec.setdefault("restart", FOREVER)
    return p.service(id, [PYTHON, "-I", "-S", program], after=after, probes=READY, **spec)


def running(p, *ids, timeout=30):
    """Starts the daemon and the services; all are ready."""
    p.start_daemon()
    p.start(*ids)
    ready(p, *ids, timeout=timeout)


def answers(p, op, **fields):
    """A call that may meet a daemon that has just been killed."""

    def attempt():
        try:
            return p.call(op, **fields)
        except (OSError, ConnectionError, ValueError):
            return None

    return until(attempt, 30, what=f"an answer to {op}")


def statuses(p):
    return {s["id"]: s for s in answers(p, "status")["services"]}


def ready(p, *ids, timeout=30):
    def all_ready():
        now = statuses(p)
        return all(i in now and now[i]["state"] == "ready" for i in ids) and now

    return until(all_ready, timeout, what=f"{ids} ready")


def daemon_pid(p):
    return p.record()["pid"]


def replaced(p, old):
    """The record names another daemon, and it lives."""
    return until(lambda: (pid := daemon_pid(p)) != old and alive(pid) and pid, 20, what="another daemon")


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
        return True
    except ProcessLookupError:
        return False


def starts(p, id):
    return (p.dir / "services" / id / "data" / "starts").read_text().split()


def twice(p):
    return [str(f) for f in p.dir.glob("services/*/data/twice")]


def census(p):
    return Counter(p.processes().values())


def settled(p, *ids):
    """One daemon, a shim and a process for each service, and nobody met another."""
    want = Counter({"data-mill-daemon": 1, "data-mill-shim": len(ids), "service": len(ids)})
    until(lambda: census(p) == want, 20, what=f"{dict(want)} (there are {dict(census(p))})")
    assert not twice(p)


def test_the_daemon_is_started_again_and_adopts(platform):
    p = platform
    ids = ["a.server", "b.server"]
    server(p, "a.server")
    server(p, "b.server", after=["a.server"])
    running(p, *ids)
    before, old = statuses(p), daemon_pid(p)
    kill(old)
    replaced(p, old)
    after = ready(p, *ids)
    for i in ids:
        assert after[i]["pid"] == before[i]["pid"] and after[i]["restarts"] == 0
        assert len(starts(p, i)) == 1
    assert [e["adopted"] for e in p.events() if e.get("what") == "started"] == [0, 2]
    settled(p, *ids)


def test_the_daemon_comes_back_again_and_again(platform):
    p = platform
    server(p, "a.server")
    running(p, "a.server")
    for _ in range(4):
        old = daemon_pid(p)
        kill(old)
        replaced(p, old)
    ready(p, "a.server")
    assert len(starts(p, "a.server")) == 1
    settled(p, "a.server")


def test_a_shim_takes_its_service_along_and_it_is_started_once(platform):
    p = platform
    server(p, "a.server")
    server(p, "b.server", after=["a.server"])
    running(p, "a.server", "b.server")
    other = statuses(p)["b.server"]["pid"]
    for n in range(2, 6):
        shim = p.shim_status("a.server")["shim"]["pid"]
        main = p.shim_status("a.server")["main"]["pid"]
        kill(shim)
        until(lambda: not alive(main), what="the service ends with its shim")
        until(lambda: len(starts(p, "a.server")) == n, what="another start")
        ready(p, "a.server")
    assert len(starts(p, "a.server")) == 5
    assert statuses(p)["b.server"]["pid"] == other, "a crash restarts no dependent"
    settled(p, "a.server", "b.server")


def test_the_daemon_and_a_service_at_once(platform):
    p = platform
    server(p, "a.server")
    server(p, "b.server")
    running(p, "a.server", "b.server")
    old, main = daemon_pid(p), p.shim_status("a.server")["main"]["pid"]
    kill(old)
    kill(main)
    replaced(p, old)
    until(lambda: len(starts(p, "a.server")) == 2, what="another start")
    ready(p, "a.server", "b.server")
    assert len(starts(p, "a.server")) == 2 and len(starts(p, "b.server")) == 1
    settled(p, "a.server", "b.server")


def test_the_only_service_and_the_daemon_at_once(platform):
    """Nobody else is there to start the daemon: the ended shim does before it goes."""
    p = platform
    server(p, "a.server")
    running(p, "a.server")
    old, main = daemon_pid(p), p.shim_status("a.server")["main"]["pid"]
    kill(old)
    kill(main)
    replaced(p, old)
    until(lambda: len(starts(p, "a.server")) == 2, what="another start")
    ready(p, "a.server")
    settled(p, "a.server")


def test_everything_at_once(platform):
    """With no shim left nobody starts a daemon; the next command does, and ends what survived before it starts anew."""
    p = platform
    ids = ["a.server", "b.server"]
    for i in ids:
        server(p, i)
    running(p, *ids)
    os.kill(daemon_pid(p), signal.SIGSTOP)  # so that none of them sees another go
    for pid in [*(p.shim_status(i)["shim"]["pid"] for i in ids), daemon_pid(p)]:
        kill(pid)
    until(lambda: not p.processes(), what="nothing is left")
    p.start_daemon()
    ready(p, *ids)
    assert all(len(starts(p, i)) == 2 for i in ids)
    settled(p, *ids)


ESCAPES = r"""
import os, signal, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        open("stray", "w").write("%d" % os.getpid())
        time.sleep(600)
    os._exit(0)
os.wait()
while not os.path.exists("stray") or not open("stray").read():
    time.sleep(0.01)
print("serving", flush=True)
signal.pause()
"""


def test_what_survives_a_shim_is_ended_before_the_next_start(platform):
    """A grandchild in a session of its own outlives the parent-death signal; its environment tells whose it is."""
    p = platform
    program = p.dir / "escapes.py"
    program.write_text(ESCAPES)
    folder = p.service("a.server", [PYTHON, "-I", "-S", program], probes=READY, restart=FOREVER)
    running(p, "a.server")
    stray = int((folder / "data/stray").read_text())
    assert alive(stray) and proc_stat(stray)[1] == p.shim_status("a.server")["shim"]["pid"], "the subreaper has it"
    (folder / "data/stray").unlink()
    kill(p.shim_status("a.server")["shim"]["pid"])
    until(lambda: not alive(stray), what="the survivor is ended")
    until(lambda: (folder / "data/stray").exists(), what="another start")
    ready(p, "a.server")


def test_a_killed_service_comes_back_after_its_delay(platform):
    p = platform
    server(p, "a.server", restart=FOREVER | {"delay_ms": 50, "max_delay_ms": 200})
    running(p, "a.server")
    for _ in range(4):
        kill(p.shim_status("a.server")["main"]["pid"])
        n = len(starts(p, "a.server"))
        until(lambda: len(starts(p, "a.server")) > n)
        ready(p, "a.server")
    delays = [e["retry_ms"] for e in p.events() if e.get("to") == "backoff"]
    times = [e["time"] for e in p.events() if e.get("to") == "backoff"]
    assert len(delays) == 4 and len(set(times)) == 4
    assert statuses(p)["a.server"]["restarts"] == 4


KILLS = int(os.environ.get("MILL_KILLS", "240"))


def test_storm(platform):
    """Random kills of everything; MILL_KILLS says how many, MILL_SEED which."""
    seed = int(os.environ.get("MILL_SEED") or time.time_ns() % 1_000_000)
    print(f"MILL_SEED={seed} MILL_KILLS={KILLS}")
    dice = random.Random(seed)
    p = platform
    edges = {"a.server": [], "b.server": ["a.server"], "c.server": ["a.server"], "d.server": ["b.server", "c.server"], "e.one": [], "e.two": ["e.one"]}
    for i, after in edges.items():
        server(p, i, after=after)
    running(p, *edges)
    done = Counter()
    while sum(done.values()) < KILLS:
        for _ in range(dice.randint(1, 12)):
            kind = dice.choice(["daemon", "shim", "shim", "service", "service"])
            if kind == "daemon":
                pid = daemon_pid(p)
            else:
                status = p.shim_status(dice.choice(list(edges)))
                pid = ((status or {}).get({"shim": "shim", "service": "main"}[kind]) or {}).get("pid")
                if pid and p.processes().get(pid) is None:
                    pid = None  # ended already: the number may be another's
            if pid and kill(pid):
                done[kind] += 1
            time.sleep(dice.choice([0, 0, 0.002, 0.02, 0.1]))
        assert not twice(p), f"MILL_SEED={seed}"
        if not [k for k in p.processes().values() if k != "service"]:
            p.start_daemon()  # all of them died at once: as the next command would
        ready(p, *edges, timeout=60)
        settled(p, *edges)
        (p.dir / "run/daemon.starts").unlink(missing_ok=True)  # a minute of calm, that the next start is not put off
    assert set(done) == {"daemon", "shim", "service"}, done
    total = sum(len(starts(p, i)) for i in edges)
    assert total <= len(edges) + KILLS + 12, "no more starts than kills"
    answers(p, "down")
    until(lambda: not p.processes(), what="down leaves nothing")
