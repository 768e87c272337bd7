"""Makes the tables, or brings those of an older version up to date, and the administrator's password.

The addresses hold a password: no command line.  MLflow itself never changes a password that is set.
"""

import json
import sys

from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore
from mlflow.store.db import utils
from sqlalchemy.engine import URL

ask = json.load(sys.stdin)
db = ask["requires"]["postgres"]
uri = URL.create("postgresql+psycopg2", db["user"], db["password"], db["host"], int(db["port"]), db["database"]).render_as_string(False)
engine = utils.create_sqlalchemy_engine_with_retry(uri)
if utils._is_empty_database(engine):
    utils._initialize_tables(engine)
    message = "made the tables"
else:
    utils._upgrade_db(engine)
    message = f"schema {utils._get_schema_version(engine)}"

people, user, password = SqlAlchemyStore(), ask["settings"]["user"], ask["secrets"]["password"]
people.init_db(uri)
if not people.has_user(user):
    people.create_user(user, password, is_admin=True)
elif not people.authenticate_user(user, password):
    people.update_user(user, password=password, is_admin=True)
    message += f", a new password for {user}"
json.dump({"message": message}, sys.stdout)
