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
    flavour["seldon"] = (flavour.get("seldon") or {}) | settings
    path = os.path.abspath("serving.yaml")
    with open(path, "w") as file:
        yaml.safe_dump(flavour, file, sort_keys=False)
    done = subprocess.run([os.environ["DATA_MILL"], "up", "-f", path, "--no-data", "--yes", "-q"], capture_output=True, text=True)
    if done.returncode:
        story.fail(f"data-mill up: {done.stderr.strip()[-400:]}")
