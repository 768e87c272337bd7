"""Before the server starts: its certificate, and the platform's own users of the file realm; those of consumers stay."""

import json
import os
import sys

import certificate
from realm import ADMIN, Realm, access

ask = json.load(sys.stdin)
people, secrets = ask["settings"]["user"], ask["secrets"]
if people in ("admin", "keeper", "monitor"):
    sys.exit(f"setting user: {people} is a user of the platform's own")
with Realm(ask) as realm:
    certificate.make(realm.folder)
    # it wants all its configuration in one folder: what is rendered is linked
    for name in ("elasticsearch.yml", "jvm.options", "log4j2.properties"):
        link = f"{realm.folder}/{name}"
        if not os.path.islink(link):
            os.symlink(f"../../config/{name}", link)
    for user, role in list(realm.members.items()):
        if role.startswith("own-") and role != "own-" + people:
            realm.drop(user)
    if realm.members.get(people, "own-" + people) != "own-" + people:
        sys.exit(f"setting user: {people} is the user of a component")
    realm.put("admin", secrets["admin"], ADMIN)
    realm.put("keeper", secrets["keeper"], "own-keeper", ["monitor"], [access(["logs-*"], "monitor", "delete_index")])
    realm.put("monitor", secrets["monitor"], "own-monitor", ["monitor"], [access(["*"], "monitor")])
    realm.put(people, secrets["password"], "own-" + people, ["monitor"], [access(["*"], "all")])
json.dump({"message": f"admin, keeper, monitor, {people}"}, sys.stdout)
