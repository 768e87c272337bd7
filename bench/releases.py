"""Twenty releases along a DAG on a cluster: `up` against what the cluster allows, and against helm one after the other.

    releases.py PROGRAM        KUBECONFIG names the cluster, MILL_BENCH_REGISTRY a registry that it pulls from and that we may push to

Twenty tiny components in five chains of four.  First everything is deployed once, so that images are there and pulled; then `up --one-by-one` gives
what each start takes by itself and so the longest chain, `up` the wall time, and `helm upgrade --install --wait` the same charts and values in the same
order, one after the other, as helmfile without concurrency does.  Prints rows `what<TAB>figure`.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROGRAM = Path(sys.argv[1]).resolve()
ROOT = Path(__file__).resolve().parents[1]
CHAINS, LENGTH = 5, 4
SPACE = f"mill-bench-{os.getpid()}"

SERVER = """
import http.server, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"ok")
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Answer).serve_forever()
"""


def row(*cells):
    print("\t".join(str(c) for c in cells), flush=True)


def project(folder):
    names = []
    for c in range(CHAINS):
        for i in range(LENGTH):
            name, before = f"s{c}-{i}", f"s{c}-{i - 1}"
            at = folder / "components" / name
            at.mkdir(parents=True)
            manifest = {
                "schema": 1, "name": name, "category": "support", "summary": "a server", "version": "1.0", "targets": ["kubernetes"],
                "provides": {name: {"url": "http://${host}:${port.server.http}"}}, "requires": [before] if i else [],
                "services": {"server": {
                    "command": ["/usr/bin/python3", "-I", "-S", "${component}/server.py", "${bind}", "${port.http}"], "ports": {"http": 8000},
                    "readiness": {"http": {"port": "http", "path": "/"}, "period": "1s"}, "resources": {"memory": "32Mi"}}},
            }
            (at / "component.yaml").write_text(json.dumps(manifest))
            (at / "server.py").write_text(SERVER)
            names.append(name)
    (folder / "data-mill.yaml").write_text("")
    (folder / "flavours").mkdir()
    flavour = {
        "project": {"k8s_namespace": SPACE, "flavour": names},
        "hybrid": {"config": os.environ["KUBECONFIG"], "images": {"registry": os.environ.get("MILL_BENCH_REGISTRY", "127.0.0.1:5000")}},
    }
    (folder / "flavours" / "default.yaml").write_text(json.dumps(flavour))
    return names


def busy():
    """Seconds that this machine's processors worked since it started: the cluster is on it."""
    user, nice, system, idle, wait, *rest = (int(x) for x in Path("/proc/stat").read_text().split("\n")[0].split()[1:8])
    return (user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK")


def main():
    folder = Path(tempfile.mkdtemp(prefix="mill-bench-", dir="/var/tmp"))
    env = {k: v for k, v in os.environ.items() if not k.startswith("DATA_MILL_HOME")} | {"DATA_MILL_HOME": str(folder / "mill")}
    names = project(folder / "project")

    def run(*words, check=True):
        done = subprocess.run([str(w) for w in words], env=env, capture_output=True, text=True, cwd=folder / "project")
        if check and done.returncode:
            sys.exit(f"{words}: {done.stderr}")
        return done.stdout

    def up(*words):
        end = json.loads(run(PROGRAM, "up", "-h", "-f", "default", "--json", "--yes", *words).splitlines()[-1])
        return next(v["pace"] for v in end.values() if isinstance(v, dict) and "pace" in v)

    def away():
        for name in names:
            run("helm", "-n", SPACE, "uninstall", name, "--wait", "--ignore-not-found")

    try:
        up()
        values = {n: folder / f"{n}.json" for n in names}
        for name, path in values.items():
            path.write_text(run("helm", "-n", SPACE, "get", "values", name, "-o", "json"))
        away()
        single = up("--one-by-one")
        away()
        worked = busy()
        together = up()
        cpu = busy() - worked
        away()
        began = time.monotonic()
        for i in range(LENGTH):
            for c in range(CHAINS):
                name = f"s{c}-{i}"
                run("helm", "-n", SPACE, "upgrade", "--install", name, ROOT / "helm-charts" / "component", "-f", values[name], "--wait")
        serial = time.monotonic() - began
        chain = single["chain_ms"] / 1000
        bound = max(chain, cpu / together["cpus"])
        row("20 releases, up", f"{together['wall_ms'] / 1000:.1f} s")
        row("up --one-by-one", f"{single['wall_ms'] / 1000:.1f} s")
        row("longest chain of single starts", f"{chain:.1f} s")
        row(f"processor time of machine and cluster / {together['cpus']}", f"{cpu / together['cpus']:.1f} s")
        row("up / the larger of the two", f"{together['wall_ms'] / 1000 / bound:.2f}")
        row("helm upgrade --install --wait, one after the other", f"{serial:.1f} s")
    finally:
        run(PROGRAM, "destroy", "-h", "-f", "default", "--yes", "--delete-data", check=False)
        shutil.rmtree(folder, ignore_errors=True)


main()
