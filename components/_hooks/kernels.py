"""Runs a cell in each kernel of an environment, as a notebook would."""

import os
import sys
import tempfile

import mill_hook

CELLS = {
    "python3": ("6 * 7", "42"),
    "ir": ("cat(6 * 7)", "42"),
    "scala": ("println((1 to 6).sum * 2)", "42"),
}
store = mill_hook.ask()["store"]
check = mill_hook.Checks()
sys.path.insert(0, store)
os.environ["PATH"] = store + "/bin:" + os.environ["PATH"]
os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
home = tempfile.mkdtemp()
os.environ |= {"HOME": home, "IPYTHONDIR": home, "JUPYTER_RUNTIME_DIR": home, "JUPYTER_DATA_DIR": home}

import nbformat  # noqa: E402
from jupyter_client.kernelspec import KernelSpecManager  # noqa: E402
from nbclient import NotebookClient  # noqa: E402

for kernel in sorted(KernelSpecManager().find_kernel_specs()):
    source, wanted = CELLS[kernel]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    NotebookClient(notebook, timeout=270, kernel_name=kernel).execute()
    said = "".join(o.get("text", o.get("data", {}).get("text/plain", "")) for o in notebook.cells[0].outputs)
    check(f"a cell of {kernel}", wanted in said, said.strip()[:60])
check.end()
