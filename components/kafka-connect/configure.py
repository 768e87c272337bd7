"""Keeps the connectors of the setting running; those that left the setting are removed, others are not touched."""

import json
import os
import sys

import connect

ask = json.load(sys.stdin)
worker = connect.Worker(ask)
place = ask["services"]["worker"]["dirs"]["data"] + "/declared.json"
before = json.load(open(place)) if os.path.exists(place) else []
names = [worker.keep(connect.read(text)) for text in ask["settings"]["connectors"]]
there = worker.call("GET", "/connectors")
for name in set(before) - set(names):
    if name in there:
        worker.call("DELETE", f"/connectors/{name}")
for name in names:
    worker.running(name)
with open(place, "w") as file:
    json.dump(names, file)
json.dump({"message": ", ".join(names) or "no connectors asked for"}, sys.stdout)
