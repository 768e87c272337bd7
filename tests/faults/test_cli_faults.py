"""Faults that the command line meets: its own end at any moment, ports, memory, services that fail, state that is not as it was left."""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
from tiny import Stranger, Tiny, alive, chain, free_port, get, tiny  # noqa: E402,F401  (a fixture)

IS_ROOT = os.getuid() == 0


# ---- the end of the command itself ----


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_up_may_end_at_any_moment(tiny, sig):
    seed = int(os.environ.get("MILL_SEED") or time.time_ns() % 1_000_000)
    dice = random.Random(seed)
    chain(tiny)
    for _ in range(6):
        up = tiny.popen("up")
        time.sleep(dice.uniform(0, 0.4))
        up.send_signal(sig)
        out, _ = up.communicate(timeout=60)
        # before it changes anything it simply ends by the signal
        assert up.returncode in (0, -sig) or (sig != signal.SIGKILL and up.returncode == 130), (seed, out)
        if up.returncode == 130:
            assert "goes on from here" in out or "interrupted" in out, out
        if dice.random() < 0.5:
            tiny("down", check=False)
    tiny("up")
    tiny.empty_plan()
    assert set(tiny.states().values()) == {"ready"}, seed
    for c in "abcd":
        assert get(tiny.ports[c]) == "ok"


def test_a_killed_up_leaves_a_lock_that_nobody_holds(tiny):
    chain(tiny)
    up = tiny.popen("up")
    time.sleep(0.1)
    up.kill()
    up.communicate()
    tiny("up", timeout=60)
    tiny.empty_plan()


def test_two_at_once(tiny):
    chain(tiny)
    both = [tiny.popen("up") for _ in range(3)]
    outs = [p.communicate(timeout=120)[0] for p in both]
    assert [p.returncode for p in both] == [0, 0, 0], outs
    assert all(tiny.starts(c) == 1 for c in "abcd")


def test_who_holds_the_lock(tiny):
    tiny.component("slow", mode="hang", service={"startup": {"deadline": "20s"}})
    tiny.flavour("slow")
    first = tiny.popen("up")
    try:
        wait_until(lambda: "slow.server" in tiny.states() and tiny.states()["slow.server"] == "running")
        result = tiny("up", "--wait-lock", "200ms", code=1)
        assert str(first.pid) in result.err and "up" in result.err, result
        result = tiny("down", "--wait-lock", "200ms", code=1) if "--wait-lock" in tiny("help", "down").out else None
        assert result is None or str(first.pid) in result.err
    finally:
        first.send_signal(signal.SIGINT)
        first.communicate(timeout=60)


