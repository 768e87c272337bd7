"""The platform's commands on made-up components: up, plan, down, destroy, uninstall, start, stop, restart, wait, and the
decisions of the design that they carry (docs/internals/decisions.md)."""

import json
import os
import pty
import re
import select
import shutil
import subprocess
import time

import pytest
from conftest import wait_for
from tiny import PYTHON, Tiny, alive, chain, free_port, get, tiny  # noqa: F401  (a fixture)


def setting(t, name, **more):
    """A component whose configuration follows its setting `level`."""
    service = {"files": {"x.ini": {"format": "ini", "content": "level=${setting.level}\n"} | more}, "reload": {"signal": "HUP"}}
    return t.component(
        name,
        settings={"level": {"type": "string", "default": "one", "help": "h"}},
        environment={"CONFIG": "${dir.config}/x.ini"},
        service=service,
    )


# ---- plan and up ----


def test_plan_says_what_and_why_and_changes_nothing(tiny):
    chain(tiny)
    before = tiny.snapshot()
    result = tiny("plan", "--detailed-exitcode", code=3)
    assert [line.split() for line in result.out.splitlines() if line.startswith("start")] == [["start", f"{c}.server", "new"] for c in "abcd"]
    plan = tiny("plan", "--json", "-q").json
    starts = {a["component"]: a for a in plan["actions"] if a["action"] == "start"}
    assert set(starts) == set("abcd") and all(a["reason"] for a in starts.values())
    assert tiny.snapshot().keys() <= before.keys() | {k for k in tiny.snapshot() if k.endswith(("native.tiny", "platforms", "lock"))}
    assert not tiny.processes()
    tiny("up")
    tiny.empty_plan()
    assert "nothing to do" in tiny("plan").out


def test_up_names_the_platform_first_and_ends_with_the_table(tiny):
    chain(tiny)
    result = tiny("up")
    assert result.err.splitlines()[0].startswith("platform native.tiny in ")
    table = result.out[result.out.index("COMPONENT"):].splitlines()
    assert [line.split()[:2] for line in table[1:5]] == [[c, "ready"] for c in "abcd"]


def test_up_as_json_is_a_line_an_event(tiny):
    chain(tiny)
    lines = [json.loads(line) for line in tiny("up", "--json", "-q").out.splitlines()]
    assert lines[0]["event"] == "plan" and lines[-1]["event"] == "end"
    done = [(e["action"], e["component"]) for e in lines if e["event"] == "done"]
    assert [c for action, c in done if action == "start" and c != "d"] == ["a", "b", "c"], "providers first"
    assert set(tiny.states().values()) == {"ready"}


def test_only_one_component_with_what_it_needs(tiny):
    chain(tiny)
    result = tiny("up", "-c", "b")
    assert tiny.states() == {"a.server": "ready", "b.server": "ready"}
    assert "needed by b" in result.out + result.err
    tiny("up")
    assert tiny.starts("a") == tiny.starts("b") == 1
    refused = tiny("up", "-c", "bb", code=2)
    assert "did you mean" in refused.err and '"b"' in refused.err.replace("'", '"')


def test_without(tiny):
    chain(tiny)
    tiny("up", "--without", "d")
    assert set(tiny.states()) == {"a.server", "b.server", "c.server"}
    refused = tiny("up", "--without", "a", check=False)
    assert refused.code == 2 and "b" in refused.err, refused


def test_a_manifest_that_the_flavour_cannot_need_is_not_read(tiny):
    chain(tiny)
    tiny.flavour("d")
    (tiny.project / "components/a/component.yaml").write_text("schema: [")
    assert "components/a" not in tiny("up").err and tiny.states() == {"d.server": "ready"}
    assert "components/a" in tiny("validate").err
    tiny.flavour("d, b")  # b needs whoever provides a: now all of them are looked at
    refused = tiny("plan", code=2).err
    assert "no component provides 'a'" in refused and "component validate a" in refused


# ---- decision 4: who restarts ----


def test_a_changed_setting_restarts_that_service_only(tiny):
    setting(tiny, "a")
    tiny.component("b", requires=["a"])
    tiny.flavour("a, b")
    tiny("up")
    before = tiny.pids()
    tiny.flavour("a, b", a={"level": "two"})
    plan = tiny("plan").out
    assert "restart    a.server" in plan and "x.ini" in plan and "b.server" not in plan
    tiny("up")
    after = tiny.pids()
    assert after["a.server"] != before["a.server"] and after["b.server"] == before["b.server"]
    assert get(tiny.ports["a"], "/config") == "level=two\n"
    tiny.empty_plan()


