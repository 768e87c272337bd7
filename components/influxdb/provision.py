"""A database and a user for a consumer; `retention` (30d) is that of the database."""

import json
import sys

import influx

ask = json.load(sys.stdin)
request = ask["request"]
database = request["parameters"].get("database")
if not database:
    sys.exit("a requirement of influxdb needs `database`")
retention = request["parameters"].get("retention") or ask["settings"]["retention"]
who = request["credentials"]
influx.owner(influx.administrator(ask), who["user"], who["password"], database, retention)
json.dump({"message": f"database {database} for {who['user']}", "values": {"database": database}}, sys.stdout)
