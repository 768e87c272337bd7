"""A user who may use only the indices it asks for: `indices: "logs-*"`, a comma list of patterns."""

import json
import sys

import admin

ask = json.load(sys.stdin)
request = ask["request"]
name, indices = request["credentials"]["user"], request["parameters"].get("indices", "")
patterns = [p.strip() for p in indices.split(",") if p.strip()]
if not patterns:
    sys.exit("a requirement of search needs `indices`: patterns, separated by commas")
admin.security(
    ask,
    "roles",
    name,
    {
        "cluster_permissions": ["cluster_composite_ops", "cluster_monitor"],
        "index_permissions": [{"index_patterns": patterns, "allowed_actions": ["*"]}],
    },
)
admin.user(ask, name, request["credentials"]["password"], name)
json.dump({"message": f"{indices} for {name}", "values": {"indices": indices}}, sys.stdout)