def test_what_reload_covers_is_reloaded(tiny):
    setting(tiny, "a", reload=True)
    tiny.flavour("a")
    tiny("up")
    before = tiny.pids()
    tiny.flavour("a", a={"level": "two"})
    assert "reload" in tiny("plan").out
    tiny("up")
    assert tiny.pids() == before
    deadline = time.monotonic() + 10
    while get(tiny.ports["a"], "/config") != "level=two\n":
        assert time.monotonic() < deadline
    tiny.empty_plan()


def test_a_dependent_follows_only_if_its_own_input_changed(tiny):
    """b reads a's address: it follows a moved port; c does not read it and stays."""
    chain(tiny)
    tiny("up")
    before = tiny.pids()
    tiny.flavour("a, b, c, d", a={"ports": {"server.http": free_port()}})
    tiny("up")
    after = tiny.pids()
    assert after["a.server"] != before["a.server"] and after["b.server"] != before["b.server"]
    assert after["c.server"] == before["c.server"] and after["d.server"] == before["d.server"]
    assert str(json.loads((tiny.platform() / "ports.json").read_text())["a.server.http"]) in get(tiny.ports["b"], "/environment")


def test_neither_restart_nor_a_crash_restarts_dependents(tiny):
    chain(tiny)
    tiny("up")
    before = tiny.pids()
    tiny("restart", "a")
    os.kill(tiny.pids()["a.server"], 9)
    wait_for(lambda: tiny.starts("a") == 3, what="another start")
    tiny("wait", "a", "--timeout", "20s")
    after = tiny.pids()
    assert after["a.server"] != before["a.server"]
    assert {k: v for k, v in after.items() if k != "a.server"} == {k: v for k, v in before.items() if k != "a.server"}
    assert tiny.starts("a") == 3


def test_a_new_secret_version_restarts_and_no_value_is_in_a_spec(tiny):
    tiny.component("a", secrets={"key": {"length": 32}}, environment={"KEY": "${secret.key}"})
    tiny.component("b", requires=["a"])
    tiny.flavour("a, b")
    tiny("up")
    secret = (tiny.platform() / "secrets/a/key").read_text()
    assert f"KEY={secret}\n" in get(tiny.ports["a"], "/environment")
    for path in tiny.platform().rglob("*.json"):
        assert secret not in path.read_text(errors="replace"), path
    assert (tiny.platform() / "secrets/a/key").stat().st_mode & 0o777 == 0o600
    assert (tiny.platform() / "secrets").stat().st_mode & 0o777 == 0o700
    before = tiny.pids()
    (tiny.platform() / "secrets/a/key").unlink()
    tiny("up")
    renewed = (tiny.platform() / "secrets/a/key").read_text()
    after = tiny.pids()
    assert renewed != secret and f"KEY={renewed}\n" in get(tiny.ports["a"], "/environment")
    assert after["a.server"] != before["a.server"] and after["b.server"] == before["b.server"]
    tiny.empty_plan()


# ---- decision 5: what is removed ----


def test_what_the_flavour_does_not_name_is_kept_and_listed(tiny):
    chain(tiny)
    tiny("up")
    before = tiny.pids()
    tiny.flavour("a, b")
    result = tiny.empty_plan()
    assert "kept, not in this flavour" in result.out and "c" in result.out and "d" in result.out
    tiny("up")
    assert tiny.pids() == before
    pruned = tiny("plan", "--prune", check=False)
    assert re.search(r"stop\s+c.server", pruned.out) and re.search(r"stop\s+d.server", pruned.out)
    tiny("up", "--prune")
    assert tiny.states()["c.server"] == tiny.states()["d.server"] == "stopped"
    assert (tiny.folder("c") / "data/starts").exists(), "data is kept"
    tiny.flavour("a, b, c, d")
    tiny("up")
    assert tiny.starts("c") == 2


