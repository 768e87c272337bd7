"""What a user does with the services of a platform that runs: install, stop, restart, uninstall, destroy, and whether
what each command says is what happened."""

import json
import re
import subprocess
import time

import pytest
from conftest import wait_for
from tiny import PYTHON, Stranger, alive, chain, get, tiny  # noqa: F401  (a fixture)


def test_install_starts_nothing(tiny):
    chain(tiny)
    result = tiny("install", "a", "d")
    assert result.err.startswith("platform native.tiny in ") and "data-mill up" in result.err
    assert not tiny.processes() and not (tiny.folder("a") / "data/starts").exists()
    unknown = tiny("install", "aa", code=2)
    assert "did you mean" in unknown.err
    tiny("up")
    tiny.empty_plan()


def test_exit_codes_of_the_plan(tiny):
    """0 nothing to do, 2 a flavour that is wrong, 3 changes; without the option changes are 0."""
    chain(tiny)
    tiny("plan", code=0)
    tiny("plan", "--detailed-exitcode", code=3)
    tiny("plan", "--detailed-exitcode", "--json", "-q", code=3)
    tiny.flavour("a, nope", name="wrong")
    before = tiny.snapshot()
    for extra in ((), ("--json",)):
        wrong = tiny("plan", "--detailed-exitcode", "-f", "wrong", *extra, code=2)
        assert "wrong.yaml:4:18: error: unknown component 'nope'" in wrong.err and "nothing was changed" in wrong.err
        assert not wrong.out
    assert tiny.snapshot() == before


def test_json_of_plan_and_status_agree_with_the_text(tiny):
    chain(tiny)
    text, plan = tiny("plan").out, tiny("plan", "--json", "-q").json
    starts = re.findall(r"^start\s+(\S+)\s+new$", text, re.M)
    assert starts == ["a.server", "b.server", "c.server", "d.server"]
    assert starts == [f"{a['component']}.{a['name']}" for a in plan["actions"] if a["action"] == "start"]
    tiny("up")
    rows = [line.split() for line in tiny("status").out.splitlines() if "server" in line]
    status = tiny.status()
    assert [(f"{r[0]}.{r[1]}", r[2]) for r in rows] == [(i, s["state"]) for i, s in status.items()]
    for row in rows:
        port = status[f"{row[0]}.{row[1]}"]["ports"]["http"]
        assert f"127.0.0.1:{port}" in row and get(port) == "ok"


def test_stop_says_whom_it_stops_before_it_does(tiny):
    chain(tiny)
    tiny("up")
    result = tiny("stop", "a")
    said = result.out + result.err
    assert said.index("these depend on it and are stopped, too: b.server, c.server") < said.index("stopping")
    assert "d.server" not in said
    events = [json.loads(line) for line in tiny("events", "--json", "-q").out.splitlines()]
    assert [e["service"] for e in events if e.get("to") == "stopped"] == ["c.server", "b.server", "a.server"]
    again = tiny("stop", "a")
    assert "stopping" not in again.out + again.err and "a.server: already stopped" in again.out + again.err
    assert tiny.starts("d") == 1


def test_restart_is_of_one_only(tiny):
    chain(tiny)
    tiny("up")
    before = tiny.pids()
    tiny("restart", "b")
    after = tiny.pids()
    assert {i for i in after if after[i] != before[i]} == {"b.server"} and not alive(before["b.server"])
    tiny.empty_plan()


def test_wait_that_ends_too_late_says_what_it_waited_for(tiny):
    tiny.component("slow", mode="never-ready", service={"startup": {"deadline": "60s"}})
    tiny.component("bad", mode="exit")
    tiny.flavour("slow, bad")
    up = tiny.popen("up")
    try:
        wait_for(lambda: (tiny.platform() / "run/daemon.json").exists(), what="a daemon")
        wait_for(lambda: tiny.states().get("slow.server") == "running", what="its start")
        wait_for(lambda: tiny.states().get("bad.server") == "failed", what="the crash loop")
        failed = tiny("wait", "bad", "--timeout", "50s", code=1)
        assert "exit code 3" in failed.err and "flux capacitor" in failed.err and "data-mill logs bad" in failed.err
        late = tiny("wait", "slow", "--timeout", "100ms", code=1)
        assert "timeout" in late.err and "slow.server: not ready" in late.err and "listening" in late.err and "next: " in late.err
    finally:
        up.send_signal(2)
        up.communicate(timeout=60)
    assert up.returncode == 130


def test_uninstall_of_what_others_need(tiny):
    chain(tiny)
    tiny("up")
    before = tiny.pids()
    refused = tiny("uninstall", "a", code=2)
    assert "a is used by b, which runs" in refused.err and "next: " in refused.err and tiny.pids() == before
    tiny("uninstall", "c", "a", "b")
    assert set(tiny.states()) == {"d.server"}, "all of them at once, whatever the order"


