"""Proves that messages reach who listens and who comes back later, that strangers are refused, and that users are kept apart."""

import queue
import urllib.request
import uuid

import broker
import mill_hook

COUNT = 500
ask = mill_hook.ask()
mine = ask["provides"]["mqtt"]
place, name = (mine["host"], mine["port"]), "smoke-" + uuid.uuid4().hex[:12]
check = mill_hook.Checks()


heard, granted = queue.Queue(), queue.Queue()
listener = broker.connect(
    *place,
    mine["user"],
    mine["password"],
    on_message=lambda c, u, m: heard.put((m.topic, m.payload.decode(), m.retain)),
    on_subscribe=lambda c, u, mid, codes, p: granted.put(codes[0]),
)
listener.subscribe(f"{name}/#", qos=1)
granted.get(timeout=10)
sensor = broker.connect(*place, mine["user"], mine["password"])
for i in range(COUNT):
    sensor.publish(f"{name}/hall", str(i), qos=1)
got = [heard.get(timeout=10)[1] for _ in range(COUNT)]
check("delivered in order", got == [str(i) for i in range(COUNT)], f"{len(got)} messages")

sensor.publish(f"{name}/last", "21.5", qos=1, retain=True).wait_for_publish(10)
heard.get(timeout=10)
late = broker.connect(*place, mine["user"], mine["password"], on_message=lambda c, u, m: heard.put((m.topic, m.payload.decode(), m.retain)))
late.subscribe(f"{name}/last", qos=1)
check("kept for who comes later", heard.get(timeout=10) == (f"{name}/last", "21.5", True))
sensor.publish(f"{name}/last", "", qos=1, retain=True).wait_for_publish(10)

users, password = broker.Users(ask), uuid.uuid4().hex
users.make(name, password, [f"{name}/own/#"])
try:
    limited = broker.connect(*place, name, password, on_subscribe=lambda c, u, mid, codes, p: granted.put(codes[0]))
    answers = []
    for topic in (f"{name}/own/#", "#"):
        limited.subscribe(topic, qos=1)
        answers.append(granted.get(timeout=10).is_failure)
    check("a user has its own topics only", answers == [False, True], answers)
    broker.close(limited)
finally:
    users.call("deleteClient", username=name)
    users.call("deleteRole", rolename=name)
for user, secret in ((None, None), ("admin", "admin"), (mine["user"], "wrong"), (name, password)):
    try:
        broker.close(broker.connect(*place, user, secret))
        check(f"{user or 'who says no name'} is refused", False)
    except PermissionError as error:
        check(f"{user or 'who says no name'} is refused", True, error)
for client in (listener, sensor, late, users.client):
    broker.close(client)
exporter = ask["services"]["exporter"]
with urllib.request.urlopen(f"http://{exporter['host']}:{exporter['ports']['http']}/metrics", timeout=10) as page:
    text = page.read().decode()
check("metrics", "mosquitto_connected 1" in text and "mosquitto_messages_received_total" in text)

check.end()
