"""What people and files get wrong: said with file, line, column and a suggestion, exit code 2, and nothing changed."""

import json
import re

import pytest
from tiny import get, tiny  # noqa: F401 (a fixture)

GOOD = "project:\n  k8s_namespace: tiny\n  flavour: a\n  k8s_default_config: native.yaml\n"
PLACE = re.compile(r"^(\S+?):(\d+):(\d+): error: (.*)$", re.M)


@pytest.fixture
def shop(tiny):  # noqa: F811
    """A project with two components, and a platform's state to protect."""
    tiny.component("a", settings={"colour": {"type": "enum", "values": ["red", "green"], "default": "red", "help": "x"}, "size": {"type": "size", "default": "1Mi", "min": "1Ki", "max": "1Gi", "help": "x"}, "wait": {"type": "duration", "default": "1s", "help": "x"}, "many": {"type": "int", "default": 1, "min": 1, "max": 9, "help": "x"}, "shine": {"type": "bool", "default": False, "help": "x"}, "word": {"type": "string", "default": "w", "pattern": "[a-z]+", "help": "x"}})
    tiny.component("b", requires=["a"])
    tiny.flavour("a, b")
    (tiny.home / "mill" / "platforms").mkdir(parents=True)
    return tiny


def bad(shop, text, *args, code=2):
    """Every command that reads the flavour refuses it, and changes nothing."""
    path = shop.project / "flavours" / "bad.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    before = shop.snapshot()
    results = [shop(command, "-f", path, *args, code=code, timeout=20) for command in ("up", "plan", "validate")]
    assert shop.snapshot() == before
    return results[0]