def test_data_that_uninstall_kept_can_be_deleted_later(tiny):
    chain(tiny)
    tiny("up")
    tiny("uninstall", "d")
    data = tiny.folder("d") / "data"
    assert data.exists()
    refused = tiny("uninstall", "d", "--delete-data", code=2)
    assert re.search(r"deletes\s+d.server\s+\d", refused.err) and data.exists()
    tiny("uninstall", "d", "--delete-data", "--yes")
    assert not tiny.folder("d").exists()
    unknown = tiny("uninstall", "d", "--delete-data", "--yes", code=2)
    assert 'no component "d"' in unknown.err and "deletes" not in unknown.err
    assert set(tiny.states().values()) == {"ready"}


def test_destroy_of_a_stopped_platform_whose_port_another_has_by_now(tiny):  # noqa: F811
    tiny.component("a")
    tiny.flavour("a")
    tiny("up")
    tiny("down")
    with Stranger(tiny.ports["a"]):
        tiny("destroy", "--yes", "--delete-data")
    assert not tiny.platforms()


def test_destroy_lists_what_it_takes_with_sizes(tiny):
    chain(tiny)
    tiny("up")
    (tiny.folder("a") / "data/big").write_bytes(b"x" * 3_000_000)
    for args, word in (((), "keeps"), (("--delete-data",), "deletes")):
        result = tiny("destroy", *args, code=2)
        assert re.search(rf"{word}\s+a.server\s+2\.9 MiB", result.err), result
        assert "stops      a.server, b.server, c.server, d.server" in result.err and "--yes" in result.err
        assert get(tiny.ports["a"]) == "ok"


def test_a_secret_stays_and_nothing_restarts(tiny):
    tiny.component("a", secrets={"key": {"length": 32}}, environment={"KEY": "${secret.key}"})
    tiny.component("b")
    tiny.flavour("a, b")
    tiny("up")
    before = tiny.pids()
    value = (tiny.platform() / "secrets/a/key").read_text()
    tiny("up")
    assert tiny.pids() == before and (tiny.platform() / "secrets/a/key").read_text() == value
    assert all(value not in str(s) for s in (tiny("plan", "--json", "-q").out, tiny("status", "--json", "-q").out))


def test_without_a_flavour_it_is_the_one_of_last_time(tiny):
    chain(tiny)
    tiny.flavour("a, d", name="small")
    tiny("up", "-f", "small")
    result = tiny("plan", "--detailed-exitcode", code=0)
    assert "small.yaml, as this platform's last time" in result.err
    tiny("up")
    assert set(tiny.states()) == {"a.server", "d.server"}


def dotenv(text):
    """As the usual readers do: NAME=VALUE, quotes taken off, backslashes only within double quotes."""
    found = {}
    for line in text.splitlines():
        name, value = line.split("=", 1)
        if value[:1] == '"':
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        elif value[:1] == "'":
            value = value[1:-1]
        found[name] = value
    return found


@pytest.mark.parametrize("value", ["plain", "two words", "it's", 'say "hi"', "a#b", "back\\slash", "a$b `c`"])
def test_env_in_every_format(tiny, value):
    tiny.component("a")
    tiny.manifest("a", tiny.manifests["a"] | {"environment": {"VALUE": value}})
    tiny.flavour("a")
    tiny("up")
    assert tiny("env", "--format", "json", "-q").json == {"VALUE": value}
    shell = subprocess.run(["/bin/sh", "-c", tiny("env", "--format", "sh", "-q").out + '\nprintf %s "$VALUE"'], capture_output=True, text=True, env={})
    assert shell.stdout == value
    assert dotenv(tiny("env", "--format", "dotenv", "-q").out) == {"VALUE": value}
    done = tiny("exec", "-q", "--", PYTHON, "-c", "import os; print(os.environ['VALUE'])")
    assert done.out == value + "\n"


def test_what_exec_runs_ends_the_command_as_it_ended(tiny):
    chain(tiny)
    tiny("up")
    for code in (0, 1, 42, 255):
        tiny("exec", "--", "/bin/sh", "-c", f"exit {code}", code=code)
    assert tiny("exec", "--", "/bin/sh", "-c", "kill -TERM $$", check=False).code in (-15, 143)
    assert tiny("exec", "--", str(tiny.project / "data-mill.yaml"), check=False).code == 126
    assert "PROGRAM" in tiny("exec", code=2).err


def test_logs_since_a_time(tiny):
    chain(tiny)
    tiny("up")
    get(tiny.ports["a"], "/say/early")
    stamp = re.search(r"^(\S+Z).*early", tiny("logs", "a", "--timestamps").out, re.M).group(1)
    time.sleep(0.005)  # stamps are of milliseconds
    get(tiny.ports["a"], "/say/late")
    since = tiny("logs", "a", "--timestamps", "--since", stamp).out
    assert "late" in since and "listening" not in since
    every = tiny("logs", "--since", "10m").out
    assert every.count("listening on") == 4, "of all of them, without a name"
    wrong = tiny("logs", "--since", "soon", code=2)
    assert "duration such as 10m" in wrong.err
