"""Roles and databases, made or brought into step; shared by the hooks."""

import psycopg
from psycopg import sql


def connect(ask, user="admin", password=None, database="postgres"):
    server = ask["services"]["server"]
    return psycopg.connect(
        host=server["host"],
        port=server["ports"]["sql"],
        user=user,
        password=password or ask["secrets"]["admin"],
        dbname=database,
        connect_timeout=10,
        autocommit=True,
    )


def role(db, name, password):
    there = db.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone()
    db.execute(
        sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(
            sql.SQL("ALTER" if there else "CREATE"), sql.Identifier(name), sql.Literal(password)
        )
    )


def database(db, name, owner):
    if not db.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
        db.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(owner)))
    db.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))


def reader(db, name, who):
    """Lets `who` read what the owner of the database `name`, to which `db` is connected, has and will have."""
    me, owner = sql.Identifier(who), db.execute("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s", [name]).fetchone()[0]
    theirs = "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"
    db.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(sql.Identifier(name), me))
    db.execute(sql.SQL("ALTER ROLE {} SET default_transaction_read_only = on").format(me))
    for (schema,) in db.execute(theirs).fetchall():
        for what in ("USAGE ON SCHEMA {}", "SELECT ON ALL TABLES IN SCHEMA {}"):
            db.execute(sql.SQL("GRANT " + what + " TO {}").format(sql.Identifier(schema), me))
    for what in ("USAGE ON SCHEMAS", "SELECT ON TABLES"):
        db.execute(sql.SQL("ALTER DEFAULT PRIVILEGES FOR ROLE {} GRANT " + what + " TO {}").format(sql.Identifier(owner), me))
