"""Proves that an alert is taken, shown, silenced and ended."""

import datetime
import json
import time
import urllib.parse
import urllib.request
import uuid

import mill_hook

ask = mill_hook.ask()
url = ask["provides"]["alertmanager"]["url"] + "/api/v2"
name = "Smoke" + uuid.uuid4().hex[:12]
check = mill_hook.Checks()


def call(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        text = answer.read()
        return json.loads(text) if text else None


def at(seconds):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)).isoformat()


def wait(state):
    """The alert once its state is as told (None: gone), or what it was at last."""
    until = time.monotonic() + 20
    while True:
        found = call("GET", "/alerts?filter=" + urllib.parse.quote(f'alertname="{name}"'))
        now = found[0]["status"]["state"] if found else None
        if now == state or state == "any" and now or time.monotonic() > until:
            return now, found
        time.sleep(0.2)


labels = {"alertname": name, "severity": "info", "component": "alertmanager"}
silence = None
try:
    call("POST", "/alerts", [{"labels": labels, "endsAt": at(300)}])
    now, found = wait("any")
    check("an alert is taken", now, now)
    check("with its labels", found and found[0]["labels"] == labels)
    silence = call(
        "POST",
        "/silences",
        {
            "matchers": [{"name": "alertname", "value": name, "isRegex": False, "isEqual": True}],
            "startsAt": at(0),
            "endsAt": at(300),
            "createdBy": "smoke",
            "comment": "smoke",
        },
    )["silenceID"]
    now, _ = wait("suppressed")
    check("a silence holds", now == "suppressed", now)
finally:
    if silence:
        call("DELETE", f"/silence/{silence}")
    call("POST", "/alerts", [{"labels": labels, "endsAt": at(-1)}])
now, _ = wait(None)
check("it ends", now is None, now)

check.end()