def test_a_component_is_uninstalled_only_when_nobody_needs_it(tiny):
    chain(tiny)
    tiny("up")
    refused = tiny("uninstall", "a", check=False)
    assert refused.code == 2 and "a is used by b" in refused.err and get(tiny.ports["a"]) == "ok", refused
    tiny("uninstall", "d", "--yes")
    assert "d.server" not in tiny.states()
    assert (tiny.folder("d") / "data/starts").exists()
    tiny("up")
    assert tiny.starts("d") == 2, "the same data"
    tiny("uninstall", "d", "--purge", "--yes")
    assert not tiny.folder("d").exists()
    tiny("up")
    assert tiny.starts("d") == 1


def test_purge_asks_and_says_what_goes(tiny):
    chain(tiny)
    tiny("up")
    refused = tiny("uninstall", "d", "--purge", check=False)
    assert refused.code == 2 and "--yes" in refused.err and (tiny.folder("d") / "data/starts").exists(), refused


def test_destroy_keeps_data_unless_told(tiny):
    tiny.component("a", secrets={"key": {"length": 32}}, environment={"KEY": "${secret.key}"})
    tiny.flavour("a")
    tiny("up")
    secret = (tiny.platform() / "secrets/a/key").read_text()
    tiny("destroy", "--yes")
    assert not tiny.processes() and (tiny.folder("a") / "data/starts").exists()
    tiny("up")
    assert tiny.starts("a") == 2 and (tiny.platform() / "secrets/a/key").read_text() == secret
    result = tiny("destroy", "--yes", "--delete-data")
    assert "deletes" in result.out + result.err and "a.server" in result.out + result.err
    assert not tiny.processes() and not tiny.platforms()


def typed(t, words, *args):
    """The command on a terminal, with `words` typed at its question; (exit code, what it showed)."""
    master, slave = pty.openpty()
    p = subprocess.Popen([str(t.program), *args], cwd=str(t.cwd), env=t.env, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)
    seen, sent = b"", False
    while True:
        ready, _, _ = select.select([master], [], [], 30)
        try:
            got = os.read(master, 4096) if ready else b""
        except OSError:
            got = b""
        if not got:
            break
        seen += got
        if not sent and b"type" in seen.lower():
            os.write(master, words.encode() + b"\n")
            sent = True
    os.close(master)
    return p.wait(30), seen.decode(errors="replace")


def test_destroy_wants_the_name_typed(tiny):
    chain(tiny)
    tiny("up")
    code, seen = typed(tiny, "no", "destroy", "--delete-data")
    assert code == 2 and "a.server" in seen and get(tiny.ports["a"]) == "ok", seen
    code, seen = typed(tiny, "tiny", "destroy", "--delete-data")
    assert code == 0 and not tiny.processes() and not tiny.platforms(), seen


# ---- start, stop, restart, down ----


def test_stop_lists_and_stops_what_depends(tiny):
    chain(tiny)
    tiny("up")
    result = tiny("stop", "b")
    assert "c" in result.out + result.err
    assert tiny.states() == {"a.server": "ready", "b.server": "stopped", "c.server": "stopped", "d.server": "ready"}
    tiny("start", "c")
    states = tiny.states()
    assert states["c.server"] == "ready" and states["b.server"] == "ready", "with what it needs"
    tiny.empty_plan()


def test_what_was_stopped_by_hand_starts_with_up(tiny):
    chain(tiny)
    tiny("up")
    tiny("stop", "d")
    assert "d.server" in tiny("plan").out
    tiny("up")
    assert tiny.states()["d.server"] == "ready"


def test_down_is_the_edges_backwards_and_the_daemon_last(tiny):
    """Decision 7, by the times that the events have."""
    chain(tiny)
    tiny("up")
    events = tiny.platform() / "run/events.jsonl"
    tiny("down")
    assert not tiny.processes()
    lines = [json.loads(line) for line in events.read_text().splitlines()]
    stopped = [e["service"] for e in lines if e.get("to") == "stopped"]
    assert [s for s in stopped if s != "d.server"] == ["c.server", "b.server", "a.server"]
    assert lines[-1]["event"] == "daemon" and lines[-1]["what"] == "exiting"
    assert tiny("down").code == 0, "again is fine"


def test_starting_one_that_is_not_there(tiny):
    chain(tiny)
    tiny("up")
    for command in ("start", "stop", "restart", "wait", "logs"):
        result = tiny(command, "dd", code=2)
        assert "did you mean" in result.err, (command, result)


