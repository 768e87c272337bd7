#!/usr/bin/env python3
"""Writes docs/components.md from the manifests and the last measured run.

    tools/make-components.py PROGRAM                 # the table, from docs/components.json
    tools/make-components.py PROGRAM --measure       # first asks the running platform and its smoke tests

--measure takes the platform in force: memory that each component uses (PSS), seconds from the start of its slowest service to
ready, and whether its smoke test passed.  Measure a quiet machine.  What was measured of other components stays: alternatives have runs of their own.
"""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MEASURED, PAGE = ROOT / "docs" / "components.json", ROOT / "docs" / "components.md"
HEAD = """# Components

What there is, as its manifest says, and what the last measured run saw: every component of `default` on one machine at once, the alternatives
in a run of their own. Memory is what a component's processes use when nothing is asked of them (PSS); *ready* is from the start of its slowest
service to ready, with all others starting beside it. Written by `tools/make-components.py`; `data-mill component show NAME` says more.

"""
CATEGORIES = "ingestion storage versioning batch streams monitoring exploration bi tracking serving pipelines support".split()


def ask(program, *arguments, check=True):
    done = subprocess.run([program, *arguments], capture_output=True, text=True, cwd=ROOT)
    if check and done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout)


def measure(program):
    status = ask(program, "status", "--memory", "--json")
    tests = {t["component"]: t for t in ask(program, "test", "--json", "-q", check=False)["tests"]}
    result = {}
    for c in status["components"]:
        own = [s for s in status["services"] if s["component"] == c["name"] and s["state"] == "ready"]
        test = tests.get(c["name"])
        result[c["name"]] = {
            "memory": sum(s.get("pss", 0) for s in own),
            "ready_ms": max((s["since_ms"] - s["started_ms"] for s in own if "started_ms" in s), default=0),
            "smoke": None if test is None else test["result"],
        }
    return result


def row(c, seen):
    memory = f"{seen['memory'] / 2**20:.0f} MiB" if seen.get("memory") else "-"
    ready = f"{seen['ready_ms'] / 1000:.1f} s" if seen.get("ready_ms") else "-"
    if c["not_tested_because"] or not c["tested"]:
        tested = "not tested here"
    elif c["stands_in"]:
        tested = f"natively {c['stands_in']} stands in"
    else:
        tested = {"ok": "yes", "failed": "**failed**", "skipped": "skipped"}.get(seen.get("smoke"), "not in this run")
    note = "alternative" if c["alternative"] else ""
    return f"| {c['name']} | {c['version'] or '-'} | {c['license'] or '-'} | {memory} | {ready} | {tested} | {note} |"


def main():
    program = str(Path(sys.argv[1]).resolve())
    seen = json.loads(MEASURED.read_text()) if MEASURED.exists() else {}
    if "--measure" in sys.argv:
        seen |= measure(program)
        MEASURED.write_text(json.dumps(seen, indent=1, sort_keys=True) + "\n")
    known = ask(program, "component", "list", "--json")
    out = [HEAD]
    for category in CATEGORIES:
        members = [c for c in known if c["category"] == category]
        if not members:
            continue
        out.append(f"## {category.capitalize()}\n\n| component | version | licence | memory | ready | tested natively | |\n|---|---|---|---|---|---|---|\n")
        out += [row(c, seen.get(c["name"], {})) + "\n" for c in members]
        out.append("\n")
    PAGE.write_text("".join(out).rstrip() + "\n")
    print(f"{PAGE.relative_to(ROOT)} written")


main()
