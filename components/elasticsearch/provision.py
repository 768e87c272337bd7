"""A user who may use only the indices it asks for: `indices: "logs-*"`, a comma list of patterns.

`access: read`: they are only searched.
"""

import json
import sys
import time

import mill_search
from realm import Realm, access

ask = json.load(sys.stdin)
request = ask["request"]
name, password = request["credentials"]["user"], request["credentials"]["password"]
indices = request["parameters"].get("indices", "")
patterns = [p.strip() for p in indices.split(",") if p.strip()]
if not patterns:
    sys.exit("a requirement of search needs `indices`: patterns, separated by commas")
privileges = ["read", "view_index_metadata"] if request["parameters"].get("access") == "read" else ["all"]

with Realm(ask) as realm:
    if realm.members.get(name, "for-" + name) != "for-" + name:
        sys.exit(f"{name} is a user of the search engine's own: choose another in its setting `user`")
    realm.put(name, password, "for-" + name, ["monitor"], [access(patterns, *privileges)])

# until the server has read it
wanted = {"index": [{"names": patterns, "privileges": privileges}]}
until = time.monotonic() + 45
while True:
    code, answer = mill_search.call(ask["provides"]["search"]["url"], name, password, "POST", "/_security/user/_has_privileges", wanted)
    if code == 200 and answer["has_all_requested"]:
        break
    if code not in (200, 401, 503) or time.monotonic() > until:
        sys.exit(f"user {name}: {code} {answer}")
    time.sleep(0.5)
json.dump({"message": f"{indices} for {name}", "values": {"indices": indices}}, sys.stdout)