def test_wait(tiny):
    chain(tiny)
    tiny("up")
    tiny("wait", "--timeout", "5s")
    assert tiny("wait", "a", "--for", "stopped", "--timeout", "200ms", check=False).code == 1
    tiny("stop", "d")
    tiny("wait", "d", "--for", "stopped", "--timeout", "5s")


# ---- decision 6: which platform ----


def test_two_platforms_side_by_side(tiny):
    chain(tiny)
    tiny.flavour("a, d", name="second", namespace="other")
    tiny("up")
    result = tiny("up", "-f", "second")
    assert "native.other" in result.err and "taken" in result.out + result.err, "ports are recorded across platforms"
    assert {p.name for p in tiny.platforms()} == {"native.tiny", "native.other"}
    ports = [json.loads((p / "ports.json").read_text()) for p in tiny.platforms()]
    numbers = [n for p in ports for k, n in p.items() if k.endswith(".http")]
    assert len(numbers) == len(set(numbers)) == 6
    ambiguous = tiny("down", code=2, cwd=tiny.home)
    assert "native.tiny" in ambiguous.err and "native.other" in ambiguous.err and "--platform" in ambiguous.err
    tiny("platform", "use", "native.other")
    listed = tiny("platform", "list").out
    assert re.search(r"\*\s*native.other", listed) and "native.tiny" in listed
    tiny("down", cwd=tiny.home)
    assert get(tiny.ports["a"]) == "ok", "the other one goes on"
    tiny("destroy", "--yes", "--delete-data", "--platform", "native.other")
    assert [p.name for p in tiny.platforms()] == ["native.tiny"]
    tiny.empty_plan("-f", "default")
    assert "native.other" not in tiny("platform", "list").out


def test_from_any_folder(tiny):
    """The flavour's file tells the project: its own components are found wherever the command is run."""
    chain(tiny)
    tiny("up", "-f", tiny.project / "flavours/default.yaml", cwd=tiny.home)
    before = tiny.pids()
    for args in ([], ["-f", tiny.project / "flavours/default.yaml"]):
        tiny("plan", "--detailed-exitcode", *args, cwd=tiny.home, code=0)
        tiny("up", *args, cwd=tiny.home)
    assert tiny.pids() == before


def test_a_platform_that_is_not_there(tiny):
    chain(tiny)
    tiny("up")
    result = tiny("status", "--platform", "native.tin", code=2)
    assert "there are: native.tiny" in result.err


# ---- decision 9: versions ----


def test_a_newer_program_restarts_no_service(tiny, tmp_path):
    """The copies of daemon and shim that run are of another build: the next command replaces the daemon only."""
    chain(tiny)
    tiny("up")
    before = tiny.pids()
    daemon = json.loads((tiny.platform() / "run/daemon.json").read_text())
    newer = tmp_path / "bin"
    newer.mkdir()
    tmp_path.chmod(0o711)
    for name in ("data-mill", "data-mill-daemon", "data-mill-shim", "data-mill-net.so"):
        shutil.copy2(tiny.program.parent / name, newer / name)
    with open(newer / "data-mill-daemon", "ab") as f:
        f.write(b"another build")
    old, tiny.program = tiny.program, newer / "data-mill"
    tiny.env["DATA_MILL_ROOT"] = str(tiny.project)
    tiny("up")
    assert tiny.pids() == before
    now = json.loads((tiny.platform() / "run/daemon.json").read_text())
    assert now["pid"] != daemon["pid"] and now["exe"] != daemon["exe"] and not alive(daemon["pid"])
    tiny.program = old


# ---- what people use ----


def test_env_is_read_by_a_shell_and_by_python(tiny):
    odd = "it's \"odd\" $HOME `x` \\ end"
    tiny.component("a", provides={"a": {"url": "http://${host}:${port.server.http}"}}, secrets={"key": {"length": 32}})
    manifest = tiny.manifests["a"] | {"environment": {"A_URL": "${provides.a.url}", "ODD": odd.replace("$", "$$") if "${" in odd else odd}}
    tiny.manifest("a", manifest)
    tiny.flavour("a")
    tiny("up")
    wanted = {"A_URL": f"http://127.0.0.1:{tiny.ports['a']}", "ODD": odd}
    assert tiny("env", "--format", "json", "-q").json == wanted
    script = tiny("env", "-q").out + '\nprintf "%s|%s" "$A_URL" "$ODD"'
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, env={})
    assert done.stdout == f"{wanted['A_URL']}|{odd}", done
    dotenv = dict(line.split("=", 1) for line in tiny("env", "--format", "dotenv", "-q").out.splitlines())
    assert set(dotenv) == set(wanted)
    result = tiny("exec", "--", PYTHON, "-c", "import os,sys; print(os.environ['ODD']); sys.exit(7)", code=7)
    assert result.out.strip() == odd
    assert tiny("exec", "--", "/nowhere/x", check=False).code == 127


