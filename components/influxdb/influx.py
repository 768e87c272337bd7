"""InfluxQL over HTTP; statements travel in the body, never in an address."""

import requests


class Failed(Exception):
    pass


def query(url, user, password, statement, database=None):
    login = (user, password) if user else None
    answer = requests.post(url + "/query", {"q": statement, "db": database or ""}, auth=login, timeout=30)
    if answer.status_code == 401:
        raise Failed("401")
    found = answer.json()
    error = found.get("error") or next((r["error"] for r in found.get("results", []) if "error" in r), None)
    if error:
        raise Failed(error)
    return [series for r in found["results"] for series in r.get("series", [])]


def quoted(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def named(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def administrator(ask):
    """A function that runs statements as the administrator, who is made when there is nobody yet."""
    url, password = ask["provides"]["influxdb"]["url"], ask["secrets"]["admin"]
    try:
        query(url, "admin", password, "SHOW DATABASES")
    except Failed:
        query(url, None, None, f"CREATE USER admin WITH PASSWORD {quoted(password)} WITH ALL PRIVILEGES")
    return lambda statement: query(url, "admin", password, statement)


def person(run, user, password):
    names = [row[0] for series in run("SHOW USERS") for row in series["values"]]
    verb = "SET PASSWORD FOR {} = {}" if user in names else "CREATE USER {} WITH PASSWORD {}"
    run(verb.format(named(user), quoted(password)))


def owner(run, user, password, database, retention):
    """A database, its retention and a user who may use only it."""
    person(run, user, password)
    run(f"CREATE DATABASE {named(database)}")
    run(f'ALTER RETENTION POLICY "autogen" ON {named(database)} DURATION {retention} SHARD DURATION 1d DEFAULT')
    run(f"GRANT ALL ON {named(database)} TO {named(user)}")


def reader(run, user, password, database):
    """A user who may only read a database."""
    person(run, user, password)
    run(f"CREATE DATABASE {named(database)}")
    run(f"GRANT READ ON {named(database)} TO {named(user)}")
