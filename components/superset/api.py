"""Superset's REST API with a login."""

import json

import requests


class Superset:
    def __init__(self, url, user, password):
        self.url, self.session = url, requests.Session()
        answer = self.session.post(
            url + "/api/v1/security/login", json={"username": user, "password": password, "provider": "db", "refresh": True}, timeout=60
        )
        answer.raise_for_status()
        self.session.headers.update({"Authorization": "Bearer " + answer.json()["access_token"], "Referer": url})
        self.session.headers["X-CSRFToken"] = self("GET", "/security/csrf_token/")["result"]

    def __call__(self, method, path, body=None):
        answer = self.session.request(method, self.url + "/api/v1" + path, json=body, timeout=120)
        if answer.status_code >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text[:400]}")
        return answer.json()

    def find(self, kind, column, value):
        """The id of an object, or None."""
        query = json.dumps({"filters": [{"col": column, "opr": "eq", "value": value}]})
        answer = self.session.get(f"{self.url}/api/v1/{kind}/", params={"q": query}, timeout=60)
        answer.raise_for_status()
        found = answer.json()["result"]
        return found[0]["id"] if found else None

    def ensure(self, kind, column, body):
        """Makes an object or brings it into step; its id."""
        known = self.find(kind, column, body[column])
        if known:
            self("PUT", f"/{kind}/{known}", {k: v for k, v in body.items() if k not in ("database", "schema", "table_name")} or {"owners": []})
            return known
        return self("POST", f"/{kind}/", body)["id"]
