"""The administrator's requests, shared by the hooks."""

import json
import random
import time
import urllib.error
import urllib.request
from base64 import b64encode


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


def security(ask, kind, name, body):
    """Puts an object of the security plugin.  Just after its first start the plugin is not initialised yet; 409: another hook was quicker."""
    url = ask["provides"]["search"]["url"]
    until = time.monotonic() + 45
    while True:
        code, answer = call(url, "admin", ask["secrets"]["admin"], "PUT", f"/_plugins/_security/api/{kind}/{name}", body)
        if code in (200, 201):
            return
        if code not in (401, 409, 503, 500) or time.monotonic() > until:
            raise SystemExit(f"{kind} {name}: {code} {answer}")
        time.sleep(random.uniform(0.5, 1.5))


def user(ask, name, password, role):
    security(ask, "internalusers", name, {"password": password})
    security(ask, "rolesmapping", role, {"users": [name]})
