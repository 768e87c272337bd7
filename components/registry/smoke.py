"""Proves that the registry takes an image and gives it back, and that its blobs are named by their content."""

import hashlib
import json
import uuid

import requests

import mill_hook

ask = mill_hook.ask()
port = ask["services"]["server"]["ports"]["api"]
host = ask["services"]["server"].get("host") or "127.0.0.1"
base = f"http://{host}:{port}"
name = "smoke/" + uuid.uuid4().hex[:12]
check = mill_hook.Checks()
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def push(data):
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    began = requests.post(f"{base}/v2/{name}/blobs/uploads/", timeout=20)
    began.raise_for_status()
    where = began.headers["Location"]
    where = where if where.startswith("http") else base + where
    sent = requests.put(where, params={"digest": digest}, data=data, headers={"Content-Type": "application/octet-stream"}, timeout=20)
    return digest, sent.status_code


config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}).encode()
layer = uuid.uuid4().bytes * 65536
config_digest, config_status = push(config)
layer_digest, layer_status = push(layer)
check("push blobs", (config_status, layer_status) == (201, 201), f"{len(layer)} bytes")

wrong = requests.put(
    (lambda w: w if w.startswith("http") else base + w)(requests.post(f"{base}/v2/{name}/blobs/uploads/", timeout=20).headers["Location"]),
    params={"digest": "sha256:" + "0" * 64}, data=b"not that", timeout=20)
check("a blob that is not what it is called is refused", wrong.status_code == 400, wrong.status_code)

manifest = json.dumps({
    "schemaVersion": 2, "mediaType": MANIFEST,
    "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config_digest, "size": len(config)},
    "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer_digest, "size": len(layer)}],
}).encode()
put = requests.put(f"{base}/v2/{name}/manifests/one", data=manifest, headers={"Content-Type": MANIFEST}, timeout=20)
check("push a manifest", put.status_code == 201, put.status_code)
got = requests.get(f"{base}/v2/{name}/manifests/one", headers={"Accept": MANIFEST}, timeout=20)
check("pull the manifest", got.content == manifest, got.headers.get("Docker-Content-Digest"))
check("pull the layer", requests.get(f"{base}/v2/{name}/blobs/{layer_digest}", timeout=20).content == layer)
gone = requests.delete(f"{base}/v2/{name}/manifests/{got.headers['Docker-Content-Digest']}", timeout=20)
check("delete it", gone.status_code == 202, gone.status_code)
check("it is gone", requests.get(f"{base}/v2/{name}/manifests/one", headers={"Accept": MANIFEST}, timeout=20).status_code == 404)

check.end()
