"""The list of users that the server starts with: nobody but the administrator without the hooks' consent."""

import json
import os
import sys

import resp

ask = json.load(sys.stdin)
path = ask["services"]["server"]["dirs"]["data"] + "/users.acl"
kept = []
if os.path.exists(path):
    with open(path) as file:
        kept = [line for line in file if line.split()[1:2] not in (["default"], ["admin"])]
with open(os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
    file.write("user default off resetpass -@all\n")
    file.write(f"user admin on {resp.hashed(ask['secrets']['admin'])} ~* &* +@all\n")
    file.writelines(kept)
os.rename(path + ".new", path)
json.dump({"message": f"{len(kept) + 1} users"}, sys.stdout)
