"""A service writes a line; ten seconds later at most the search engine finds it."""

import json
import time
import urllib.error
import urllib.request
import uuid
from base64 import b64encode

import mill_hook

ask = mill_hook.ask()
search, exporter = ask["requires"]["search"], ask["services"]["exporter"]
word = uuid.uuid4().hex


def get(url, **headers):
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
        return answer.read()


login = {"Authorization": "Basic " + b64encode(f"{search['user']}:{search['password']}".encode()).decode()}
began = time.monotonic()
get(f"http://{exporter['host']}:{exporter['ports']['http']}/say/{word}")
hits = []
while not hits and time.monotonic() < began + 30:
    time.sleep(0.3)
    try:
        answer = json.loads(get(f"{search['url']}/logs-*/_search?q=message:{word}", **login))
    except urllib.error.HTTPError as error:
        if error.code != 503:  # the day's index is just being made
            raise
        continue
    hits = [h["_source"] for h in answer["hits"]["hits"]]
took = time.monotonic() - began
counted, until = "", time.monotonic() + 30  # rsyslog tells its figures now and then
while 'rsyslog_submitted{name="' not in counted and time.monotonic() < until:
    time.sleep(0.2 if counted else 0)
    counted = get(f"http://{exporter['host']}:{exporter['ports']['http']}/metrics").decode()
check = mill_hook.Checks()
check("found within 10 s", hits and took <= 10, f"{took:.1f} s")
check("its fields", hits and (hits[0]["component"], hits[0]["service"], hits[0]["stream"]) == ("rsyslog", "exporter", "o"))
check("once", len(hits) == 1, len(hits))
check("counted", 'rsyslog_submitted{name="' in counted)
check.end(f"a line is found after {took:.1f} s")
