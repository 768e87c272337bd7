"""People's own user: may make and use everything of the vhost /, may look at it in the management page, administers nothing."""

import json
import sys

from rabbit import Broker

ask = json.load(sys.stdin)
broker = Broker(ask)
name = ask["settings"]["user"]
broker.user(name, ask["secrets"]["password"], tags="management")
broker.allow(name, configure=".*", write=".*", read=".*")
left = [u["name"] for u in broker.call("GET", "users") if u["name"] == "guest"]
for guest in left:
    broker.call("DELETE", "users", guest)
json.dump({"message": f"user {name}"}, sys.stdout)
