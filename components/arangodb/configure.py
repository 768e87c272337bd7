"""People's own database and user."""

import json
import sys

import arango

ask = json.load(sys.stdin)
user = ask["settings"]["user"]
arango.owner(ask, user, ask["secrets"]["password"], user)
json.dump({"message": f"database {user}"}, sys.stdout)