def test_logs(tiny):
    chain(tiny)
    tiny("up")
    for n in range(3):
        time.sleep(0.005)  # stamps are of milliseconds
        get(tiny.ports["a"], f"/say/a{n}")
        time.sleep(0.005)
        get(tiny.ports["b"], f"/say/b{n}")
    out = tiny("logs", "a", "b").out
    said = [re.search(r"\b([ab]\d)\b", line).group(1) for line in out.splitlines() if re.search(r"\b[ab]\d\b", line)]
    assert said == ["a0", "b0", "a1", "b1", "a2", "b2"], "in order of time"
    assert "b0" not in tiny("logs", "a.server").out
    assert tiny("logs", "a", "--tail", "1").out.strip().endswith("a2")
    lines = [json.loads(line) for line in tiny("logs", "a", "--json", "-q").out.splitlines()]
    assert any("a1" in str(line) for line in lines)
    follow = tiny.popen("logs", "a", "-f", "--tail", "0")
    try:
        deadline = time.monotonic() + 20
        seen = ""
        while "later" not in seen:
            assert time.monotonic() < deadline
            get(tiny.ports["a"], "/say/later")
            ready, _, _ = select.select([follow.stdout], [], [], 0.1)
            if ready:
                seen += os.read(follow.stdout.fileno(), 4096).decode()
        assert "a0" not in seen
    finally:
        follow.send_signal(2)
        follow.communicate(timeout=20)
    assert follow.returncode == 130


def test_events(tiny):
    chain(tiny)
    tiny("up")
    history = [json.loads(line) for line in tiny("events", "--json", "-q").out.splitlines()]
    assert [e["seq"] for e in history] == list(range(1, len(history) + 1))
    text = tiny("events").out
    assert "a.server" in text and "running -> ready" in text and "daemon  started" in text
    follow = tiny.popen("events", "--follow", "--json", "-q")
    try:
        tiny("restart", "d")
        seen = ""
        deadline = time.monotonic() + 20
        while '"to":"ready"' not in seen.replace(" ", ""):
            assert time.monotonic() < deadline
            ready, _, _ = select.select([follow.stdout], [], [], 0.1)
            if ready:
                seen += os.read(follow.stdout.fileno(), 65536).decode()
            else:
                tiny("restart", "d")
    finally:
        follow.send_signal(2)
        follow.communicate(timeout=20)


def test_status_tells_what_is_wrong(tiny):
    tiny.component("a", mode="exit")
    tiny.flavour("a")
    tiny("up", code=1)
    text = tiny("status").out
    assert "failed" in text and "crash loop" in text and "exit code 3" in text
    (service,) = tiny("status", "--json", "-q").json["services"]
    assert service["state"] == "failed" and service["exit_code"] == 3


def test_status_of_a_stopped_platform(tiny):
    chain(tiny)
    tiny("up")
    tiny("down")
    assert "no daemon runs" in tiny("status").out and set(tiny.states().values()) == {"stopped"}


def test_credentials_only_on_request(tiny):
    tiny.component(
        "a", secrets={"key": {"length": 32}}, environment={"KEY": "${secret.key}"}, links=[{"title": "Page", "service": "server", "port": "http", "user": "me", "secret": "key"}]
    )
    tiny.flavour("a")
    outputs = [tiny("up"), tiny("status"), tiny("plan"), tiny("logs"), tiny("events"), tiny("platform", "show"), tiny("doctor", check=False)]
    secret = (tiny.platform() / "secrets/a/key").read_text()
    assert len(secret) == 32 and all(secret not in r.out + r.err for r in outputs)
    for pid, command in tiny.processes():
        assert secret not in command
    assert secret in tiny("credentials", "a").out and "me" in tiny("credentials").out
    assert secret in json.dumps(tiny("credentials", "--json", "-q").json)
