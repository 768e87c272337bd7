"""The metadata's schema, roles and the administrator.  Long the first time: says where it is."""

import json
import os
import sys
import time

ask = json.load(sys.stdin)
answer, sys.stdout = sys.stdout, sys.stderr
db = ask["requires"]["postgres"]
home = ask["services"]["server"]["dirs"]["data"]
os.environ |= {
    "SUPERSET_CONFIG_PATH": os.path.join(os.path.dirname(os.path.abspath(__file__)), "superset_config.py"),
    "SUPERSET_HOME": home,
    "HOME": home,
    "MILL_SECRET_KEY": ask["secrets"]["key"],
    "MILL_DATABASE": f"postgresql+psycopg2://{db['user']}:{db['password']}@{db['host']}:{db['port']}/{db['database']}",
}
began = time.monotonic()


def say(text):
    print(f"{time.monotonic() - began:6.1f} s  {text}", file=sys.stderr, flush=True)


say("loading Superset")
from superset.app import create_app  # noqa: E402

app = create_app()
with app.app_context():
    import flask_migrate
    from superset import appbuilder, security_manager

    say("schema of the metadata")
    flask_migrate.upgrade(directory=os.path.join(os.path.dirname(sys.modules["superset"].__file__), "migrations"))
    say("permissions and roles")
    appbuilder.add_permissions(update_perms=True)
    security_manager.sync_role_definitions()
    say("administrator")
    name = ask["settings"]["user"]
    user = security_manager.find_user(name)
    if user:
        security_manager.reset_password(user.id, ask["secrets"]["password"])
    else:
        role = security_manager.find_role("Admin")
        # example.invalid is no address of anybody (RFC 2606)
        if not security_manager.add_user(name, "Data", "Mill", f"{name}@example.invalid", role, ask["secrets"]["password"]):
            sys.exit("the administrator could not be made")
say("done")
json.dump({"message": f"initialised in {time.monotonic() - began:.0f} s"}, answer)
