"""What rsyslog counts (impstats, a JSON object a line), for Prometheus.  GET /say/HEX logs that word, for the smoke test."""

import http.server
import json
import os
import re

FILE = os.environ["EXPORTER_FILE"]
NAMES = {"submitted", "processed", "failed", "suspended", "enqueued", "discarded.full", "full", "size", "failed.http", "failed.es", "response.success"}


def last_counts():
    """The newest line of each object in the last 64 KiB."""
    newest = {}
    try:
        with open(FILE, "rb") as file:
            file.seek(max(os.path.getsize(FILE) - 65536, 0))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return newest
    for line in lines:
        try:
            counts = json.loads(line[line.index("{") :])
            newest[counts["name"], counts["origin"]] = counts
        except (ValueError, KeyError):
            continue
    return newest


def metrics():
    out = []
    for (name, origin), counts in sorted(last_counts().items()):
        for key, value in sorted(counts.items()):
            if key in NAMES and isinstance(value, (int, float)):
                label = re.sub(r'["\\\n]', "_", name)
                out.append(f'rsyslog_{key.replace(".", "_")}{{name="{label}",origin="{origin}"}} {value}')
    try:
        rejected = os.path.getsize(os.path.join(os.path.dirname(FILE), "rejected.json"))
    except OSError:
        rejected = 0
    return "\n".join([*out, f"rsyslog_rejected_bytes {rejected}", ""])


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        said = re.fullmatch(r"/say/([0-9a-f]{8,32})", self.path)
        if said:
            print(f"said {said[1]}", flush=True)
        body = (metrics() if self.path == "/metrics" else "ok\n").encode()
        self.send_response(200 if said or self.path == "/metrics" else 404)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


# the file only grows: begin anew with us
if os.path.exists(FILE) and os.path.getsize(FILE) > 16 << 20:
    os.truncate(FILE, 0)
http.server.ThreadingHTTPServer((os.environ["EXPORTER_ADDRESS"], int(os.environ["EXPORTER_PORT"])), Handler).serve_forever()
