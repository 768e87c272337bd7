"""The administrator, and people's own keyspace and role."""

import json
import sys

import cql

ask = json.load(sys.stdin)
cluster, session = cql.administrator(ask)
user = ask["settings"]["user"]
cql.owner(session, user, ask["secrets"]["password"], user)
cluster.shutdown()
json.dump({"message": f"keyspace {user}"}, sys.stdout)
