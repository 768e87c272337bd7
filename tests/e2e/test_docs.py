"""The docs say what the program does: generated parts, links, variables, and the README's tour, run."""

import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest
from conftest import IS_ROOT, PROGRAM, ROOT, module_mill  # noqa: F401 (a fixture)

PAGES = sorted(p for pattern in ("*.md", "docs/**/*.md", "components/**/*.md", "data/**/*.md", "tests/**/*.md", "bench/**/*.md") for p in ROOT.glob(pattern))


def test_generated_parts_are_fresh():
    done = subprocess.run([sys.executable, ROOT / "tools" / "make-docs.py", PROGRAM, "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_man_page():
    page = ROOT / "docs" / "man" / "data-mill.1"
    text = page.read_text()
    for section in ("NAME", "SYNOPSIS", "DESCRIPTION", "EXIT CODES", "ENVIRONMENT", "FILES", "OPTIONS OF EVERY COMMAND"):
        assert re.search(rf'^\.SH "?{section}"?$', text, re.M), section
    assert '.SS "data\\-mill component new NAME"' in text
    env = os.environ | {"LC_ALL": "C.UTF-8", "MANWIDTH": "80", "MAN_KEEP_FORMATTING": "", "PAGER": "cat"}
    if shutil.which("man") and shutil.which("groff"):
        done = subprocess.run(["man", "--warnings", "-l", page], capture_output=True, text=True, env=env)
        assert done.returncode == 0 and not done.stderr and "data-mill up" in done.stdout, done.stderr
        assert all(ord(c) > 31 or c in "\n\t" for c in done.stdout)
    if shutil.which("mandoc"):
        done = subprocess.run(["mandoc", "-Tlint", "-Wwarning", page], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def anchors(page):
    """Of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", page.read_text(), flags=re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", t.lower()).replace(" ", "-") for t in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(), flags=re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{target} leads nowhere"
        assert file.is_relative_to(ROOT), f"{target} leads out of the project"
        assert not anchor or anchor in anchors(file), f"{target}: there is no such heading"


def test_the_readme_finds_its_pages():
    named = set(re.findall(r"\]\((docs/[^)]+)\)|`man (docs/[^`]+)`", (ROOT / "README.md").read_text()))
    assert {a or b for a, b in named} >= {"docs/cli.md", "docs/flavours.md", "docs/manifest.md", "docs/adding-a-component.md", "docs/internals/README.md", "docs/man/data-mill.1"}
    for page in (ROOT / "docs").rglob("*.md"):
        linked = any(f"({os.path.relpath(page, other.parent)})" in other.read_text() for other in PAGES if other != page)
        assert linked, f"nothing links {page.relative_to(ROOT)}"


def test_every_variable_is_documented():
    """Of those that the program reads; some are for tests, two are what services get."""
    inner = {"DATA_MILL_PROGRAM", "DATA_MILL_ENTRY_ROOT", "DATA_MILL_LIBEXEC", "DATA_MILL_NET_MODULE", "DATA_MILL_SERVICE", "DATA_MILL_BOOT"}
    read = {name for file in (ROOT / "src").rglob("*.c") for name in re.findall(r'"(DATA_MILL_[A-Z_]*[A-Z])"', file.read_text())}
    told = set(re.findall(r"`(DATA_MILL_[A-Z_]+)`", (ROOT / "docs" / "cli.md").read_text()))
    assert read - inner == told


# ---- README, "Five minutes" ----
def tour():
    """The commands of the README's tour with what is said of each, in order."""
    block = re.search(r"## Five minutes\n\n```\n(.*?)```", (ROOT / "README.md").read_text(), re.S)[1]
    found = []
    for line in block.splitlines():
        words = shlex.split(line, comments=True)
        assert words[0] == "./run.sh", line
        found.append(words[1:])
    return found


EXPECTED = {
    "status": r"minio +server +ready",
    "credentials minio": r"minio +Console +lake +\S{32,}",
    "data ls data/": r"(?s)README.md.*digits/.*iris/",
    "exec": r"^http://127.0.0.1:\d+\n$",
    "repo create images": r"created images",
    "repo put": r"^images@[0-9a-f]{12} iris.csv$",
    "repo log images": r"(?s)put iris.csv.*create the repository",
    "test": r"2 ok, 0 failed, 0 skipped",
    "plan -f default": r"prometheus",
    "logs minio": r"MinIO Object Storage Server",
    "up -f datalake": r"minio +ready",
}


def test_the_readmes_tour(module_mill):  # noqa: F811
    mill = module_mill
    first = re.search(r"^\./run\.sh (-l .*?) +#", (ROOT / "README.md").read_text(), re.M)[1]
    mill(*first.split())
    seen = set()
    for words in tour():
        line = " ".join(words)
        if words[0] == "logs" and "-f" in words:
            process = mill.popen(*words)
            out = ""
            while "MinIO Object Storage Server" not in out:
                part = process.stdout.readline()
                assert part, out
                out += part
            process.send_signal(2)
            process.communicate()
            assert process.returncode == 130
        elif words == ["destroy"]:
            result = mill(*words, code=2)  # no terminal: it lists, asks, and does nothing
            assert re.search(r"keeps +data +\d+ objects", result.err) and "not confirmed" in result.err
            continue
        else:
            result = mill(*words)
            out = result.out + result.err
        key = next((k for k in sorted(EXPECTED, key=len, reverse=True) if line.startswith(k)), None)
        assert key or words[0] == "down", f"nothing is known of: {line}"
        if key:
            seen.add(key)
            assert re.search(EXPECTED[key], out, re.M), (line, out)
    assert seen == set(EXPECTED)
    mill("plan", "--detailed-exitcode")
    mill("destroy", "--yes", "--delete-data")
    assert not mill.platforms() and not mill.processes()
