"""How close `up` comes to what a machine allows: the longest chain of single starts, or all processor time over the processors.

First everything is installed, then the flavour comes up twice on a platform of its own: one step at a time, which gives what each step
takes by itself and so the longest chain of single starts, and as always. Prints rows `what<TAB>figure`. MILL_BENCH_FLAVOUR names the flavour,
MILL_BENCH_STORE and MILL_BENCH_CACHE a store and cache to share.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PROGRAM = Path(sys.argv[1]).resolve()
FLAVOUR = os.environ.get("MILL_BENCH_FLAVOUR", "default")


def row(*cells):
    print("\t".join(str(c) for c in cells), flush=True)


def main():
    home = Path(tempfile.mkdtemp(prefix="mill-bench-", dir="/var/tmp"))
    home.chmod(0o711)
    env = {k: v for k, v in os.environ.items() if not k.startswith("DATA_MILL_")} | {"DATA_MILL_HOME": str(home / "mill")}
    for name in ("STORE", "CACHE"):
        if os.environ.get(f"MILL_BENCH_{name}"):
            env[f"DATA_MILL_{name}"] = os.environ[f"MILL_BENCH_{name}"]

    def mill(*words):
        return subprocess.run([PROGRAM, *words], env=env, capture_output=True, text=True, cwd="/")

    def up(*words):
        """The pace of one `up`; what cannot be had here fails alone."""
        done = mill("up", "-f", FLAVOUR, "--json", *words)
        end = json.loads(done.stdout.splitlines()[-1])
        pace = next(v["pace"] for v in end.values() if isinstance(v, dict) and "pace" in v)
        mill("destroy", "--yes", "--delete-data")
        return pace

    try:
        mill("install", "-f", FLAVOUR)
        single, together = up("--one-by-one"), up()
        chain, cpu = single["chain_ms"] / 1000, together["cpu_ms"] / 1000
        bound = max(chain, cpu / together["cpus"])
        row(f"{FLAVOUR}, one step at a time", f"{single['wall_ms'] / 1000:.1f} s")
        row("longest chain of single starts", f"{chain:.1f} s ({', '.join(single['chain'])})")
        row(f"processor time / {together['cpus']}", f"{cpu / together['cpus']:.1f} s")
        row("up", f"{together['wall_ms'] / 1000:.1f} s")
        row("up / the larger of the two", f"{together['wall_ms'] / 1000 / bound:.2f}")
    finally:
        mill("destroy", "--yes", "--delete-data")
        shutil.rmtree(home, ignore_errors=True)


main()
