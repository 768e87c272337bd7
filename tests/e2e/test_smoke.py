"""`test`: what a smoke test finds, and what it means that it could not be run."""

import pytest
from tiny import PYTHON, tiny  # noqa: F401  (a fixture)

GOOD = {"command": [PYTHON, "${component}/smoke.py"]}


def test_a_test_that_cannot_be_run_has_failed(tiny):
    gone = tiny.home / "gone"
    gone.symlink_to(PYTHON)
    tiny.component("a", smoke={"command": [str(gone), "${component}/smoke.py"]})
    tiny.component("b", smoke=GOOD)
    tiny.component("c")
    tiny.flavour("a, b, c")
    tiny("up")
    assert "2 ok, 0 failed, 0 skipped" in tiny("test").out
    gone.unlink()
    result = tiny("test", code=1)
    assert "1 ok, 1 failed, 0 skipped" in result.out
    assert "a: test: " in result.err and "No such file" in result.err and "next: " in result.err
    tests = {t["component"]: t for t in tiny("test", "--json", "-q", code=1).json["tests"]}
    assert set(tests) == {"a", "b"} and not tests["a"]["ok"] and tests["b"]["ok"]


@pytest.mark.parametrize("name, code", [("a", 1), ("b", 0)])
def test_one_of_several(tiny, name, code):
    tiny.component("a", mode="never-ready", ready=False, service={"readiness": {"tcp": {"port": "http"}}}, smoke=GOOD)
    tiny.component("b", smoke=GOOD)
    tiny.flavour("a, b")
    tiny("up")
    result = tiny("test", name, code=code)
    assert result.out.splitlines()[-1] == ("1 ok, 0 failed, 0 skipped" if code == 0 else "0 ok, 1 failed, 0 skipped")


def test_what_does_not_run_is_told_without_asking_it(tiny):
    tiny.component("a", smoke=GOOD)
    tiny.flavour("a")
    tiny("up")
    tiny("stop", "a")
    (test,) = tiny("test", "--json", "-q", code=1).json["tests"]
    assert not test["ok"] and "stopped" in test["message"] and "elapsed_ms" not in test
