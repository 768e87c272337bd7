"""Proves that messages come out as they went in, over AMQP and from MQTT to both, and that strangers are refused."""

import queue
import uuid

import paho.mqtt.client as mqtt
import pika
import requests

import mill_hook
from rabbit import Broker

COUNT = 1000
ask = mill_hook.ask()
amqp, devices = ask["provides"]["amqp"], ask["provides"]["mqtt"]
name = "smoke-" + uuid.uuid4().hex[:12]
check = mill_hook.Checks()


def connect(user, password):
    login = pika.PlainCredentials(user, password)
    place = pika.ConnectionParameters(amqp["host"], int(amqp["port"]), amqp["vhost"], login, connection_attempts=1)
    return pika.BlockingConnection(place)


def device(user, password, **callbacks):
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=f"{name}-{uuid.uuid4().hex[:6]}")
    if user:
        client.username_pw_set(user, password)
    for key, function in callbacks.items():
        setattr(client, key, function)
    client.connect(devices["host"], int(devices["port"]), 10)
    client.loop_start()
    return client


connection = connect(amqp["user"], amqp["password"])
channel = connection.channel()
channel.confirm_delivery()
channel.queue_declare(name, durable=True)
try:
    for i in range(COUNT):
        channel.basic_publish("", name, f"message {i}", pika.BasicProperties(delivery_mode=2), mandatory=True)
    got = []
    for method, _, body in channel.consume(name, inactivity_timeout=10):
        if method is None:
            break
        got.append(body.decode())
        channel.basic_ack(method.delivery_tag)
        if len(got) == COUNT:
            break
    channel.cancel()
    check("AMQP in order", got == [f"message {i}" for i in range(COUNT)], f"{len(got)} messages, each confirmed")

    channel.queue_bind(name, "amq.topic", f"{name}.#")
    heard, granted = queue.Queue(), queue.Queue()
    listener = device(
        devices["user"],
        devices["password"],
        on_connect=lambda client, *_: client.subscribe(f"{name}/#", qos=1),
        on_subscribe=lambda *_: granted.put(True),
        on_message=lambda client, _, message: heard.put((message.topic, message.payload)),
    )
    granted.get(timeout=10)
    sensor = device(devices["user"], devices["password"])
    sensor.publish(f"{name}/hall/1", b"21.5", qos=1).wait_for_publish(10)
    check("MQTT to MQTT", heard.get(timeout=10) == (f"{name}/hall/1", b"21.5"))
    method, _, body = next(channel.consume(name, inactivity_timeout=10))
    check("MQTT to AMQP", method and (method.routing_key, body) == (f"{name}.hall.1", b"21.5"), method and method.routing_key)
    channel.basic_ack(method.delivery_tag)
    for client in (listener, sensor):
        client.disconnect()
        client.loop_stop()
finally:
    channel.queue_delete(name)
    connection.close()

for user, password in (("guest", "guest"), ("admin", "admin"), (amqp["user"], "wrong")):
    try:
        connect(user, password).close()
        refused = False
    except pika.exceptions.AMQPConnectionError:
        refused = True
    check(f"AMQP refuses {user}", refused)
    try:
        Broker(ask, user, password).call("GET", "whoami")
        check(f"management refuses {user}", False)
    except requests.HTTPError as error:
        check(f"management refuses {user}", error.response.status_code == 401)
for user, password in ((None, None), ("guest", "guest")):
    answers = queue.Queue()
    stranger = device(user, password, on_connect=lambda c, u, f, reason, p: answers.put(reason))
    reason = answers.get(timeout=10)
    check(f"MQTT refuses {user or 'who says no name'}", reason.is_failure, reason)
    stranger.disconnect()
    stranger.loop_stop()

check.end()
