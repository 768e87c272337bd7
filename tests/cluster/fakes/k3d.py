"""k3d 5.8: https://k3d.io/stable/usage/commands/"""

from pathlib import Path

import fake


def version(call):
    return "k3d version v5.8.3\nk3s version v1.31.5-k3s1 (default)\n"


def found(call):
    if call.args[0] not in call.mine:  # pkg/client/cluster.go: ClusterGetNoNodesFoundError
        raise fake.Fail("FATA[0000] No nodes found for given cluster")
    return call.mine[call.args[0]]


def cluster_create(call):
    name = call.args[0]
    if name in call.mine:
        raise fake.Fail(f"FATA[0000] Failed to create cluster '{name}' because a cluster with that name already exists")
    registries = Path(call.flag("--registry-config")).read_text() if "--registry-config" in call.flags else ""
    call.mine[name] = {"running": 1, "registries": registries}
    if call.flag("--kubeconfig-update-default", "true") == "true":
        fake.write_kubeconfig(fake.default_kubeconfig(), f"k3d-{name}", f"127.0.0.1/k3d/{name}")
    print(f"INFO[0018] Cluster '{name}' created successfully!")


def cluster_list(call):
    assert call.flag("--output", call.flag("-o")) == "json"
    return [{"name": call.args[0], "serversCount": 1, "serversRunning": found(call)["running"], "agentsCount": 0, "agentsRunning": 0}]


def cluster_start(call):
    found(call)["running"] = 1


def cluster_stop(call):
    found(call)["running"] = 0


def cluster_delete(call):
    call.mine.pop(call.args[0], None)


def kubeconfig_get(call):
    found(call)
    return fake.kubeconfig(f"k3d-{call.args[0]}", f"127.0.0.1/k3d/{call.args[0]}")
