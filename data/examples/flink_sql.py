"""SQL on streams: Flink makes up numbers, sums them up into a topic, and shows what is in it.

    data-mill exec -- python3 flink_sql.py        (components flink, kafka; the standard library only)

FLINK_SQL_GATEWAY_URL says where the gateway is. Neither here nor in the SQL is a password of Kafka or the lake: the cluster has its own.
"""

import base64
import json
import os
import time
import urllib.error
import urllib.request

URL = os.environ["FLINK_SQL_GATEWAY_URL"] + "/v1"
LOGIN = base64.b64encode(f"{os.environ['FLINK_USER']}:{os.environ['FLINK_PASSWORD']}".encode()).decode()


def call(method, path, body=None):
    headers = {"Authorization": "Basic " + LOGIN, "Content-Type": "application/json"}
    request = urllib.request.Request(URL + path, json.dumps(body).encode() if body is not None else None, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        causes = [c for c in error.read().decode().replace("\\n", "\n").splitlines() if "Caused by" in c]
        raise SystemExit("\n".join(causes) or str(error)) from None


def run(session, statement, timeout=180):
    """The rows of a statement; of an INSERT the id of its job."""
    operation = call("POST", f"/sessions/{session}/statements", {"statement": statement})["operationHandle"]
    rows, page, until = [], 0, time.monotonic() + timeout
    while time.monotonic() < until:
        answer = call("GET", f"/sessions/{session}/operations/{operation}/result/{page}?rowFormat=JSON")
        if answer["resultType"] != "NOT_READY":
            rows += [row["fields"] for row in answer["results"]["data"]]
            if answer["resultType"] == "EOS":
                return rows
            page = int(answer["nextResultUri"].split("/result/")[1].split("?")[0])
        time.sleep(0.2)
    raise SystemExit(f"no end after {timeout} s")


kafka = f"""'properties.bootstrap.servers' = '{os.environ["KAFKA_BOOTSTRAP_SERVERS"]}', 'properties.security.protocol' = '{os.environ["KAFKA_SECURITY_PROTOCOL"]}',
    'properties.sasl.mechanism' = '{os.environ["KAFKA_SASL_MECHANISM"]}'"""
session = call("POST", "/sessions", {"properties": {"pipeline.name": "flink_sql.py", "table.dml-sync": "true"}})["sessionHandle"]
run(session, """CREATE TABLE numbers (n INT) WITH ('connector' = 'datagen', 'number-of-rows' = '10000', 'fields.n.kind' = 'sequence',
    'fields.n.start' = '1', 'fields.n.end' = '10000')""")  # fmt: skip
run(session, f"""CREATE TABLE sums (digit INT, n BIGINT, total BIGINT, PRIMARY KEY (digit) NOT ENFORCED) WITH ('connector' = 'upsert-kafka',
    'topic' = 'example-flink-sums', {kafka}, 'key.format' = 'json', 'value.format' = 'json')""")
run(session, "INSERT INTO sums SELECT MOD(n, 10), COUNT(*), SUM(n) FROM numbers GROUP BY MOD(n, 10)")
# what is in the topic now, read to its end
run(session, f"""CREATE TABLE stored (digit INT, n BIGINT, total BIGINT) WITH ('connector' = 'kafka', 'topic' = 'example-flink-sums', {kafka},
    'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset', 'properties.group.id' = 'example-flink', 'value.format' = 'json')""")
run(session, "SET 'execution.runtime-mode' = 'batch'")
rows = run(session, "SELECT digit, MAX(n), MAX(total) FROM stored GROUP BY digit ORDER BY digit")
for digit, n, total in rows:
    print(f"numbers that end in {digit}: {n}, together {total}")
call("DELETE", f"/sessions/{session}")
