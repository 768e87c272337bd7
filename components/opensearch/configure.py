"""People's own user, and how log indices are laid out."""

import json
import sys

import admin

ask = json.load(sys.stdin)
admin.user(ask, ask["settings"]["user"], ask["secrets"]["password"], "people")
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
code, answer = admin.call(
    ask["provides"]["search"]["url"], "admin", ask["secrets"]["admin"], "PUT", "/_index_template/logs", template
)
if code != 200:
    sys.exit(f"index template: {code} {answer}")
json.dump({"message": f"user {ask['settings']['user']}, layout of logs-*"}, sys.stdout)
