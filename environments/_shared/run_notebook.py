"""Executes a notebook and keeps its outputs: run_notebook.py FILE OUTPUT SECONDS-A-CELL [KERNEL]."""

import os
import sys
import time

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

source, target, seconds, kernel = sys.argv[1], sys.argv[2], int(sys.argv[3]), (sys.argv + [""])[4]


def say(text):
    print(text, file=sys.stderr, flush=True)


def first_line(cell):
    return next((line for line in cell.source.splitlines() if line.strip()), "")[:70]


def write(notebook):
    beside = target + ".part"
    nbformat.write(notebook, beside)
    os.replace(beside, target)


def main():
    notebook = nbformat.read(source, as_version=4)
    code = [c for c in notebook.cells if c.cell_type == "code"]
    settings = {"kernel_name": kernel} if kernel else {}
    began = time.monotonic()

    def on_start(cell, cell_index):
        if cell.cell_type == "code":
            say(f"cell {code.index(cell) + 1} of {len(code)}: {first_line(cell)}")

    client = NotebookClient(
        notebook,
        timeout=seconds or None,
        resources={"metadata": {"path": os.path.dirname(os.path.abspath(source))}},
        on_cell_start=on_start,
        **settings,
    )
    try:
        client.execute()
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        done = sum(c.execution_count is not None for c in code)
        write(notebook)
        lines = str(error).strip().splitlines()
        say(f"{source}: cell {done or 1} failed: {first_line(code[max(done - 1, 0)])}")
        say("\n".join("  | " + line for line in lines[-12:]))
        say(f"next: mend the cell; the outputs until there are in {target}")
        return 1
    write(notebook)
    say(f"{target}: {len(code)} cells in {time.monotonic() - began:.1f} s")
    return 0


sys.exit(main())
