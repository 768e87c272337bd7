"""Proves that records come out as they went in, in order, and that strangers get none."""

import time
import uuid

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

import broker
import mill_hook

COUNT = 5000
ask = mill_hook.ask()
kafka = ask["provides"]["kafka"]
mine = broker.settings(ask, kafka["user"], kafka["password"])
topic = "smoke-" + uuid.uuid4().hex[:12]
check = mill_hook.Checks()


admin = AdminClient(mine)
broker.wait(admin.create_topics([NewTopic(topic, 1, 1)]))
try:
    producer, failed = Producer(mine | {"acks": "all", "linger.ms": 5}), []
    began = time.monotonic()
    for i in range(COUNT):
        producer.produce(topic, key=str(i % 7), value=f"record {i}", on_delivery=lambda e, m: e and failed.append(e))
        producer.poll(0)
    producer.flush(30)
    took = time.monotonic() - began
    check("produce", not failed, f"{COUNT} records in {took:.1f} s")

    consumer = Consumer(mine | {"group.id": topic, "auto.offset.reset": "earliest", "enable.auto.commit": False})
    consumer.subscribe([topic])
    got, until = [], time.monotonic() + 30
    while len(got) < COUNT and time.monotonic() < until:
        got += [m.value().decode() for m in consumer.consume(COUNT, 1) if not m.error()]
    consumer.close()
    check("consume in order", got == [f"record {i}" for i in range(COUNT)], f"{len(got)} records")
finally:
    broker.wait(admin.delete_topics([topic]))
    broker.wait(admin.delete_consumer_groups([topic]))

for user, password, mechanism in (
    ("nobody", "nothing", "SCRAM-SHA-512"),
    (kafka["user"], "wrong", "SCRAM-SHA-512"),
    ("admin", "admin", "PLAIN"),
):
    said = []
    stranger = AdminClient(broker.settings(ask, user, password, mechanism) | {"error_cb": lambda e: said.append(e.name())})
    until = time.monotonic() + 10
    while "_AUTHENTICATION" not in said and time.monotonic() < until:
        stranger.poll(0.1)
    check(f"{user} with a wrong password is refused", "_AUTHENTICATION" in said, ", ".join(sorted(set(said))))

check.end()
