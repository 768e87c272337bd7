"""People's own role and database, and the role that metrics are read with."""

import json
import sys

import roles

ask = json.load(sys.stdin)
user = ask["settings"]["user"]
with roles.connect(ask) as db:
    roles.role(db, "monitor", ask["secrets"]["monitor"])
    db.execute("GRANT pg_monitor TO monitor")
    roles.role(db, user, ask["secrets"]["password"])
    roles.database(db, user, user)
json.dump({"message": f"database {user}"}, sys.stdout)
