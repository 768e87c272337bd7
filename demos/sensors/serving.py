"""The platform's own flavour with other settings of seldon, applied: only what reads them starts again."""

import json
import os
import subprocess

import story
import yaml


def apply(**settings):
    with open(os.environ["DEMO_PLATFORM_DIR"] + "/platform.json") as file:
        record = json.load(file)
    with open(record["flavour_path"]) as file:
        flavour = yaml.safe_load(file)
    path, before = os.path.abspath("serving.yaml"), {}
    if os.path.exists(path):
        with open(path) as file:
            before = yaml.safe_load(file).get("seldon") or {}
    flavour["seldon"] = (flavour.get("seldon") or {}) | before | settings
    with open(path, "w") as file:
        yaml.safe_dump(flavour, file, sort_keys=False)
    # this component only: the platform keeps its flavour, and what else is in it is not this step's matter
    words = ["up", "-f", path, "-c", "seldon", "--no-data", "--yes", "-q"]
    done = subprocess.run([os.environ["DATA_MILL"], *words], capture_output=True, text=True)
    if done.returncode:
        story.fail(f"data-mill up: {done.stderr.strip()[-400:]}")
