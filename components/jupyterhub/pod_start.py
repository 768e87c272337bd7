"""First in a person's pod: the platform's variables, folders, then the server in its place.

The hub hands this text to the environment's Python; argv is the server's own.
"""

import json
import os
import pathlib
import sys

with open("/run/data-mill/variables.json") as file:
    os.environ |= json.load(file) | os.environ  # what the hub says wins
for name, text in json.loads(os.environ.pop("MILL_CONTEXT")).items():
    place = pathlib.Path("/tmp/context", name)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)
for folder in (os.environ["PIP_TARGET"], os.environ["R_LIBS_USER"], os.environ["HOME"] + "/notebooks"):
    os.makedirs(folder, exist_ok=True)
shown = pathlib.Path(os.environ["HOME"], "data")
if os.environ.get("MILL_DATA_FOLDER") and not os.path.lexists(shown):
    shown.symlink_to(os.environ["MILL_DATA_FOLDER"])  # the file browser begins at home
os.chdir(os.environ["HOME"])
os.execv(sys.executable, [sys.executable, "-m", "jupyterhub.singleuser", *sys.argv[1:]])