def wait_until(condition, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if condition():
                return
        except AssertionError:
            pass
        time.sleep(0.05)
    raise AssertionError(condition)


# ---- ports ----


def test_a_port_that_a_stranger_has_is_moved_once_and_said(tiny):
    port = free_port()
    tiny.component("a", port=port)
    tiny.flavour("a")
    with Stranger(port):
        result = tiny("up")
        assert f"port {port} is taken" in result.out + result.err
        (moved,) = tiny.status()["a.server"]["ports"].values()
        assert moved != port and get(moved) == "ok"
    tiny.empty_plan()
    tiny("down")
    tiny("up")
    assert list(tiny.status()["a.server"]["ports"].values()) == [moved], "a number stays"


def test_a_pinned_port_that_is_taken_is_an_error_that_names_who_has_it(tiny):
    port = free_port()
    tiny.component("a")
    tiny.flavour("a", a={"ports": {"server.http": port}})
    with Stranger(port) as stranger:
        before = tiny.snapshot()
        result = tiny("up", check=False)
        assert result.code == 2 and str(port) in result.err and str(stranger.pid) in result.err, result
        assert "python" in result.err
        assert {k for k in tiny.snapshot().keys() - before.keys() if not k.endswith("native.tiny/lock")} <= {"platforms", "platforms/native.tiny"}
    tiny("up")
    assert get(port) == "ok"


def test_a_port_that_is_taken_later_names_the_process_and_how_to_move(tiny):
    tiny.component("a")
    tiny.flavour("a")
    tiny("up")
    tiny("down")
    with Stranger(tiny.ports["a"]) as stranger:
        result = tiny("up", check=False)
        assert result.code == 1 and str(stranger.pid) in result.err and "--move-ports" in result.err, result
        tiny("up", "--move-ports")
        (moved,) = tiny.status()["a.server"]["ports"].values()
        assert moved != tiny.ports["a"] and get(moved) == "ok"


# ---- memory and disk ----


def test_too_little_memory_is_said_with_numbers(tiny):
    tiny.component("small", service={"resources": {"memory": "10Mi", "memory_min": "10Mi"}})
    tiny.component("huge", service={"resources": {"memory": "4000Gi", "memory_min": "4000Gi"}})
    tiny.flavour("small, huge")
    result = tiny("up", code=1)
    assert "4000" in result.err.replace(",", "") or "3.9 TiB" in result.err, result
    assert "without huge" in result.err and "--force" in result.err and "nothing was changed" in result.err
    assert not (tiny.platform() / "services").exists()
    tiny("up", "--without", "huge")
    assert tiny.states()["small.server"] == "ready"
    tiny("up", "--force")
    assert tiny.states()["huge.server"] == "ready"


@pytest.mark.skipif(not IS_ROOT, reason="needs root to mount a small file system")
def test_a_full_disk_loses_nothing(tiny):
    place = tiny.home / "mill"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=755", "none", str(place)], check=True)
    try:
        chain(tiny)
        tiny("up", "--force", "-c", "a")
        before = {p: p.read_bytes() for p in sorted(tiny.platform().glob("*.json"))}
        filler = place / "filler"
        try:
            with open(filler, "wb") as f:
                while True:
                    f.write(b"x" * 4096)
        except OSError:
            pass
        result = tiny("up", "--force", check=False)
        assert result.code == 1 and "No space left" in result.err, result
        for path, content in before.items():
            json.loads(path.read_text())
        assert tiny.states()["a.server"] == "ready" and get(tiny.ports["a"]) == "ok"
        filler.unlink()
        tiny("up", "--force")
        tiny.empty_plan()
        assert set(tiny.states().values()) == {"ready"} and tiny.starts("a") == 1
        tiny("destroy", "--yes", "--delete-data")
    finally:
        tiny("down", check=False)
        subprocess.run(["umount", "-l", str(place)], check=True)


# ---- services that fail ----


@pytest.mark.parametrize(
    "mode, words",
    [
        ("exit", ["exit code 3", "flux capacitor", "giving up"]),
        ("signal", ["signal 11"]),
        ("never-ready", ["not ready within", "503"]),
        ("hang", ["not ready within", "thinking"]),
    ],
)
def test_the_rest_comes_up_and_the_message_says_it_all(tiny, mode, words):
    tiny.component("bad", mode=mode, service={"startup": {"deadline": "1s"}})
    tiny.component("needs", requires=["bad"])
    tiny.component("good")
    tiny.flavour("bad, needs, good")
    result = tiny("up", code=1)
    assert tiny.states()["good.server"] == "ready"
    assert tiny.states().get("needs.server", "stopped") == "stopped"
    for word in ["bad", "start", "next: ", "data-mill logs bad", *words]:
        assert word in result.err, (word, result)
    assert "needs" in result.err and "start bad.server failed" in result.err, "dependants are named"
    assert "steps failed" in result.err


def test_a_program_that_is_not_there(tiny):
    tiny.component("bad", service={"command": ["/nowhere/server", "${port.http}"]})
    tiny.flavour("bad")
    result = tiny("up", code=1)
    assert "/nowhere/server" in result.err and "No such file" in result.err


# ---- state that is not as it was left ----


def test_the_flavour_need_not_parse_any_more(tiny):
    chain(tiny)
    tiny("up")
    (tiny.project / "flavours/default.yaml").write_text("project: [")
    (tiny.project / "components/a/component.yaml").write_text("nonsense")
    assert set(tiny.states().values()) == {"ready"}
    assert "listening" in tiny("logs", "a").out
    tiny("restart", "d")
    tiny("stop", "c")
    tiny("start", "c")
    tiny("down")
    assert not tiny.processes()
    tiny("destroy", "--yes", "--delete-data")
    assert not tiny.platforms()


@pytest.mark.parametrize("name", ["platform.json", "desired.json", "ports.json", "memory.json"])
@pytest.mark.parametrize("text", ["", "{", "[]", '{"v": 99}'])
def test_damaged_state_is_refused_not_overwritten(tiny, name, text):
    tiny.component("a")
    tiny.flavour("a")
    tiny("up")
    tiny("down")
    path = tiny.platform() / name
    path.write_text(text)
    for command in (["status"], ["up"], ["plan"]):
        result = tiny(*command, check=False)
        assert result.code == (2 if "99" in text else 1), result
        assert name in result.err and "next: " in result.err, result
        assert ("newer" if "99" in text else "damaged") in result.err, result
    assert path.read_text() == text, "what is damaged, or a newer one wrote, stays as it is"
    path.unlink()  # as the message advises
    tiny("up", "-f", "default")
    tiny.empty_plan()


def test_an_older_program_on_the_state_of_a_newer_one(tiny):
    tiny.component("a")
    tiny.flavour("a")
    tiny("up")
    record = json.loads((tiny.platform() / "platform.json").read_text())
    (tiny.platform() / "platform.json").write_text(json.dumps(record | {"v": 99, "version": "7.0.0"}))
    for command in ("status", "up", "down", "plan"):
        result = tiny(command, check=False)
        assert result.code == 2 and "newer" in result.err and "7.0.0" in result.err, result
    assert get(tiny.ports["a"]) == "ok", "what runs goes on"
    (tiny.platform() / "platform.json").write_text(json.dumps(record))
    tiny.empty_plan()


def test_an_older_component_on_data_of_a_newer_one(tiny):
    tiny.component("a", version="2.0", data_format={"version": 2, "accepts": [1, 2]})
    tiny.flavour("a")
    tiny("up")
    tiny("down")
    tiny.component("a", version="1.0", data_format={"version": 1, "accepts": [1]})
    result = tiny("up", check=False)
    assert result.code == 2 and "2.0" in result.err and "data-mill uninstall a --delete-data" in result.err, result
    assert not tiny.processes()
    tiny.component("a", version="2.1", data_format={"version": 2, "accepts": [1, 2]})
    tiny("up")


def test_the_folder_removed_by_hand(tiny):
    """What ran from it ends by itself, and the next up begins anew."""
    chain(tiny)
    tiny("up")
    shutil.rmtree(tiny.platform())
    wait_until(lambda: not tiny.processes())
    assert tiny("status", code=2).err.startswith("data-mill: there is no platform yet")
    tiny("up", "-f", "default")
    assert set(tiny.states().values()) == {"ready"} and get(tiny.ports["a"]) == "ok"


def test_a_home_with_spaces_and_letters_of_the_world(tmp_path):
    top = tmp_path / "wïth späce/日本"
    top.mkdir(parents=True)
    for at in (tmp_path, top.parent, top):
        at.chmod(0o711)
    if IS_ROOT:
        for at in tmp_path.parents:
            if at != Path("/") and str(at) != "/tmp":
                at.chmod(0o711)
    t = Tiny(top)
    try:
        chain(t)
        t("up")
        t.empty_plan()
        assert set(t.states().values()) == {"ready"}
        t("down")
    finally:
        t.clean()


def test_a_long_path_moves_the_socket_and_doctor_says_so(tmp_path):
    top = tmp_path / ("long" * 20) / ("path" * 20)
    top.mkdir(parents=True)
    if IS_ROOT:
        for at in [top, *top.parents]:
            if at != Path("/") and str(at) != "/tmp":
                at.chmod(0o711)
    t = Tiny(top)
    try:
        t.component("a")
        t.flavour("a")
        t("up")
        assert t.states()["a.server"] == "ready"
        assert "socket" in t("doctor", check=False).out
        t("down")
    finally:
        t.clean()


def test_no_write_permission(tiny):
    if IS_ROOT:
        pytest.skip("root may write everywhere")
    (tiny.home / "mill").mkdir()
    (tiny.home / "mill").chmod(0o500)
    tiny.component("a")
    tiny.flavour("a")
    result = tiny("up", check=False)
    (tiny.home / "mill").chmod(0o700)
    assert result.code in (1, 2) and "ermission" in result.err
