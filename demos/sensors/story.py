"""What the steps share: what earlier ones found out, Kafka, the answer at the end."""

import json
import os
import sys
import time

READINGS, DEAD, HOURS, CLEAN = "sensors-readings", "sensors-dead-letters", "sensors-hours", "sensors-clean"
LAKE = "sensors"  # bucket


def recall():
    if not os.path.exists("story.json"):
        return {}
    with open("story.json") as file:
        return json.load(file)


def remember(**facts):
    with open("story.json.new", "w") as file:
        json.dump(recall() | facts, file, indent=1)
    os.replace("story.json.new", "story.json")


def done(message, **counts):
    print(json.dumps({"message": message, "counts": counts}, default=int))
    sys.exit(0)


def fail(message, **counts):
    print(json.dumps({"message": message, "counts": counts}, default=int))
    sys.exit(1)


def skip(message):
    print(json.dumps({"message": message}))
    sys.exit(77)


def must(ok, message, **counts):
    if not ok:
        fail(message, **counts)


def kafka():
    return {
        "bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"],
        "security.protocol": os.environ["KAFKA_SECURITY_PROTOCOL"],
        "sasl.mechanism": os.environ["KAFKA_SASL_MECHANISM"],
        "sasl.username": os.environ["KAFKA_SASL_USERNAME"],
        "sasl.password": os.environ["KAFKA_SASL_PASSWORD"],
        "log_level": 2,
    }


def read_topic(topic, enough, seconds=60):
    """Messages from the beginning on, until enough(messages) or the time is over."""
    from confluent_kafka import Consumer

    consumer = Consumer(kafka() | {"group.id": f"sensors-{topic}-{time.time_ns()}", "auto.offset.reset": "earliest", "enable.auto.commit": False})
    consumer.subscribe([topic])
    got, until = [], time.monotonic() + seconds
    while not enough(got) and time.monotonic() < until:
        got += [m for m in consumer.consume(2000, 0.5) if not m.error()]
    got += [m for m in consumer.consume(2000, 1) if not m.error()]  # no more than these
    consumer.close()
    return got


def remake_topics(*names):
    from confluent_kafka.admin import AdminClient
    from confluent_kafka.cimpl import NewTopic

    admin = AdminClient(kafka())
    there = [t for t in names if t in admin.list_topics(timeout=30).topics]
    for future in (admin.delete_topics(there) if there else {}).values():
        future.result(30)
    until = time.monotonic() + 30
    while time.monotonic() < until and any(t in admin.list_topics(timeout=30).topics for t in names):
        time.sleep(0.3)
    for future in admin.create_topics([NewTopic(t, 2, 1) for t in names]).values():
        future.result(30)


def flink():
    sys.path.append(os.environ["DEMO_DIR"] + "/../../components/flink")
    import sql

    return sql.Gateway(os.environ["FLINK_SQL_GATEWAY_URL"], os.environ["FLINK_USER"], os.environ["FLINK_PASSWORD"])


def flink_rest(method, path, body=None):
    import requests

    login = os.environ["FLINK_USER"], os.environ["FLINK_PASSWORD"]
    answer = requests.request(method, os.environ["FLINK_REST_URL"] + path, auth=login, json=body, timeout=30)
    answer.raise_for_status()
    return answer.json() if answer.content else {}


def end_flink_jobs(prefix="sensors-"):
    """Jobs of an earlier run."""
    for job in flink_rest("GET", "/jobs/overview")["jobs"]:
        if job["name"].startswith(prefix) and job["state"] not in ("FINISHED", "FAILED", "CANCELED"):
            flink_rest("PATCH", f"/jobs/{job['jid']}?mode=cancel")
    until = time.monotonic() + 30
    while time.monotonic() < until:
        states = [j["state"] for j in flink_rest("GET", "/jobs/overview")["jobs"] if j["name"].startswith(prefix)]
        if all(s in ("FINISHED", "FAILED", "CANCELED") for s in states):
            return
        time.sleep(0.3)
