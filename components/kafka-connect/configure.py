"""Keeps the connectors of the setting running; those that left the setting are removed, others are not touched."""

import json
import sys

import connect

MARK = "data.mill.declared"  # what we made carries it, so that nothing is kept beside the worker
ask = json.load(sys.stdin)
worker = connect.Worker(ask)
names = [worker.keep(connect.read(text) | {MARK: True}) for text in ask["settings"]["connectors"]]
for name, there in worker.call("GET", "/connectors?expand=info").items():
    if name not in names and there["info"]["config"].get(MARK):
        worker.call("DELETE", f"/connectors/{name}")
for name in names:
    worker.running(name)
json.dump({"message": ", ".join(names) or "no connectors asked for"}, sys.stdout)
