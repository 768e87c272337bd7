"""A user for a consumer, limited to what it asked for.

amqp: `queues`, a comma list: durable queues that it may use, bound to amq.topic by their own names (or by `bind`, a routing key
for all of them), or *: all queues and exchanges; `vhost`: one of its own, in which it may do anything. Queues and exchanges that begin with its name are its own.
mqtt: `topics`, a comma list of MQTT filters (sensors/#) that it may publish to and subscribe; all of them when it names none.
"""

import json
import re
import sys

from rabbit import Broker

ask = json.load(sys.stdin)
broker = Broker(ask)
request = ask["request"]
parameters, kind = request["parameters"], request["capability"]
user, password = request["credentials"]["user"], request["credentials"]["password"]


def names(key):
    return [n.strip() for n in str(parameters.get(key, "")).split(",") if n.strip()]


def amqp():
    queues, vhost = names("queues"), parameters.get("vhost", "/")
    broker.user(user, password)
    if queues == ["*"]:
        queues = []
        broker.allow(user, vhost, ".*", ".*", ".*")
    elif vhost != "/":
        broker.put("vhosts", vhost)
        broker.allow("admin", vhost, ".*", ".*", ".*")
        broker.allow(user, vhost, ".*", ".*", ".*")
    else:
        own = "|".join([re.escape(q) for q in queues] + [re.escape(user) + r"[.-].*"])
        # amq.default is the exchange that has every queue's name as a key: whoever may write there may write to any queue
        broker.allow(user, "/", f"^({own})$", f"^({own}|amq\\.topic)$", f"^({own}|amq\\.topic)$")
    for queue in queues:
        broker.put("queues", vhost, queue, durable=True)
        key = parameters.get("bind", queue)
        broker.call("POST", "bindings", vhost, "e", "amq.topic", "q", queue, routing_key=key)
    return {"vhost": vhost, "queues": ",".join(queues)}, f"{', '.join(queues) or 'the vhost ' + vhost} for {user}"


def pattern(topic):
    """An MQTT filter as a regular expression over routing keys, in which a level ends with a dot."""
    parts = [{"+": "[^.]+", "#": ".*"}.get(p) or re.escape(p) for p in topic.split("/")]
    if parts[-1] == ".*":  # sensors/# is sensors, too
        return "\\.".join(parts[:-1]) + "(\\..*)?" if len(parts) > 1 else ".*"
    return "\\.".join(parts)


def mqtt():
    topics = names("topics") or ["#"]
    may = "^(" + "|".join(pattern(t) for t in topics) + ")$"
    broker.user(user, password)
    broker.allow(user, "/", "^mqtt-subscription-.*$", "^(mqtt-subscription-.*|amq\\.topic)$", "^(mqtt-subscription-.*|amq\\.topic)$")
    broker.allow_topics(user, may, may)
    return {"topics": ",".join(topics)}, f"{', '.join(topics)} for {user}"


values, message = {"amqp": amqp, "mqtt": mqtt}[kind]()
json.dump({"message": message, "values": values}, sys.stdout)
