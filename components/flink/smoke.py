"""Proves that SQL given to the gateway runs: from Kafka to Kafka where there is one, and to files in the lake."""

import json
import time
import urllib.error
import urllib.request
import uuid
from base64 import b64encode

import mill_hook
import sql

COUNT = 3000
ask = mill_hook.ask()
flink = ask["provides"]["flink"]
name = "smoke-" + uuid.uuid4().hex[:12]
check = mill_hook.Checks()


def rest(path, password=flink["password"], url=flink["rest"]):
    login = "Basic " + b64encode(f"{flink['user']}:{password}".encode()).decode()
    with urllib.request.urlopen(urllib.request.Request(url + path, headers={"Authorization": login}), timeout=20) as answer:
        return json.load(answer)


def finish(job, timeout=90):
    until, state = time.monotonic() + timeout, ""
    while time.monotonic() < until:
        state = rest(f"/jobs/{job}")["state"]
        if state in ("FINISHED", "FAILED", "CANCELED"):
            break
        time.sleep(0.3)
    return state


def through_kafka(gateway, kafka):
    from confluent_kafka import Consumer, Producer
    from confluent_kafka.admin import AdminClient
    from confluent_kafka.cimpl import NewTopic

    mine = {
        "bootstrap.servers": kafka["bootstrap"],
        "security.protocol": kafka["protocol"],
        "sasl.mechanism": kafka["mechanism"],
        "sasl.username": kafka["user"],
        "sasl.password": kafka["password"],
    }
    admin, taken, given = AdminClient(mine), name + "-in", name + "-out"
    for future in admin.create_topics([NewTopic(t, 1, 1) for t in (taken, given)]).values():
        future.result(30)
    try:
        producer = Producer(mine | {"acks": "all", "linger.ms": 5})
        for i in range(COUNT):
            producer.produce(taken, json.dumps({"k": "abc"[i % 3], "n": i}))
        producer.flush(30)
        table = f"""'properties.bootstrap.servers' = '{kafka["bootstrap"]}', 'properties.security.protocol' = '{kafka["protocol"]}',
            'properties.sasl.mechanism' = '{kafka["mechanism"]}'"""
        gateway.run(f"""CREATE TEMPORARY TABLE taken (k STRING, n INT) WITH ('connector' = 'kafka', 'topic' = '{taken}', {table},
            'properties.group.id' = '{name}', 'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset', 'format' = 'json')""")
        gateway.run(f"""CREATE TEMPORARY TABLE given (k STRING, n BIGINT, total BIGINT, PRIMARY KEY (k) NOT ENFORCED) WITH (
            'connector' = 'upsert-kafka', 'topic' = '{given}', {table}, 'key.format' = 'json', 'value.format' = 'json')""")
        job = gateway.run("INSERT INTO given SELECT k, COUNT(*), SUM(n) FROM taken GROUP BY k")[0][0]
        check("job", (state := finish(job)) == "FINISHED", state)
        consumer = Consumer(mine | {"group.id": name, "auto.offset.reset": "earliest", "enable.auto.commit": False})
        consumer.subscribe([given])
        want = {"abc"[r]: (COUNT // 3, sum(range(r, COUNT, 3))) for r in range(3)}
        got, until = {}, time.monotonic() + 30
        while got != want and time.monotonic() < until:
            for m in consumer.consume(500, 1):
                if not m.error() and m.value():
                    row = json.loads(m.value())
                    got[row["k"]] = (row["n"], row["total"])
        consumer.close()
        check("sums from topic to topic", got == want, got)
    finally:
        for future in admin.delete_topics([taken, given]).values():
            future.result(30)


def into_the_lake(gateway, s3):
    import boto3

    path = f"s3://{s3['bucket']}/{name}"
    gateway.run(f"""CREATE TEMPORARY TABLE lake (k INT, n INT) WITH ('connector' = 'filesystem', 'path' = '{path}', 'format' = 'csv')""")
    gateway.run(f"""CREATE TEMPORARY TABLE numbers (n INT) WITH ('connector' = 'datagen', 'number-of-rows' = '{COUNT}',
        'fields.n.kind' = 'sequence', 'fields.n.start' = '0', 'fields.n.end' = '{COUNT - 1}')""")
    try:
        gateway.run("SET 'execution.runtime-mode' = 'batch'")
        job = gateway.run("INSERT INTO lake SELECT MOD(n, 3), n FROM numbers")[0][0]
        check("batch job", (state := finish(job)) == "FINISHED", state)
        got = gateway.run("SELECT COUNT(*), SUM(n) FROM lake")[-1]
        check("rows in the lake", got == [COUNT, sum(range(COUNT))], got)
    finally:
        lake = boto3.client("s3", endpoint_url=s3["endpoint"], aws_access_key_id=s3["access_key"],
                            aws_secret_access_key=s3["secret_key"], region_name=s3["region"])  # fmt: skip
        for o in lake.list_objects_v2(Bucket=s3["bucket"], Prefix=name).get("Contents", []):
            lake.delete_object(Bucket=s3["bucket"], Key=o["Key"])


for url, path in ((flink["rest"], "/overview"), (flink["sql_gateway"], "/v1/info")):
    try:
        rest(path, "wrong", url)
        check("a wrong password is refused", False, path)
    except urllib.error.HTTPError as error:
        check("a wrong password is refused", error.code == 401, f"{error.code} {path}")
for service, port in (("jobmanager", "rest"), ("gateway", "sql")):
    server = ask["services"][service]
    try:
        urllib.request.urlopen(f"http://{server['host']}:{server['ports'][port]}/overview", timeout=5)
        check(f"{service} itself answers nobody without its key", False)
    except OSError as error:
        check(f"{service} itself answers nobody without its key", not isinstance(error, urllib.error.HTTPError), type(error).__name__)

gateway = sql.Gateway(flink["sql_gateway"], flink["user"], flink["password"])
try:
    if ask["requires"].get("kafka"):
        through_kafka(gateway, ask["requires"]["kafka"])
    into_the_lake(gateway, ask["requires"]["s3"])
except (RuntimeError, TimeoutError) as error:
    check("SQL", False, error)
finally:
    gateway.close()
check.end()
