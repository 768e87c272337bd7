"""Proves that rows in are rows out, that bad ones are in the dead-letter topic, with and without a schema, and that strangers are refused."""

import json
import os
import time
import uuid

import paho.mqtt.client as mqtt
import pika
import requests
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

import connect
import mill_hook

GOOD, BAD = 200, 3
ask = mill_hook.ask()
needs, worker = ask["requires"], connect.Worker(ask)
name = "smoke-" + uuid.uuid4().hex[:12]
kafka = needs["kafka"]
client = {
    "bootstrap.servers": kafka["bootstrap"],
    "security.protocol": kafka["protocol"],
    "sasl.mechanism": kafka["mechanism"],
    "sasl.username": kafka["user"],
    "sasl.password": kafka["password"],
    "log_level": 2,
}
check, made, topics = mill_hook.Checks(), [], []
good = [json.dumps({"station": f"s{i % 5}", "value": i / 2}) for i in range(GOOD)]
bad = ["not JSON", '{"station": "s1"}', '{"station": "s1", "value": "high"}']


def keep(kind, **config):
    config = {k.replace("_", "."): v for k, v in config.items()}
    made.append(worker.keep({"name": f"{name}-{kind}", **config}))
    worker.running(made[-1])


def read(topic, wanted, seconds=40):
    consumer = Consumer(client | {"group.id": f"{name}-{topic}", "auto.offset.reset": "earliest", "enable.auto.commit": False})
    consumer.subscribe([topic])
    got, until = [], time.monotonic() + seconds
    while len(got) < wanted and time.monotonic() < until:
        got += [m.value() for m in consumer.consume(1000, 0.5) if not m.error()]
    got += [m.value() for m in consumer.consume(100, 1) if not m.error()]  # no more than these
    consumer.close()
    return got


def source(kind, publish, **config):
    topic, dead = f"{name}-{kind}", f"{name}-{kind}-dead"
    avro = "schema-registry" in needs
    keep(kind, topic=topic, dead_letter_topic=dead, fields=["station:string", "value:double"], key_field="station",
         format="avro" if avro else "json", **config)  # fmt: skip
    publish(good + bad)
    values = read(topic, GOOD)
    if avro:
        right = all(v[0] == 0 for v in values)
        url = needs["schema-registry"]["url"]
        latest = requests.get(f"{url}/subjects/{topic}-value/versions/latest", timeout=30)
        check(f"{kind}: the schema is registered", right and latest.ok and "station" in latest.text, f"HTTP {latest.status_code}")
        number = int.from_bytes(values[0][1:5], "big") if values else 0
        known = requests.get(f"{url}/schemas/ids/{number}", timeout=30)
        check(f"{kind}: the record's number is its schema's", known.ok and "station" in known.text, number)
        requests.delete(f"{url}/subjects/{topic}-value", timeout=30)
        requests.delete(f"{url}/subjects/{topic}-value", params={"permanent": "true"}, timeout=30)
    check(f"{kind}: rows in are rows out", len(values) == GOOD, f"{len(values)} of {GOOD}")
    letters = read(dead, BAD)
    check(f"{kind}: bad records are dead letters", sorted(letters) == sorted(b.encode() for b in bad), len(letters))


def over_mqtt(payloads):
    place = needs["mqtt"]
    device = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    device.username_pw_set(place["user"], place["password"])
    device.connect(place["host"], int(place["port"]), 20)
    device.loop_start()
    for infos in [device.publish(f"{name}/hall", p, qos=1) for p in payloads]:
        infos.wait_for_publish(20)
    device.disconnect()
    device.loop_stop()


def over_amqp(payloads):
    with amqp_connection() as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for p in payloads:
            channel.basic_publish("amq.topic", f"{name}-amqp", p, pika.BasicProperties(delivery_mode=2))


def amqp_connection():
    place = needs["amqp"]
    login = pika.PlainCredentials(place["user"], place["password"])
    return pika.BlockingConnection(pika.ConnectionParameters(place["host"], int(place["port"]), place["vhost"], login))


admin = AdminClient(client)
for topic in ("file", "file-dead", "file-back", "mqtt", "mqtt-dead", "amqp", "amqp-dead"):
    topics.append(f"{name}-{topic}")
for future in admin.create_topics([NewTopic(t, 1, 1) for t in topics]).values():
    future.result(30)
data = ask["services"]["worker"]["dirs"]["data"]
path = f"{data}/{name}.txt" if os.path.isdir(data + "/plugins") else f"/tmp/{name}.txt"  # the worker's file: of a pod, it goes with that
try:
    producer = Producer(client)
    for value in good + bad[:1]:
        producer.produce(topics[0], value=value)
    producer.flush(30)
    keep("file", connector_class="FileStreamSink", topics=topics[0], file=path, format="json",
         errors_deadletterqueue_topic_name=topics[1])  # fmt: skip
    # the worker reads what it wrote: nobody else needs to see its files
    keep("back", connector_class="FileStreamSource", topic=topics[2], file=path, format="text")
    lines = read(topics[2], GOOD)
    check("a sink: rows in are rows out", len(lines) == GOOD, f"{len(lines)} of {GOOD}")
    letters = read(topics[1], 1)
    check("a sink: bad records are dead letters", letters == [bad[0].encode()], len(letters))
    if "mqtt" in needs:
        source("mqtt", over_mqtt, connector_class="MqttSource", mqtt_topics=f"{name}/#")
    if "amqp" in needs:
        source("amqp", over_amqp, connector_class="AmqpSource", queue=f"{name}-amqp")
finally:
    for connector in made:
        worker.call("DELETE", f"/connectors/{connector}")
    for future in admin.delete_topics(topics).values():
        future.result(30)
    if os.path.exists(path):
        os.remove(path)
    if "mqtt" in needs and f"{name}-mqtt" in made:  # the session that the broker keeps for the connector
        time.sleep(1)
        gone = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=f"connect-{name}-mqtt", clean_session=True)
        gone.username_pw_set(needs["mqtt"]["user"], needs["mqtt"]["password"])
        gone.connect(needs["mqtt"]["host"], int(needs["mqtt"]["port"]), 20)
        gone.loop_start()
        time.sleep(0.5)
        gone.disconnect()
        gone.loop_stop()
    if "amqp" in needs:
        with amqp_connection() as connection:
            connection.channel().queue_delete(f"{name}-amqp")

for user, password in ((None, None), ("admin", "admin"), (ask["settings"]["user"], "wrong")):
    answer = requests.get(worker.url + "/connectors", auth=user and (user, password), timeout=30)
    check(f"{user or 'who says no name'} is refused", answer.status_code == 401, answer.status_code)

check.end()
