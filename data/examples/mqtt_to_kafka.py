"""Readings over MQTT into Kafka: asks Kafka Connect for a connector, publishes, and counts that rows in are rows out.

    data-mill exec -e python-env -- python mqtt_to_kafka.py [--format avro]      (components rabbitmq, kafka-connect)

With avro the schema is registered in the schema registry, and the records are read back with it. Bad readings go to the topic
dead-letters. No address, user or password: MQTT_*, KAFKA_*, SCHEMA_REGISTRY_URL say them. The connector itself has references
such as ${env:MQTT_PASSWORD}, which only the connector's worker resolves.
"""

import argparse
import datetime
import io
import json
import os
import time

import fastavro
import paho.mqtt.client as mqtt
import requests
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

arguments = argparse.ArgumentParser()
arguments.add_argument("--format", choices=["json", "avro"], default="json")
arguments.add_argument("--readings", type=int, default=300)
options = arguments.parse_args()
topic = "sensor-readings" if options.format == "json" else "sensor-readings-avro"
env = os.environ

# --- Kafka, as any client finds it
kafka = {
    "bootstrap.servers": env["KAFKA_BOOTSTRAP_SERVERS"],
    "security.protocol": env["KAFKA_SECURITY_PROTOCOL"],
    "sasl.mechanism": env["KAFKA_SASL_MECHANISM"],
    "sasl.username": env["KAFKA_SASL_USERNAME"],
    "sasl.password": env["KAFKA_SASL_PASSWORD"],
}
admin = AdminClient(kafka)
missing = {topic, "dead-letters"} - set(admin.list_topics(timeout=30).topics)
for future in (admin.create_topics([NewTopic(t, 2, 1) for t in missing]) if missing else {}).values():
    future.result(30)


def end_of(name):
    """A consumer that sees what comes from now on."""
    consumer = Consumer(kafka | {"group.id": "mqtt-to-kafka", "enable.auto.commit": False})
    partitions = [TopicPartition(name, p) for p in admin.list_topics(name, timeout=30).topics[name].partitions]
    for p in partitions:
        p.offset = consumer.get_watermark_offsets(p, timeout=30)[1]
    consumer.assign(partitions)
    return consumer


def collect(consumer, wanted, seconds=45):
    got, until = [], time.monotonic() + seconds
    while len(got) < wanted and time.monotonic() < until:
        got += [m for m in consumer.consume(1000, 0.5) if not m.error()]
    return got


# --- the connector: asking again changes nothing
connector = {
    "connector.class": "MqttSource",
    "tasks.max": "1",
    "host": "${env:MQTT_HOST}",
    "port": "${env:MQTT_PORT}",
    "user": "${env:MQTT_USERNAME}",
    "password": "${env:MQTT_PASSWORD}",
    "mqtt.topics": f"examples/{options.format}/#",
    "topic": topic,
    "fields": "time:string,sensor:string,temperature_c:double,humidity_pct:double?",
    "key.field": "sensor",
    "dead.letter.topic": "dead-letters",
    "value.converter": "org.apache.kafka.connect.json.JsonConverter",
    "value.converter.schemas.enable": "false",
}
if options.format == "avro":
    del connector["value.converter.schemas.enable"]
    connector |= {
        "value.converter": "io.apicurio.registry.utils.converter.AvroConverter",
        "value.converter.apicurio.registry.url": env["SCHEMA_REGISTRY_URL"].replace("/apis/ccompat/v7", "/apis/registry/v2"),
        "value.converter.apicurio.registry.auto-register": "true",
        "value.converter.apicurio.registry.as-confluent": "true",
        "value.converter.apicurio.registry.use-id": "contentId",
        "value.converter.apicurio.registry.headers.enabled": "false",
        "value.converter.apicurio.registry.artifact-resolver-strategy": "io.apicurio.registry.serde.strategy.TopicIdStrategy",
    }
login = (env["KAFKA_CONNECT_USERNAME"], env["KAFKA_CONNECT_PASSWORD"])
url = f"{env['KAFKA_CONNECT_URL']}/connectors/examples-{options.format}"
requests.put(url + "/config", json=connector, auth=login, timeout=60).raise_for_status()
until = time.monotonic() + 60
while True:
    status = requests.get(url + "/status", auth=login, timeout=30)
    states = [t["state"] for t in status.json().get("tasks", [])] if status.ok else []
    if states == ["RUNNING"]:
        break
    if "FAILED" in states or time.monotonic() > until:
        raise SystemExit(f"the connector does not run: {status.text[:500]}")
    time.sleep(0.3)
print(f"connector examples-{options.format}: running")

# --- readings out of three made-up sensors, some of them broken
good, bad = [], ["no JSON at all", '{"sensor": "sensor-000"}', '{"time": 5, "sensor": "sensor-001", "temperature_c": "warm"}']
start = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) - datetime.timedelta(seconds=options.readings)
for i in range(options.readings):
    at = (start + datetime.timedelta(seconds=i)).strftime("%Y-%m-%dT%H:%M:%SZ")
    reading = {"time": at, "sensor": f"sensor-{i % 3:03}", "temperature_c": 20 + i % 10 / 2, "humidity_pct": 60.0}
    good.append(json.dumps(reading))
rows, letters = end_of(topic), end_of("dead-letters")
device = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
device.username_pw_set(env["MQTT_USERNAME"], env["MQTT_PASSWORD"])
device.connect(env["MQTT_HOST"], int(env["MQTT_PORT"]))
device.loop_start()
for sent in [device.publish(f"examples/{options.format}/hall", payload, qos=1) for payload in good + bad]:
    sent.wait_for_publish(30)
device.disconnect()
device.loop_stop()
print(f"published {len(good)} readings and {len(bad)} broken ones over MQTT")

# --- and what came of them
schemas = {}


def value(message):
    raw = message.value()
    if options.format == "json":
        return json.loads(raw)
    number = int.from_bytes(raw[1:5], "big")  # Confluent's wire format: a zero, the schema's number, the record
    if number not in schemas:
        answer = requests.get(f"{env['SCHEMA_REGISTRY_URL']}/schemas/ids/{number}", timeout=30)
        schemas[number] = fastavro.parse_schema(json.loads(answer.json()["schema"]))
    return fastavro.schemaless_reader(io.BytesIO(raw[5:]), schemas[number])


got, dead = [value(m) for m in collect(rows, len(good))], collect(letters, len(bad))
for message in dead:
    print("dead letter:", dict(message.headers())["error"].decode(), "-", message.value().decode()[:50])
same = sorted(json.dumps(v) for v in got) == sorted(good)
print(f"rows in {len(good)}, rows out {len(got)}, dead letters {len(dead)}")
for consumer in (rows, letters):
    consumer.close()
raise SystemExit(0 if same and len(dead) == len(bad) else "rows in are not rows out")
