"""A database and a user for a consumer."""

import json
import sys

import arango

ask = json.load(sys.stdin)
request = ask["request"]
database, who = request["parameters"].get("database"), request["credentials"]
if not database:
    sys.exit("a requirement of arangodb needs `database`")
arango.owner(ask, who["user"], who["password"], database)
json.dump({"message": f"database {database} for {who['user']}", "values": {"database": database}}, sys.stdout)
