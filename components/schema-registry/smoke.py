"""Proves that schemas are kept, numbered, found again, and that one which breaks its readers is refused."""

import json
import uuid

import requests

import mill_hook

ask = mill_hook.ask()
url = ask["provides"]["schema-registry"]["url"]
subject = "smoke-" + uuid.uuid4().hex[:12] + "-value"
check = mill_hook.Checks()


def avro(*fields):
    return json.dumps({"type": "record", "name": "Reading", "namespace": "smoke", "fields": list(fields)})


def register(schema, kind="AVRO"):
    body = {"schema": schema, "schemaType": kind}
    return requests.post(f"{url}/subjects/{subject}/versions", json=body, timeout=30)


station = {"name": "station", "type": "string"}
value = {"name": "value", "type": "double", "default": 0.0}
try:
    requests.put(f"{url}/config/{subject}", json={"compatibility": "BACKWARD"}, timeout=30)
    first = register(avro(station)).json()["id"]
    kept = json.loads(requests.get(f"{url}/schemas/ids/{first}", timeout=30).json()["schema"])
    check("kept and found by its number", kept["fields"][0] == station, f"id {first}")
    check("the same again has the same number", register(avro(station)).json()["id"] == first)
    requests.put(f"{url}/config/{subject}", json={"compatibility": "BACKWARD"}, timeout=30).raise_for_status()
    second = register(avro(station, value))
    check("a new version", second.ok and second.json()["id"] != first)
    bad = register(avro(station, {"name": "place", "type": "string"}))
    check("what breaks its readers is refused", bad.status_code in (409, 422), f"HTTP {bad.status_code}")
    versions = requests.get(f"{url}/subjects/{subject}/versions", timeout=30).json()
    check("versions", versions == [1, 2], versions)
finally:
    requests.delete(f"{url}/subjects/{subject}", timeout=30)
    requests.delete(f"{url}/subjects/{subject}", params={"permanent": "true"}, timeout=30)
check("the page is served", "<html" in requests.get(url.replace("/apis/ccompat/v7", "/ui/"), timeout=30).text.lower())

check.end()
