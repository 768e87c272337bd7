"""A user who may use only the indices it asks for: `indices: "logs-*"`, a comma list of patterns.

`access: read`: they are only searched.
"""

import json
import sys

import admin

ask = json.load(sys.stdin)
request = ask["request"]
name, indices = request["credentials"]["user"], request["parameters"].get("indices", "")
patterns = [p.strip() for p in indices.split(",") if p.strip()]
if not patterns:
    sys.exit("a requirement of search needs `indices`: patterns, separated by commas")
reads = request["parameters"].get("access") == "read"
actions = ["indices:data/read/*", "indices:admin/get", "indices:admin/mappings/*", "indices:admin/resolve/index"] if reads else ["*"]
admin.security(
    ask,
    "roles",
    name,
    {
        "cluster_permissions": ["cluster_composite_ops_ro" if reads else "cluster_composite_ops", "cluster_monitor"],
        "index_permissions": [{"index_patterns": patterns, "allowed_actions": actions}],
    },
)
admin.user(ask, name, request["credentials"]["password"], name)
json.dump({"message": f"{indices} for {name}", "values": {"indices": indices}}, sys.stdout)
