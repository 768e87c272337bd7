"""kubectl 1.35, as far as we ask it: does the API server of a fake's kubeconfig answer?"""

import re
from pathlib import Path

import fake


def version(call):
    return "Client Version: v1.35.4\nKustomize Version: v5.7.1\n"


def runs(call, tool, name):
    c = call.state.get(tool, {}).get(name)
    if c is None:
        return False
    return {
        "minikube": lambda: c["api"] == "Running",
        "kind": lambda: c["containers"] == "running",
        "k3d": lambda: c["running"] > 0,
        "microk8s": lambda: c["running"],
        "multipass": lambda: c["state"] == "Running" and c.get("microk8s", {}).get("running", False),
        "kops": lambda: c["made"],
        "gcloud": lambda: c["status"] == "RUNNING",
    }[tool]()


def get(call):
    text = Path(call.flag("--kubeconfig")).read_text()
    assert f"current-context: {call.flag('--context')}\n" in text, (call.flag("--context"), text)
    server, tool, name = re.search(r"server: 'https://(.*?)/(.*?)/(.*?)'", text).groups()
    if not runs(call, tool, name):
        raise fake.Fail(f"The connection to the server {server}:6443 was refused - did you specify the right host or port?")
    return {"gitVersion": "v1.34.1", "platform": "linux/amd64"} if call.flag("--raw") == "/version" else "ok"
