"""How log indices are laid out."""

import json
import sys
import time

import admin

ask = json.load(sys.stdin)
template = {
    "index_patterns": ["logs-*"],
    "template": {
        "settings": {"number_of_shards": 1, "number_of_replicas": 0, "refresh_interval": "2s"},
        "mappings": {
            "properties": {
                "@timestamp": {"type": "date"},
                "component": {"type": "keyword"},
                "service": {"type": "keyword"},
                "stream": {"type": "keyword"},
                "message": {"type": "text"},
            }
        },
    },
}
until = time.monotonic() + 45
while True:
    code, answer = admin.call(
        ask["provides"]["search"]["url"], "admin", ask["secrets"]["admin"], "PUT", "/_index_template/logs", template
    )
    if code == 200:
        break
    if code not in (401, 503) or time.monotonic() > until:
        sys.exit(f"index template: {code} {answer}")
    time.sleep(1)
json.dump({"message": "layout of logs-*"}, sys.stdout)
