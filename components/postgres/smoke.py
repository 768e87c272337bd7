"""Proves that it stores, refuses strangers, and keeps consumers apart."""

import psycopg

import mill_hook
import roles

ask = mill_hook.ask()
user, password = ask["settings"]["user"], ask["secrets"]["password"]
check = mill_hook.Checks()


with roles.connect(ask, user, password, user) as db:
    db.execute("DROP TABLE IF EXISTS smoke")
    with db.transaction():
        db.execute("CREATE TABLE smoke (id int PRIMARY KEY, word text)")
        db.cursor().executemany("INSERT INTO smoke VALUES (%s, %s)", [(i, "ä" * i) for i in range(100)])
    count, longest = db.execute("SELECT count(*), max(length(word)) FROM smoke").fetchone()
    check("write and read", (count, longest) == (100, 99), f"{count} rows")
    db.execute("DROP TABLE smoke")
    method = db.execute("SHOW password_encryption").fetchone()[0]
    check("passwords are hashed", method == "scram-sha-256", method)
    power = db.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()[0]
    check("people are no superusers", not power)
for who, secret in (("admin", "admin"), ("admin", "postgres"), ("postgres", "postgres"), (user, "wrong")):
    try:
        roles.connect(ask, who, secret).close()
        check(f"{who}/{secret} is refused", False)
    except psycopg.OperationalError:
        check(f"{who}/{secret} is refused", True)

check.end()
