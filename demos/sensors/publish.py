"""Yesterday, of six sensors: half over MQTT, half over AMQP, some of it broken; Kafka Connect brings it to one topic, with a schema."""

import json
import os
import random
import sys
import time

import paho.mqtt.client as mqtt
import pika
import requests
import story

SENSORS, PER_SENSOR, EVERY = 6, 720, 120  # every two minutes of a day
BAD = ["not JSON at all", '{"sensor": "sensor-000"}', '{"time": "2026-01-01T00:00:00Z", "sensor": "sensor-001", "temperature_c": "warm"}', "{", "[]"]
FIELDS = "time:string,sensor:string,temperature_c:double,humidity_pct:double,battery_v:double,anomaly:int"

sys.path.append(os.environ["DEMO_DIR"] + "/../../data/sensors")
import generate  # noqa: E402

connect = requests.Session()
connect.auth = os.environ["KAFKA_CONNECT_USERNAME"], os.environ["KAFKA_CONNECT_PASSWORD"]
url = os.environ["KAFKA_CONNECT_URL"]
registry = os.environ["SCHEMA_REGISTRY_URL"]


def call(method, path, body=None):
    for _ in range(30):
        answer = connect.request(method, url + path, json=body, timeout=60)
        if answer.status_code not in (409, 503):  # a rebalance is under way
            return answer
        time.sleep(1)
    story.fail(f"Kafka Connect is busy: {method} {path}")


def keep(name, kind, variables, **config):
    broker = {key: f"${{env:{variables}_{variable}}}" for key, variable in
              (("host", "HOST"), ("port", "PORT"), ("user", "USERNAME"), ("password", "PASSWORD"))}  # fmt: skip
    avro = "value.converter.apicurio.registry."
    answer = call("PUT", f"/connectors/{name}/config", broker | {k.replace("_", "."): v for k, v in config.items()} | {
        "connector.class": kind, "tasks.max": "1", "topic": story.READINGS, "fields": FIELDS, "key.field": "sensor",
        "dead.letter.topic": story.DEAD, "value.converter": "io.apicurio.registry.utils.converter.AvroConverter",
        avro + "url": registry.replace("/apis/ccompat/v7", "/apis/registry/v2"), avro + "auto-register": "true",
        avro + "find-latest": "false", avro + "as-confluent": "true", avro + "headers.enabled": "false",
        avro + "use-id": "contentId",
        avro + "artifact-resolver-strategy": "io.apicurio.registry.serde.strategy.TopicIdStrategy",
    })  # fmt: skip
    story.must(answer.ok, f"connector {name}: {answer.text[:300]}")
    until = time.monotonic() + 60
    while time.monotonic() < until:
        status = call("GET", f"/connectors/{name}/status")
        tasks = status.json().get("tasks", []) if status.ok else []
        if any(t["state"] == "FAILED" for t in tasks):
            story.fail(f"connector {name}: {tasks[0].get('trace', '')[:400]}")
        if tasks and all(t["state"] == "RUNNING" for t in tasks):
            return
        time.sleep(0.3)
    story.fail(f"connector {name} does not run after 60 s")


def over_mqtt(payloads):
    device = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    device.username_pw_set(os.environ["MQTT_USERNAME"], os.environ["MQTT_PASSWORD"])
    device.connect(os.environ["MQTT_HOST"], int(os.environ["MQTT_PORT"]), 20)
    device.loop_start()
    for start in range(0, len(payloads), 500):
        for sent in [device.publish("demo-mqtt/all", p, qos=1) for p in payloads[start : start + 500]]:
            sent.wait_for_publish(30)
    device.disconnect()
    device.loop_stop()


def over_amqp(payloads):
    login = pika.PlainCredentials(os.environ["AMQP_USERNAME"], os.environ["AMQP_PASSWORD"])
    place = pika.ConnectionParameters(os.environ["AMQP_HOST"], int(os.environ["AMQP_PORT"]), os.environ.get("AMQP_VHOST", "/"), login)
    with pika.BlockingConnection(place) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for p in payloads:
            channel.basic_publish("", "sensors-demo", p, pika.BasicProperties(delivery_mode=2))


if "FLINK_REST_URL" in os.environ:
    story.end_flink_jobs()
for name in ("sensors-mqtt", "sensors-amqp"):
    call("DELETE", f"/connectors/{name}")
story.remake_topics(story.READINGS, story.DEAD, story.HOURS, story.CLEAN)
keep("sensors-mqtt", "MqttSource", "MQTT", mqtt_topics="demo-mqtt/#")
keep("sensors-amqp", "AmqpSource", "AMQP", queue="sensors-demo", vhost="${env:AMQP_VHOST}")

rng, midnight = random.Random(7), int(time.time()) // 86400 * 86400 - 86400
rows = [generate.reading(rng, s, midnight + i * EVERY, 0.0) for i in range(PER_SENSOR) for s in range(SENSORS)]
payloads = [json.dumps(r) for r in rows]
over_mqtt(payloads[0::2] + BAD[:3])
over_amqp(payloads[1::2] + BAD[3:])
# brokers deliver at least once: after a fault a reading may be there again, byte for byte
said = story.read_topic(story.READINGS, lambda got: len({m.value() for m in got}) >= len(rows))
records = list({m.value(): m for m in said}.values())
letters = {m.value() for m in story.read_topic(story.DEAD, lambda got: len({m.value() for m in got}) >= len(BAD))}
again = len(said) - len(records)
counts = {"published": len(rows), "in_topic": len(records), "again": again, "bad_published": len(BAD), "dead_letters": len(letters)}
story.must(len(records) == len(rows), f"{len(rows)} readings published, {len(records)} in topic {story.READINGS}", **counts)
story.must(len(letters) == len(BAD), f"{len(BAD)} bad records published, {len(letters)} in topic {story.DEAD}", **counts)
latest = requests.get(f"{registry}/subjects/{story.READINGS}-value/versions/latest", timeout=30)
story.must(latest.ok and "temperature_c" in latest.text, f"no schema of {story.READINGS} is registered: {latest.status_code}")
number = int.from_bytes(records[0].value()[1:5], "big")
story.remember(rows=len(rows), dead=len(letters), hours=PER_SENSOR * EVERY // 3600 * SENSORS, schema=number)
story.done(f"{len(rows)} readings in (MQTT {len(payloads[0::2])}, AMQP {len(payloads[1::2])}), {len(records)} in the topic "
           f"{f'({again} of them twice) ' if again else ''}with schema {number}; {len(BAD)} bad ones, {len(letters)} in {story.DEAD}", **counts)  # fmt: skip
