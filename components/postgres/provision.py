"""Makes a database and its owner for a consumer; repeating it changes nothing.

`access: read` makes a role that only reads: `database`, or people's own.
"""

import json
import sys

import roles

ask = json.load(sys.stdin)
request = ask["request"]
reads, people = request["parameters"].get("access") == "read", ask["settings"]["user"]
name = request["parameters"].get("database") or (people if reads else None)
if not name:
    print("a requirement of postgres needs `database`", file=sys.stderr)
    sys.exit(1)
who = request["credentials"]["user"]
with roles.connect(ask) as db:
    roles.role(db, who, request["credentials"]["password"])
    if not reads:
        roles.database(db, name, who)
if reads:
    with roles.connect(ask, database=name) as db:
        roles.reader(db, name, who)
json.dump({"message": f"database {name} for {who}" + (" to read" if reads else ""), "values": {"database": name}}, sys.stdout)
