"""A database and a user for a consumer; `retention` (30d) is that of the database.

`access: read` makes a user that only reads: `database`, or people's own.
"""

import json
import sys

import influx

ask = json.load(sys.stdin)
request = ask["request"]
reads = request["parameters"].get("access") == "read"
database = request["parameters"].get("database") or (ask["settings"]["user"] if reads else None)
if not database:
    sys.exit("a requirement of influxdb needs `database`")
retention = request["parameters"].get("retention") or ask["settings"]["retention"]
who = request["credentials"]
run = influx.administrator(ask)
if reads:
    influx.reader(run, who["user"], who["password"], database)
else:
    influx.owner(run, who["user"], who["password"], database, retention)
json.dump({"message": f"database {database} for {who['user']}" + (" to read" if reads else ""), "values": {"database": database}}, sys.stdout)
