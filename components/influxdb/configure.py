"""The administrator, and people's own database and user."""

import json
import sys

import influx

ask = json.load(sys.stdin)
user = ask["settings"]["user"]
influx.owner(influx.administrator(ask), user, ask["secrets"]["password"], user, ask["settings"]["retention"])
json.dump({"message": f"database {user}"}, sys.stdout)
