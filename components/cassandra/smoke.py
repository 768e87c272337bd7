"""Proves that rows come back, and that the shipped superuser and strangers are refused."""

import uuid

import cql
import mill_hook
from cassandra import Unauthorized
from cassandra.cluster import NoHostAvailable
from cassandra.concurrent import execute_concurrent_with_args

ask = mill_hook.ask()
at = ask["provides"]["cassandra"]
table, check = "smoke_" + uuid.uuid4().hex[:12], mill_hook.Checks()


cluster, session = cql.connect(ask, at["user"], at["password"])
session.set_keyspace(at["keyspace"])
session.execute(f"CREATE TABLE {table} (id int PRIMARY KEY, word text)")
try:
    put = session.prepare(f"INSERT INTO {table} (id, word) VALUES (?, ?)")
    execute_concurrent_with_args(session, put, [(i, "ü" * (i % 9)) for i in range(500)], concurrency=50)
    count = session.execute(f"SELECT count(*) FROM {table}").one()[0]
    word = session.execute(f"SELECT word FROM {table} WHERE id = 8").one()[0]
    check("write and read", (count, word) == (500, "ü" * 8), f"{count} rows")
    try:
        session.execute("CREATE ROLE thief WITH SUPERUSER = true")
        check("people do not administer", False)
    except Unauthorized as error:
        check("people do not administer", True, error)
finally:
    session.execute(f"DROP TABLE {table}")
    cluster.shutdown()
for user, password in (("cassandra", "cassandra"), (at["user"], "wrong"), ("admin", "admin")):
    try:
        cql.connect(ask, user, password)[0].shutdown()
        check(f"{user} with a wrong password is refused", False)
    except NoHostAvailable as error:
        check(f"{user} with a wrong password is refused", "AuthenticationFailed" in repr(error.errors))

check.end()
