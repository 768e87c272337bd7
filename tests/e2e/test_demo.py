"""What the command makes of a demo: steps in order, answers, skips, tries, failures.  The shipped story is in test_all.py."""

import json

import pytest

DEMO = """
title: a small story
flavour: mini
environment: base
retries: {retries}
steps:
  - {{name: first, title: write something down, run: first.py, needs: [versitygw]}}
  - {{name: flaky, title: fail once, run: flaky.py, component: versitygw}}
  - {{name: absent, title: need what is not here, run: first.py, needs: [kafka]}}
  - {{name: last, title: read it, run: last.py}}
"""
SCRIPTS = {
    "first.py": 'open("note", "w").write("42")\nprint(\'{"message": "noted", "counts": {"notes": 1}}\')\n',
    "flaky.py": 'import os, sys\nif not os.path.exists("tried"):\n    open("tried", "w")\n    print("a broker went away", file=sys.stderr)\n    sys.exit("boom")\nprint("fine")\n',
    "last.py": 'import os\nprint(open("note").read(), os.environ["MILL_ENVIRONMENT"], bool(os.environ["AWS_SECRET_ACCESS_KEY"]))\n',
}


@pytest.fixture
def story(mill, tmp_path):
    project = tmp_path / "mine"
    mill.run("init", project)
    (project / "flavours").mkdir(exist_ok=True)
    (project / "flavours/mini.yaml").write_text("project: {k8s_namespace: mini, flavour: versitygw, k8s_default_config: native.yaml}\n")
    folder = project / "demos/mini"
    folder.mkdir(parents=True)
    for name, text in SCRIPTS.items():
        (folder / name).write_text(text)

    def tell(*args, retries=1, **kw):
        (folder / "demo.yaml").write_text(DEMO.format(retries=retries))
        return mill.run("demo", *args, cwd=project, timeout=600, **kw)

    return tell


def test_a_story(story):
    assert "a small story" in story("--list").out
    result = json.loads(story("mini", "--json").out.splitlines()[-1])  # lines before it are what `up` did
    steps = {s["step"]: s for s in result["steps"]}
    assert [s["step"] for s in result["steps"]] == ["first", "flaky", "absent", "last"]
    assert {n: s["result"] for n, s in steps.items()} == {"first": "ok", "flaky": "ok", "absent": "skipped", "last": "ok"}
    assert steps["first"]["counts"] == {"notes": 1} and steps["first"]["tries"] == 1
    assert steps["flaky"]["tries"] == 2 and "kafka" in steps["absent"]["message"]
    assert steps["last"]["message"] == "42 base True"
    assert (result["ok"], result["failed"], result["skipped"]) == (3, 0, 1)


def test_a_story_that_fails(story):
    result = story("mini", retries=0, code=1)
    assert "step flaky (fail once), component versitygw: exit code 1: boom" in result.err and "a broker went away" in result.err
    assert "data-mill demo mini --from flaky" in result.err
    assert "last" not in result.out
    assert "2 ok, 0 failed, 1 skipped" in story("mini", "--from", "flaky").out
    assert "no step 'lost'" in story("mini", "--from", "lost", code=2).err
    assert "expected a number from 0 to 5" in story("mini", retries=9, code=2).err
    assert "--list" in story("minx", code=2).err
