"""Runs a cell in each kernel of the environment: a notebook as people would."""

import json
import os
import sys
import tempfile

ask = json.load(sys.stdin)
CELLS = {
    "python3": ("6 * 7", "42"),
    "ir": ("cat(6 * 7)", "42"),
    "scala": ('println((1 to 6).sum * 2)', "42"),
}
store = ask["store"]
sys.path.insert(0, store)
os.environ["PATH"] = store + "/bin:" + os.environ["PATH"]
os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
home = tempfile.mkdtemp()
os.environ |= {"HOME": home, "IPYTHONDIR": home, "JUPYTER_RUNTIME_DIR": home, "JUPYTER_DATA_DIR": home}

import nbformat  # noqa: E402
from jupyter_client.kernelspec import KernelSpecManager  # noqa: E402
from nbclient import NotebookClient  # noqa: E402

checks = []
for kernel in sorted(KernelSpecManager().find_kernel_specs()):
    source, wanted = CELLS[kernel]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    NotebookClient(notebook, timeout=100, kernel_name=kernel).execute()
    said = "".join(o.get("text", o.get("data", {}).get("text/plain", "")) for o in notebook.cells[0].outputs)
    checks.append({"name": f"a cell of {kernel}", "ok": wanted in said, "detail": said.strip()[:60]})

failed = [c["name"] for c in checks if not c["ok"]]
json.dump({"message": "failed: " + ", ".join(failed) if failed else f"{len(checks)} kernels", "checks": checks}, sys.stdout)
sys.exit(1 if failed or not checks else 0)
