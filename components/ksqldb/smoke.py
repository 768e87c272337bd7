"""Proves that a table follows its stream: rows in, sums out; and that strangers are refused."""

import json
import time
import uuid

import requests

import mill_hook

ask = mill_hook.ask()
mine = ask["provides"]["ksql"]
session = requests.Session()
session.auth = (mine["user"], mine["password"])
name = "SMOKE_" + uuid.uuid4().hex[:12].upper()
check = mill_hook.Checks()


def run(statement):
    body = {"ksql": statement, "streamsProperties": {"auto.offset.reset": "earliest"}}
    answer = session.post(mine["url"] + "/ksql", json=body, timeout=60)
    if not answer.ok:
        raise ValueError(f"{statement.split('(')[0]}: {answer.text[:300]}")
    return answer.json()


try:
    run(
        f"CREATE STREAM {name} (station VARCHAR KEY, value DOUBLE)"
        f" WITH (KAFKA_TOPIC='{name.lower()}', VALUE_FORMAT='JSON', PARTITIONS=1, REPLICAS=1);"
    )
    run(f"CREATE TABLE {name}_SUM AS SELECT station, SUM(value) AS total FROM {name} GROUP BY station EMIT CHANGES;")
    for i in range(20):
        run(f"INSERT INTO {name} (station, value) VALUES ('s{i % 2}', {i}.0);")
    want, got, until = {"s0": 90.0, "s1": 100.0}, {}, time.monotonic() + 45
    while got != want and time.monotonic() < until:
        time.sleep(0.5)
        body = {"sql": f"SELECT station, total FROM {name}_SUM;"}
        lines = session.post(mine["url"] + "/query-stream", json=body, timeout=60).text.splitlines()
        got = {row[0]: row[1] for row in map(json.loads, lines) if isinstance(row, list)}
    check("a table follows its stream", got == want, got)
finally:
    for statement in (f"DROP TABLE IF EXISTS {name}_SUM DELETE TOPIC;", f"DROP STREAM IF EXISTS {name} DELETE TOPIC;"):
        try:
            run(statement)
        except ValueError as error:
            check("cleans up", False, error)
for user, password in ((None, None), ("admin", "admin"), (mine["user"], "wrong")):
    answer = requests.get(mine["url"] + "/info", auth=user and (user, password), timeout=30)
    check(f"{user or 'who says no name'} is refused", answer.status_code == 401, answer.status_code)

check.end()
