"""A user for a consumer, who may use keys and channels that begin with `prefix`."""

import json
import sys

import resp

ask = json.load(sys.stdin)
request = ask["request"]
prefix = request["parameters"].get("prefix")
if not prefix:
    sys.exit("a requirement of redis needs `prefix`: what its keys begin with")
who = request["credentials"]
try:
    resp.set_user(resp.administrator(ask), who["user"], who["password"], prefix + "*")
except resp.Unsaved as error:
    sys.exit(str(error))
json.dump({"message": f"{prefix}* for {who['user']}", "values": {"prefix": prefix}}, sys.stdout)
