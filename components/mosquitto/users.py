"""Writes the first users file, with the administrator alone in it; the broker keeps it from then on."""

import base64
import hashlib
import json
import os
import sys

ask = json.load(sys.stdin)
path = ask["services"]["server"]["dirs"]["data"] + "/users.json"
if os.path.exists(path):
    json.dump({"message": "the users are there"}, sys.stdout)
    sys.exit(0)

salt, rounds = os.urandom(12), 20000
key = hashlib.pbkdf2_hmac("sha512", ask["secrets"]["admin"].encode(), salt, rounds)
acls = [
    {"acltype": kind, "topic": topic, "allow": True}
    for topic in ("$CONTROL/dynamic-security/#",)
    for kind in ("publishClientSend", "publishClientReceive", "subscribePattern")
]
users = {
    "defaultACLAccess": {"publishClientSend": False, "publishClientReceive": False, "subscribe": False, "unsubscribe": True},
    "clients": [
        {
            "username": "admin",
            "password": base64.b64encode(key).decode(),
            "salt": base64.b64encode(salt).decode(),
            "iterations": rounds,
            "roles": [{"rolename": "admin"}],
        }
    ],
    "groups": [],
    "roles": [{"rolename": "admin", "acls": acls}],
}
with open(path + ".new", "w") as file:
    json.dump(users, file)
os.replace(path + ".new", path)
json.dump({"message": "made the administrator"}, sys.stdout)
