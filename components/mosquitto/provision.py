"""A user for a consumer that may publish and subscribe to its topics: `topics`, a comma list of MQTT filters; all when it names none."""

import json
import sys

import broker

ask = json.load(sys.stdin)
request = ask["request"]
user = request["credentials"]["user"]
topics = [t.strip() for t in str(request["parameters"].get("topics", "")).split(",") if t.strip()] or ["#"]
users = broker.Users(ask)
users.make(user, request["credentials"]["password"], topics)
broker.close(users.client)
json.dump({"message": f"{', '.join(topics)} for {user}", "values": {"topics": ",".join(topics)}}, sys.stdout)
