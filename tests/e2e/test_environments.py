"""Data-science environments: what they are made of, and a cell in each kernel.

A normal run takes what is quick: environments that the shared store has already, and one that is two small packages.
MILL_TEST_LONG=1 builds the others, too (minutes and gigabytes).
"""

import json
import os
import re

import pytest

from conftest import ROOT

LONG = os.environ.get("MILL_TEST_LONG") == "1"
CELLS = {"python3": ["print(6 * 7)"], "ir": ["cat(6 * 7)"], "scala": ["val n = 6 * 7\nprintln(n)", "spark.range(42).count()"]}
KERNELS = [
    ("base", "python3"),
    ("r", "ir"),
    ("all-spark", "scala"),
    ("all-spark", "ir"),
    ("datascience", "ir"),
    ("scipy", "python3"),
    ("pyspark", "python3"),
    ("tensorflow", "python3"),
    ("python-env", "python3"),
    ("pyspark-env", "python3"),
    ("pydl-env", "python3"),
]
TINY = """
schema: 1
name: {name}
category: environment
summary: nearly nothing
version: "1"
kernels: [python3]
{more}
native:
  install:
    - pip:
        requirements:
          - "{package}"
"""


def listed(mill, **kw):
    return {e["name"]: e for e in mill.run("environment", "list", "--json", **kw).json}


def notebook(path, kernel, cells):
    code = [
        {"cell_type": "code", "id": f"c{i}", "metadata": {}, "source": s, "outputs": [], "execution_count": None} for i, s in enumerate(cells)
    ]
    spec = {"kernelspec": {"name": kernel, "display_name": kernel}}
    path.write_text(json.dumps({"cells": code, "metadata": spec, "nbformat": 4, "nbformat_minor": 5}))
    return path


def said(path):
    cells = json.loads(path.read_text())["cells"]
    return "".join("".join(o.get("text", o.get("data", {}).get("text/plain", ""))) for c in cells for o in c["outputs"])


def need(mill, name):
    e = listed(mill)[name]
    if not e["built"] and not LONG:
        pytest.skip(f"{name} is not in the store; MILL_TEST_LONG=1 builds it")


def test_all_are_listed_and_locked(mill):
    found = listed(mill)
    assert {"base", "scipy", "r", "datascience", "pyspark", "all-spark", "tensorflow"} <= set(found)
    assert {"python-env", "pyspark-env", "pydl-env", "pydl-gpu-env"} <= set(found)
    assert all(e["hash"] for e in found.values()), "one has no lock"
    gpu = found["pydl-gpu-env"]
    assert gpu["gpu"] and (gpu["available"] or "GPU" in gpu["why"])
    assert [n for n, e in found.items() if not e["available"] and n != "pydl-gpu-env"] == []


def test_other_names_and_mistakes(mill):
    assert mill.run("environment", "show", "scipy-notebook", "--json").json["name"] == "scipy"
    assert mill.run("environment", "show", "python_env", "--json").json["name"] == "python-env"
    assert "did you mean 'scipy'" in mill.run("environment", "show", "scipi", code=2).err
    if not os.path.exists("/proc/driver/nvidia/version"):
        assert "none is seen" in mill.run("environment", "build", "pydl-gpu-env", code=2).err


def test_extends_joins_the_steps(mill):
    steps = {s["kind"]: s for s in mill.run("environment", "show", "all-spark", "--json").json["steps"]}
    pip = steps["pip"]["requirements"]
    assert "pandas==2.2.3" in pip and not any(r.startswith("pandas==2.3") for r in pip), "the nearer one counts"
    assert any(r.startswith("jupyterlab") for r in pip) and {"debian", "maven", "files"} <= set(steps)


