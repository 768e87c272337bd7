"""People's own user, for all topics, and the one that metrics are read with."""

import json
import sys

import broker

ask = json.load(sys.stdin)
users = broker.Users(ask)
users.make(ask["settings"]["user"], ask["secrets"]["password"], ["#", "$SYS/#"])
users.make("monitor", ask["secrets"]["monitor"], ["$SYS/#"])
broker.close(users.client)
json.dump({"message": f"user {ask['settings']['user']}"}, sys.stdout)
