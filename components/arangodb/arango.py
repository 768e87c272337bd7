"""The HTTP API, shared by the hooks."""

import requests


def call(url, user, password, method, path, body=None):
    answer = requests.request(method, url + path, json=body, auth=(user, password) if user else None, timeout=30)
    return answer.status_code, answer.json() if answer.content else None


def owner(ask, user, password, database):
    """A database and a user who may use only it; 409: it is there."""
    url, root = ask["provides"]["arangodb"]["url"], ask["secrets"]["root"]

    def need(method, path, body, *good):
        code, answer = call(url, "root", root, method, path, body)
        if code not in good:
            raise SystemExit(f"{method} {path}: {code} {answer}")
        return code

    if need("POST", "/_api/user", {"user": user, "passwd": password}, 201, 409) == 409:
        need("PATCH", f"/_api/user/{user}", {"passwd": password}, 200)
    need("POST", "/_api/database", {"name": database}, 201, 409)
    need("PUT", f"/_api/user/{user}/database/{database}", {"grant": "rw"}, 200)
