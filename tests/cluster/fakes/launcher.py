"""Puts a stand-in on PATH: a program of that name, for this Python, with its state in `folder`."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
OTHER = {
    # no command lines of their own that matter
    "sudo": "#!{python}\nimport os, sys\nos.execvp(sys.argv[1], sys.argv[1:])\n",
    "gke-gcloud-auth-plugin": "#!{python}\n",
}


def write(tool, folder):
    bin = Path(folder) / "bin"
    bin.mkdir(parents=True, exist_ok=True)
    text = OTHER.get(tool) or (
        "#!{python}\nimport sys\nsys.path.insert(0, {here!r})\nsys.dont_write_bytecode = True\n"
        "import fake, {tool}\nif sys.argv[1:] == ['--version']:\n    print('{tool} version 29.1.2')\n    sys.exit()\n"
        "sys.exit(fake.main({tool!r}, {folder!r}, {tool}))\n"
    )
    path = bin / tool
    path.write_text(text.format(python=sys.executable, here=str(HERE), tool=tool, folder=str(folder)))
    path.chmod(0o755)
