"""The JSON Schemas that the program prints for editors: what is shipped fits them, mistakes do not."""

import copy
import json
import re
import subprocess

import jsonschema
import pytest
import yaml
from conftest import PROGRAM, ROOT
from tiny import tiny  # noqa: F401 (a fixture)


class Core(yaml.SafeLoader):
    """YAML 1.2's core schema, as editors and data-mill read it."""

    yaml_implicit_resolvers = {}


for tag, pattern, first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"null|Null|NULL|~|", ["n", "N", "~", ""]),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
):
    Core.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"^(?:{pattern})$"), list(first))


def schema(kind):
    text = subprocess.run([PROGRAM, "component", "schema", kind], capture_output=True, text=True, check=True).stdout
    found = json.loads(text)
    jsonschema.Draft202012Validator.check_schema(found)
    return jsonschema.Draft202012Validator(found)


@pytest.fixture(scope="module")
def schemas():
    return {kind: schema(kind) for kind in ("manifest", "flavour", "target", "config")}


SHIPPED = {
    "manifest": "components/*/component.yaml",
    "flavour": "flavours/*.yaml",
    "target": "k8s/configs/*.yaml",
    "config": "components/*/config.yaml",
}
FILES = [(kind, path) for kind, pattern in SHIPPED.items() for path in sorted(ROOT.glob(pattern))]


@pytest.mark.parametrize("kind, path", FILES, ids=lambda v: v if isinstance(v, str) else str(v.relative_to(ROOT)))
def test_what_is_shipped_fits(schemas, kind, path):
    errors = [f"{list(e.absolute_path)}: {e.message[:200]}" for e in schemas[kind].iter_errors(yaml.load(path.read_text(), Core))]
    assert not errors


def test_the_default_is_the_manifests(schemas):
    text = subprocess.run([PROGRAM, "component", "schema"], capture_output=True, text=True, check=True).stdout
    assert json.loads(text) == schemas["manifest"].schema


# The program refuses each of these, too: an editor must not be laxer where a schema can say it.
MANIFEST = {
    "schema": 1, "name": "a", "category": "storage", "summary": "x", "version": "1",
    "settings": {"n": {"type": "int", "help": "x", "default": 1}},
    "services": {"server": {"command": ["/bin/x"], "ports": {"api": 9000}, "readiness": {"tcp": {"port": "api"}}, "resources": {"memory": "1Mi", "memory_min": "1Mi"}}},
}
FLAVOUR = {"project": {"k8s_namespace": "a", "flavour": "a", "k8s_default_config": "native.yaml"}, "a": {"release": "x", "memory": "1Gi"}}
GONE = object()
MISTAKES = [
    ("manifest", ["nmae"], "a"), ("manifest", ["name"], GONE), ("manifest", ["summary"], GONE), ("manifest", ["category"], "suport"),
    ("manifest", ["category"], GONE), ("manifest", ["schema"], 2), ("manifest", ["schema"], GONE), ("manifest", ["name"], "A b"),
    ("manifest", ["services"], []), ("manifest", ["services", "server", "comand"], []), ("manifest", ["services", "server", "command"], "x y"),
    ("manifest", ["services", "server", "ports", "api"], 70000), ("manifest", ["services", "server", "readiness"], {"htp": {}}),
    ("manifest", ["services", "server", "restart"], {"policy": "sometimes"}), ("manifest", ["settings", "n", "type"], "integer"),
    ("manifest", ["settings", "n", "help"], GONE), ("manifest", ["upstream"], {"status": "asleep"}), ("manifest", ["secrets"], {"k": {"length": "long"}}),
    ("manifest", ["targets"], ["moon"]), ("manifest", ["native"], {"install": [{"pipp": {}}]}), ("manifest", ["requires"], "s3"),
    ("flavour", ["project", "flavor"], "a"), ("flavour", ["project", "k8s_namespace"], "Not a name"), ("flavour", ["project", "flavour"], {"a": 1}),
    ("flavour", ["project", "proxy_port"], "none"), ("flavour", ["project", "use"], ["x"]), ("flavour", ["project"], "a"),
]


def changed(value, path, new):
    value = copy.deepcopy(value)
    at = value
    for key in path[:-1]:
        at = at[key]
    if new is GONE:
        del at[path[-1]]
    else:
        at[path[-1]] = new
    return value


@pytest.mark.parametrize("kind, path, new", MISTAKES, ids=lambda v: "-".join(v) if isinstance(v, list) else v if isinstance(v, str) else "")
def test_mistakes_do_not_fit(schemas, tiny, kind, path, new):  # noqa: F811
    good = MANIFEST if kind == "manifest" else FLAVOUR
    assert schemas[kind].is_valid(good)
    bad = changed(good, path, new)
    errors = list(schemas[kind].iter_errors(bad))
    assert errors
    # ... and it is the same place that the program names
    (tiny.project / "components" / "a").mkdir()
    (tiny.project / "components" / "a" / "component.yaml").write_text(json.dumps(bad if kind == "manifest" else MANIFEST))
    (tiny.project / "flavours" / "default.yaml").write_text(json.dumps(bad if kind == "flavour" else FLAVOUR))
    tiny("validate", "--all", "-f", "default", code=2)
