"""Makes the tables, or brings those of an older version up to date.  The address holds a password: no command line."""

import json
import sys

from mlflow.store.db import utils
from sqlalchemy.engine import URL

ask = json.load(sys.stdin)
db = ask["requires"]["postgres"]
engine = utils.create_sqlalchemy_engine_with_retry(
    URL.create("postgresql+psycopg2", db["user"], db["password"], db["host"], int(db["port"]), db["database"]).render_as_string(False)
)
if utils._is_empty_database(engine):
    utils._initialize_tables(engine)
    message = "made the tables"
else:
    utils._upgrade_db(engine)
    message = f"schema {utils._get_schema_version(engine)}"
json.dump({"message": message}, sys.stdout)
