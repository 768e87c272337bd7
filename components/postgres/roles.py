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
