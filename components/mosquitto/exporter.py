"""Serves what the broker publishes about itself ($SYS) as Prometheus' metrics."""

import http.server
import os
import re
import sys

import paho.mqtt.client as mqtt

values = {}
COUNTERS = ("bytes_received", "bytes_sent", "messages_received", "messages_sent", "publish_messages_dropped")


def number(text):
    found = re.match(r"-?\d+(\.\d+)?", text)
    return found and float(found[0])


def heard(client, _, message):
    name = message.topic.removeprefix("$SYS/broker/")
    value = number(message.payload.decode(errors="replace"))
    if value is not None and not name.startswith("load/") and name != "version":
        values[re.sub(r"\W+", "_", name)] = value


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        lines = [f"mosquitto_connected {int(client.is_connected())}"]
        for name, value in sorted(values.items()):
            kind = "counter" if name in COUNTERS else "gauge"
            full = f"mosquitto_{name}" + ("_total" if kind == "counter" else "")
            lines += [f"# TYPE {full} {kind}", f"{full} {value:.15g}"]
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(("\n".join(lines) + "\n").encode())

    def log_message(self, *_):
        pass


client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="monitor")
client.username_pw_set("monitor", os.environ["MQTT_PASSWORD"])
client.on_message = heard
client.on_connect = lambda c, *_: c.subscribe("$SYS/#")
client.reconnect_delay_set(1, 10)
client.connect_async(os.environ["MQTT_HOST"], int(os.environ["MQTT_PORT"]), 30)
client.loop_start()
http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Page).serve_forever()
