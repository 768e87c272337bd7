"""Requests to the server, shared by the hooks, the keeper and the smoke test."""

import json
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
