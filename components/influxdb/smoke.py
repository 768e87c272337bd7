"""Proves that points come back aggregated, and that strangers and neighbours are refused."""

import uuid

import influx
import mill_hook
import requests

ask = mill_hook.ask()
db = ask["provides"]["influxdb"]
series, check = "smoke_" + uuid.uuid4().hex[:12], mill_hook.Checks()


def refused(name, user, password, statement):
    try:
        influx.query(db["url"], user, password, statement)
        check(name, False)
    except influx.Failed as error:
        check(name, True, error)


lines = "\n".join(f"{series},sensor=s{i % 3} value={i}" for i in range(300)).split("\n")
body = "\n".join(f"{line} {1_700_000_000_000_000_000 + i * 1_000_000}" for i, line in enumerate(lines))
run = influx.administrator(ask)
run(f'CREATE RETENTION POLICY "smoke" ON {influx.named(db["database"])} DURATION INF REPLICATION 1')
answer = requests.post(
    db["url"] + "/write", body, params={"db": db["database"], "rp": "smoke"}, auth=(db["user"], db["password"]), timeout=20
)
check("write", answer.status_code == 204, answer.text)
found = influx.query(
    db["url"], db["user"], db["password"], f'SELECT count(value), sum(value) FROM "smoke"."{series}"', db["database"]
)
check("aggregate", found and found[0]["values"][0][1:] == [300, 44850], found)
run(f'DROP RETENTION POLICY "smoke" ON {influx.named(db["database"])}')
refused("nobody is refused", None, None, "SHOW DATABASES")
refused("a wrong password is refused", db["user"], "wrong", "SHOW DATABASES")
refused("admin/admin is refused", "admin", "admin", "SHOW DATABASES")
refused("people do not administer", db["user"], db["password"], "CREATE DATABASE other")

check.end()
