"""What the search engines share: requests to the server, the layout of log indices, the smoke test."""

import json
import urllib.error
import urllib.request
import uuid
from base64 import b64encode

# of logs-*
LAYOUT = {
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



def call(url, user, password, method, path, body=None, timeout=30):
    """(status, parsed answer); errors of the server are answers, too."""
    headers = {"Authorization": "Basic " + b64encode(f"{user}:{password}".encode()).decode(), "Content-Type": "application/json"}
    data = json.dumps(body).encode() if body is not None else None
    try:
        with urllib.request.urlopen(urllib.request.Request(url + path, data, headers, method=method), timeout=timeout) as answer:
            text = answer.read()
            return answer.status, json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        text = error.read().decode(errors="replace")
        return error.code, text


def prove(ask, check, administers):
    """Documents are found and summed up, strangers are refused, and people do not administer: `administers` is a path for that."""
    search = ask["provides"]["search"]
    url, user, password = search["url"], search["user"], search["password"]
    index = "/smoke-" + uuid.uuid4().hex[:12]

    def people(method, path, body=None):
        return call(url, user, password, method, path, body)

    try:
        for i, text in enumerate(("the mill grinds barley", "the miller sleeps", "wheat and barley")):
            code, _ = people("PUT", f"{index}/_doc/{i}?refresh=true", {"text": text, "number": i})
            check(f"document {i}", code == 201, code)
        code, answer = people("POST", index + "/_search", {"query": {"match": {"text": "barley"}}})
        found = sorted(h["_id"] for h in answer["hits"]["hits"]) if code == 200 else code
        check("search", found == ["0", "2"], found)
        code, answer = people("POST", index + "/_search", {"size": 0, "aggs": {"sum": {"sum": {"field": "number"}}}})
        check("aggregation", code == 200 and answer["aggregations"]["sum"]["value"] == 3)
    finally:
        people("DELETE", index)
    code, _ = people("GET", administers)
    check("people do not administer", code == 403, code)
    for who, secret in (("admin", "admin"), (user, "wrong"), ("", "")):
        code, _ = call(url, who, secret, "GET", "/_search")
        check(f"{who or 'nobody'} with a wrong password is refused", code == 401, code)