# ---- files that are no flavours ----
@pytest.mark.parametrize(
    "text, says",
    [
        ("", "empty"),
        ("# only a comment\n", "empty"),
        ("- a\n- list\n", "1:1"),
        ("just text\n", "1:1"),
        ("project:\n\tflavour: a\n", "2:1"),
        ("project:\n  flavour: a\n  flavour: b\n", "3:3"),
        ("project: {flavour: a\n", "bad.yaml:"),
        ('project:\n  flavour: "a\n', "bad.yaml:"),
        ("%TAG ! x\n%%%\n", "bad.yaml:"),
        (b"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x03\x00>\x00", "bad.yaml:1:"),
        (b"project:\n  flavour: \xff\xfe\n", "bad.yaml:2:"),
        ("project:\n  flavour: a\x00b\n", "bad.yaml:2:"),
        ("[" * 100000, "deep"),
        ("project:\n" + "".join(" " * (i + 1) + "a:\n" for i in range(400)), "deep"),
        ("a: &a [x, x, x, x, x, x, x, x]\n" + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [" + ", ".join([f"*{chr(97 + i)}"] * 9) + "]\n" for i in range(9)), "too many values"),
        ("a: &a [*a]\n", "bad.yaml:1:"),
        (GOOD + "# " + "x" * 100 + "\n" * 3 + "y: " + "z" * (9 << 20) + "\n", "large"),
        ("---\nproject: {}\n---\nproject: {}\n", "3:1"),
    ],
    ids=["empty", "comment", "list", "scalar", "tab", "duplicate", "unclosed", "unquoted", "directive", "binary", "latin1", "nul", "deep-flow", "deep-block", "bomb", "recursive", "huge", "two-documents"],
)
def test_files_that_are_no_flavours(shop, text, says):
    result = bad(shop, text)
    assert says in result.err and "bad.yaml" in result.err, result
    assert len(result.err) < 20000, "one mistake, one screen"
    assert result.seconds < 2


def test_a_folder_a_pipe_and_a_device_are_no_flavours(shop):
    import os

    os.mkfifo(shop.project / "pipe.yaml")
    (shop.project / "folder.yaml").mkdir()
    for name in ("./pipe.yaml", "./folder.yaml", "/dev/zero", "./absent.yaml"):
        result = shop("validate", "-f", name, code=2, timeout=10)
        assert name.split("/")[-1] in result.err


# ---- names ----
def test_unknown_flavour(shop):
    result = shop("up", "-f", "defalt", code=2)
    assert "defalt" in result.err and "default" in result.err and not shop.platforms()


def test_unknown_component_setting_key_and_section(shop):
    err = bad(shop, GOOD.replace("flavour: a", "flavour: a, bb") + "  proxyport: 1\na:\n  color: red\nlocall:\n  provider: native\n").err
    places = {(int(line), int(column)): text for _, line, column, text in PLACE.findall(err)}
    assert set(places) == {(3, 15), (5, 3), (7, 3), (8, 1)}
    for word in ("'b'", "'proxy_port'", "'colour'"):
        assert f"did you mean {word}" in err, err
    lines = err.splitlines()
    at = next(i for i, line in enumerate(lines) if ":7:3: error" in line)
    assert lines[at + 1] == "  color: red" and lines[at + 2] == "  ^~~~~"


@pytest.mark.parametrize(
    "args, word",
    [
        (["up", "--prun"], "--prune"),
        (["plna"], "plan"),
        (["up", "--prune=yes"], "--prune"),
        (["up", "--wait-lock", "soon"], "soon"),
        (["up", "-j", "many"], "many"),
        (["up", "-c", "aa"], "'a'"),
        (["up", "--without", "bb"], "'b'"),
        (["up", "extra"], "extra"),
        (["-l", "-q", "-z"], "-z"),
        (["component", "show", "aa"], "a"),
        (["component", "validate", "aa"], "a"),
    ],
    ids=lambda v: "-".join(v) if isinstance(v, list) else None,
)
def test_unknown_flags_and_arguments(shop, args, word):
    before = shop.snapshot()
    result = shop(*args, code=2)
    assert word in result.err and shop.snapshot() == before


def test_services_and_platforms_that_there_are_not(shop):
    shop("up", "-f", "default")
    for args in (["logs", "aa"], ["restart", "a.serverr"], ["stop", "zz"], ["start", "zz"], ["wait", "zz"], ["credentials", "zz"], ["test", "zz"], ["uninstall", "zz"], ["open", "zz"]):
        result = shop(*args, code=2)
        assert args[1] in result.err
    assert "native.tiny" in shop("status", "--platform", "native.tinny", code=2).err
    assert set(shop.states().values()) == {"ready"}


# ---- wrong types: twenty in one file ----
TWENTY = """\
project:
  k8s_namespace: Not A Name
  proxy_port: 99999
  flavor: a
  flavour: a, bbb
  k8s_default_config: nativ.yaml
  component_default_config: [x]
  data_folder: no/such/folder
  data_bucket: UPPER
  memory: lots
  use: {a: zz}
  without: [nobody]
  proxy_port: 8088
local:
  provider: nativ
  cpus: many
a:
  colour: blue
  size: 2Gi
  wait: 3 parsec
  many: 10
  shine: 1
  word: UP
  memory: -5
  ports: {server.htp: 9000, server.http: 99999}
b: [a, list]
nobody:
  x: 1
"""
EXPECTED = {
    (2, 18), (3, 15), (4, 3), (5, 15), (6, 23), (7, 29), (8, 16), (9, 16), (10, 11), (11, 12), (12, 13), (13, 3), (15, 13), (16, 9), (18, 11),
    (19, 9), (20, 9), (21, 9), (22, 10), (23, 9), (24, 11), (25, 11), (25, 42), (26, 4), (27, 1),
}  # fmt: skip


def test_twenty_mistakes_are_reported_at_once(shop):
    err = bad(shop, TWENTY).err
    places = {(int(line), int(column)) for file, line, column, _ in PLACE.findall(err) if file.endswith("bad.yaml")}
    assert len(EXPECTED) >= 20
    assert places == EXPECTED, (sorted(EXPECTED - places), sorted(places - EXPECTED), err)
    # the caret is below the first letter of what is meant
    lines = err.splitlines()
    for i, line in enumerate(lines):
        match = PLACE.match(line)
        if match:
            assert lines[i + 1] == TWENTY.splitlines()[int(match[2]) - 1]
            assert lines[i + 2].index("^") == int(match[3]) - 1
    listed = shop("validate", "-f", "bad", "--json", code=2)
    assert {(d["line"], d["column"]) for d in listed.json if d["severity"] == "error"} == EXPECTED


def test_mistakes_of_all_files_in_one_run(shop):
    """Flavour, manifest and target: each with its own place."""
    text = (shop.project / "components/b/component.yaml").read_text().replace('"category": "support"', '"category": "suport"')
    (shop.project / "components/b/component.yaml").write_text(text)
    (shop.project / "mine.yaml").write_text("local:\n  provder: native\n")
    err = bad(shop, GOOD.replace("flavour: a", "flavour: b") + "  memry: 1Gi\n", "-t", shop.project / "mine.yaml").err
    assert {f.rsplit("/", 1)[-1] for f, *_ in PLACE.findall(err)} == {"bad.yaml", "component.yaml", "mine.yaml"}
    assert "'support'" in err and "'provider'" in err and "'memory'" in err


# ---- manifests ----
def broken(shop, **more):
    shop.component("broken", **more)
    before = shop.snapshot()
    result = shop("component", "validate", "broken", code=2)
    assert PLACE.search(result.err) and "component.yaml" in result.err
    shop.flavour("broken", name="with-broken")
    for command in ("up", "plan"):
        assert PLACE.search(shop(command, "-f", "with-broken", code=2).err)
    assert shop.snapshot() == before
    return result.err


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost", "0.0.0.0", "[::1]", "http://10.1.2.3:80/"])
def test_a_literal_address_in_a_command(shop, address):
    assert "${bind}" in broken(shop, command=["--listen", address])


def test_a_literal_address_in_the_environment_and_in_provides(shop):
    assert "${host}" in broken(shop, environment={"URL": "http://127.0.0.1:80/"})
    assert "${host}" in broken(shop, provides={"broken": {"url": "http://localhost:1"}})


def test_a_secret_in_a_command_a_probe_or_a_link(shop):
    secret = {"password": {"length": 32}}
    assert "secret" in broken(shop, secrets=secret, command=["--password", "${secret.password}"])
    assert "secret" in broken(shop, secrets=secret, service={"readiness": {"http": {"port": "http", "path": "/${secret.password}"}}})
    assert "secret" in broken(shop, secrets=secret, links=[{"title": "x", "service": "server", "port": "http", "path": "/${secret.password}"}])


def test_a_secret_that_arrives_through_provides(shop):
    """Tainted all the way: what another component provides is no less secret in a command."""
    shop.component("vault", secrets={"password": {"length": 32}}, provides={"vault": {"url": "http://${host}:${port.server.http}", "key": "${secret.password}"}})
    shop.component("reader", requires=["vault"], command=["--key", "${vault.key}"])
    shop.flavour("vault, reader")
    before = shop.snapshot()
    assert "secret" in shop("up", code=2).err
    assert shop.snapshot() == before


def test_names_that_do_not_exist(shop):
    assert "did you mean 'http'" in broken(shop, command=["${port.htp}"])
    assert "'nothing'" in broken(shop, requires=["nothing"], environment={"NOTHING_URL": "x"})
    assert "length" in broken(shop, secrets={"password": {"length": 8}})
    assert "readiness" in broken(shop, ready=False)
    assert "smoke.txt" in broken(shop, smoke="smoke.txt")
    assert ".." in broken(shop, smoke="../../outside.py")


def test_a_cycle_is_reported_as_its_path(shop):
    shop.component("x", requires=["y"])
    shop.component("y", requires=["z"])
    shop.component("z", requires=["x"])
    shop.flavour("a, x, y, z")
    before = shop.snapshot()
    err = shop("up", code=2).err
    assert "cycle: x needs y from y, y needs z from z, z needs x from x" in err, err
    assert shop.snapshot() == before


def test_two_providers(shop):
    for name in ("left", "right"):
        shop.component(name, provides={"depot": {"url": "http://${host}:${port.server.http}"}})
    shop.component("user", requires=["depot"])
    shop.flavour("left, right, user")
    err = shop("up", code=2).err
    assert "left" in err and "right" in err and "use" in err
    shop.flavour("left, right, user", project={"use": {"depot": "right"}})
    shop("up")
    assert f"DEPOT_URL=http://127.0.0.1:{shop.ports['right']}" in get(shop.ports["user"], "/environment")


def test_a_broken_manifest_that_nothing_needs_is_only_named(shop):
    (shop.manifest("other", {"schema": 1, "name": "other"}) / "component.yaml").write_text("schema: [\n")
    result = shop("validate", "-f", "default")
    assert "other" in result.err and "component validate other" in result.err
    shop("validate", "-f", "default", "--all", code=2)


def test_a_newer_schema_is_refused_with_its_number(shop):
    shop.component("b", schema=2)
    assert "schema" in shop("up", "-f", "default", code=2).err


def test_json_diagnostics_are_json(shop):
    (shop.project / "flavours" / "bad.yaml").write_text("project: {\n")
    assert json.loads(shop("validate", "-f", "bad", "--json", code=2).out)
