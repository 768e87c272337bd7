"""What the hooks share: the broker's own list of users and roles, changed over its control topic."""

import json
import queue
import uuid

import paho.mqtt.client as mqtt

CONTROL = "$CONTROL/dynamic-security/v1"


def connect(host, port, user, password, **callbacks):
    """A client that is connected and loops in the background; a refusal is an error."""
    answers = queue.Queue()
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="hook-" + uuid.uuid4().hex[:12])
    if user:
        client.username_pw_set(user, password)
    client.on_connect = lambda c, u, flags, reason, p: answers.put(reason)
    for name, function in callbacks.items():
        setattr(client, name, function)
    client.connect(host, int(port), 20)
    client.loop_start()
    reason = answers.get(timeout=20)
    if reason.is_failure:
        close(client)
        raise PermissionError(str(reason))
    return client


def close(client):
    client.disconnect()
    client.loop_stop()


class Users:
    def __init__(self, ask):
        server, self.answers = ask["services"]["server"], queue.Queue()
        granted = queue.Queue()
        self.client = connect(
            server["host"],
            server["ports"]["mqtt"],
            "admin",
            ask["secrets"]["admin"],
            on_message=lambda c, u, m: self.answers.put(json.loads(m.payload)),
            on_subscribe=lambda *_: granted.put(True),
        )
        self.client.subscribe(CONTROL + "/response", qos=1)
        granted.get(timeout=20)

    def call(self, command, **arguments):
        self.client.publish(CONTROL, json.dumps({"commands": [{"command": command, **arguments}]}), qos=1)
        answer = self.answers.get(timeout=20)["responses"][0]
        if "error" in answer:
            raise ValueError(f"{command}: {answer['error']}")
        return answer.get("data", {})

    def make(self, user, password, topics):
        """A user whose role of the same name allows these topics; what was there is brought into step."""
        acls = [
            {"acltype": kind, "topic": topic, "allow": True, "priority": 0}
            for topic in topics
            for kind in ("publishClientSend", "publishClientReceive", "subscribePattern")
        ]
        if user in self.call("listRoles", count=-1)["roles"]:
            self.call("modifyRole", rolename=user, acls=acls)
        else:
            self.call("createRole", rolename=user, acls=acls)
        roles = [{"rolename": user, "priority": 0}]
        if user in self.call("listClients", count=-1)["clients"]:
            self.call("modifyClient", username=user, password=password, roles=roles)
        else:
            self.call("createClient", username=user, password=password, roles=roles)
