"""Makes a database and its owner for a consumer; repeating it changes nothing."""

import json
import sys

import roles

ask = json.load(sys.stdin)
request = ask["request"]
name = request["parameters"].get("database")
if not name:
    print("a requirement of postgres needs `database`", file=sys.stderr)
    sys.exit(1)
with roles.connect(ask) as db:
    roles.role(db, request["credentials"]["user"], request["credentials"]["password"])
    roles.database(db, name, request["credentials"]["user"])
json.dump({"message": f"database {name} for {request['credentials']['user']}", "values": {"database": name}}, sys.stdout)
