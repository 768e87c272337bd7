"""The compatibility that a subject has which does not say."""

import json
import sys

import requests

ask = json.load(sys.stdin)
level = ask["settings"]["compatibility"]
answer = requests.put(ask["provides"]["schema-registry"]["url"] + "/config", json={"compatibility": level}, timeout=30)
answer.raise_for_status()
json.dump({"message": f"compatibility {level}"}, sys.stdout)
