"""A connector for a consumer: `connector`, its name; `config`, its own keys as YAML or JSON."""

import json
import sys

import connect

ask = json.load(sys.stdin)
parameters = ask["request"]["parameters"]
if not parameters.get("connector") or not parameters.get("config"):
    print("a requirement of kafka-connect needs `connector` and `config`", file=sys.stderr)
    sys.exit(1)
worker = connect.Worker(ask)
name = worker.keep(connect.read(parameters["config"]) | {"name": parameters["connector"]})
worker.running(name)
json.dump({"message": f"connector {name} for {ask['request']['consumer']}", "values": {"connector": name}}, sys.stdout)
