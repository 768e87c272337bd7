"""`plan` and `status` on a platform of 30 running components, beside reference commands, in one run.

Prints rows `name<TAB>median ms<TAB>min ms<TAB>ratio to the first row`.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROGRAM = Path(sys.argv[1]).resolve()
COUNT = int(sys.argv[2]) if len(sys.argv) > 2 else 30
RUNS = 40

MANIFEST = """schema: 1
name: bench-{n}
category: support
summary: sleeps
version: "1"
requires: [{need}]
provides:
  bench{n}: {{address: "${{host}}:${{port.main.http}}"}}
settings:
  level: {{type: enum, values: [low, high], default: low, help: nothing}}
secrets:
  key: {{length: 32}}
services:
  main:
    command: [/usr/bin/sleep, infinity]
    environment: {{LEVEL: "${{setting.level}}", KEY: "${{secret.key}}"}}
    ports: {{http: {port}}}
    readiness: {{exec: {{command: [/usr/bin/true]}}, period: 1h}}
    resources: {{memory: 8Mi}}
"""


def project(folder):
    (folder / "flavours").mkdir(parents=True)
    names = [f"bench-{n}" for n in range(COUNT)]
    (folder / "flavours" / "bench.yaml").write_text(
        f"project:\n  k8s_namespace: bench\n  k8s_default_config: native.yaml\n  flavour: [{', '.join(names)}]\n"
    )
    for n in range(COUNT):
        at = folder / "components" / f"bench-{n}"
        at.mkdir(parents=True)
        at.joinpath("component.yaml").write_text(MANIFEST.format(n=n, need=f"bench{n - 1}" if n else "", port=23000 + n))


def median_ms(command, env, cwd, runs=RUNS):
    times = []
    for i in range(runs + 3):
        began = time.perf_counter()
        done = subprocess.run(command, env=env, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        took = (time.perf_counter() - began) * 1e3
        if done.returncode != 0:
            sys.exit(f"{command}: exit {done.returncode}: {done.stderr.decode()}")
        if i >= 3:
            times.append(took)
    return statistics.median(times), min(times)


def main():
    home = Path(tempfile.mkdtemp(prefix="mill-bench-"))
    if os.getuid() == 0:
        home.chmod(0o711)
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", "DATA_MILL_HOME": str(home / "mill")}
    folder = home / "project"
    project(folder)
    call = lambda *a: [str(PROGRAM), *a]
    try:
        subprocess.run(call("up", "-f", "bench", "--quiet"), env=env, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        rows = [
            (f"plan, {COUNT} components", call("plan", "-f", "bench", "--detailed-exitcode")),
            (f"status, {COUNT} components", call("status")),
            ("data-mill version", call("version")),
            ("true (reference: a process)", ["/usr/bin/true"]),
            ("python3 -c pass", ["/usr/bin/python3", "-c", "pass"]),
        ]
        helm = shutil.which("helm")
        if helm:
            rows.append(("helm version", [helm, "version"]))
        print("command\tmedian ms\tmin ms\tratio")
        first = None
        for name, command in rows:
            median, least = median_ms(command, env, folder)
            first = first or median
            print(f"{name}\t{median:.2f}\t{least:.2f}\t{median / first:.2f}", flush=True)
    finally:
        subprocess.run(call("destroy", "--yes", "--delete-data", "--platform", "native.bench"), env=env, cwd=folder, stdout=subprocess.DEVNULL)
        shutil.rmtree(home, ignore_errors=True)


main()
