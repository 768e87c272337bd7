"""A keyspace and a role for a consumer."""

import json
import re
import sys

import cql

ask = json.load(sys.stdin)
request = ask["request"]
keyspace = request["parameters"].get("keyspace", "")
if not re.fullmatch(r"[a-z][a-z0-9_]{0,47}", keyspace):
    sys.exit("a requirement of cassandra needs `keyspace`: lower-case letters, digits, underscores")
cluster, session = cql.administrator(ask)
who = request["credentials"]
cql.owner(session, who["user"], who["password"], keyspace)
cluster.shutdown()
json.dump({"message": f"keyspace {keyspace} for {who['user']}", "values": {"keyspace": keyspace}}, sys.stdout)