def test_own_environment_from_spec_to_hash(mill, tmp_path):
    project = tmp_path / "mine"
    mill.run("init", project)
    for name, package, more in (("tiny", "idna==3.7", ""), ("more", "six==1.16.0", "extends: tiny"), ("lost", "six", "extends: nowhere")):
        (project / "environments" / name).mkdir(parents=True)
        (project / "environments" / name / "environment.yaml").write_text(TINY.format(name=name, package=package, more=more))
    here = {"cwd": project}
    wrong = mill.run("component", "validate", "lost", code=2, **here).err
    assert re.search(r"environment.yaml:8:10: error: extends: there is no environment 'nowhere'", wrong)
    assert listed(mill, **here)["tiny"]["why"]  # no lock yet
    mill.run("component", "relock", "tiny", **here)
    first = listed(mill, **here)["tiny"]
    assert first["available"] and not first["path"].startswith(str(ROOT))
    mill.run("environment", "build", "tiny", **here)
    python = ["exec", "--environment", "tiny", "--", "python", "-c"]
    program = "import idna, os; print(idna.__version__, os.environ['MILL_ENVIRONMENT'], os.environ['MILL_ENVIRONMENT_HASH'])"
    assert mill.run(*python, program, **here).out.split() == ["3.7", "tiny", first["hash"]]
    mill.run("environment", "add", "tiny", "six==1.16.0", **here)
    second = listed(mill, **here)["tiny"]
    assert second["hash"] != first["hash"]
    assert "six==1.16.0" in (project / "environments/tiny/locks/pip.txt").read_text()
    # the first one can still be had, by the beginning of its hash
    assert mill.run("environment", "build", f"tiny@{first['hash'][:12]}", **here).out.split()[1] == first["path"]
    assert "neither the present lock" in mill.run("environment", "build", "tiny@0123456789ab", code=2, **here).err
    mill.run("component", "relock", "more", **here)
    lock = (project / "environments/more/locks/pip.txt").read_text()
    assert "idna==3.7" in lock and "six==1.16.0" in lock


@pytest.mark.parametrize("name, kernel", KERNELS)
def test_a_cell_in_each_kernel(mill, tmp_path, name, kernel):
    need(mill, name)
    source, out = notebook(tmp_path / "n.ipynb", kernel, CELLS[kernel]), tmp_path / "out.ipynb"
    mill.run("notebook", "run", source, "--environment", name, "--output", out)
    assert "42" in said(out)
    assert said(source) == "", "the source is left as it is with --output"


def test_a_failing_cell_is_named(mill, tmp_path):
    need(mill, "base")
    source, out = notebook(tmp_path / "n.ipynb", "python3", ["print('before')", "1 / 0"]), tmp_path / "out.ipynb"
    done = mill.run("notebook", "run", source, "-o", out, code=1)
    assert "cell 2 failed: 1 / 0" in done.err and "ZeroDivisionError" in done.err
    assert "before" in said(out)


def test_r_scripts_and_overlays(mill, tmp_path):
    need(mill, "r")
    (tmp_path / "a.R").write_text("cat(commandArgs(TRUE), 6 * 7, .libPaths()[1])")
    word, answer, library = mill.run("notebook", "run", tmp_path / "a.R", "-e", "r", "--", "hello").out.split()
    assert (word, answer) == ("hello", "42") and library.startswith(str(mill.home))


def test_what_people_install_goes_to_an_overlay(mill, tmp_path):
    """pip and install.packages() write to a folder of the user's for this lock, never into the store."""
    need(mill, "r")
    store, shown = listed(mill)["r"]["path"], "import iniconfig; print(iniconfig.__file__)"
    before = sorted(os.listdir(store))
    mill.run("exec", "-e", "r", "--", "python", "-m", "pip", "install", "-q", "iniconfig==2.1.0")
    assert mill.run("exec", "-e", "r", "--", "python", "-c", shown).out.startswith(str(mill.home))
    assert "iniconfig" not in mill.run("exec", "-e", "r", "--", "python", "-m", "pip", "list", "--path", store).out
    package = tmp_path / "seven"
    package.mkdir()
    (package / "DESCRIPTION").write_text("Package: seven\nVersion: 1.0\nTitle: Seven\nDescription: Seven.\nLicense: MIT\nAuthor: A\nMaintainer: A <a@b.c>\n")
    (package / "NAMESPACE").write_text("export(six.times)\n")
    (package / "R").mkdir()
    (package / "R" / "a.R").write_text("six.times <- function(n) 6 * n\n")
    mill.run("exec", "-e", "r", "--", "Rscript", "-e", f'install.packages("{package}", repos = NULL, type = "source")')
    answer, place = mill.run("exec", "-e", "r", "--", "Rscript", "-e", 'cat(seven::six.times(7), find.package("seven"))').out.split()
    assert answer == "42" and place.startswith(str(mill.home))
    assert sorted(os.listdir(store)) == before
