"""kind 0.31: https://kind.sigs.k8s.io/docs/user/quick-start/, its sources for options and messages"""

from pathlib import Path

import fake


def name(call):
    return call.flag("--name", "kind")


def version(call):
    return "kind v0.31.0 go1.25.5 linux/amd64\n"


def create_cluster(call):
    if name(call) in call.mine:  # pkg/cluster/internal/create/create.go
        raise fake.Fail(f'ERROR: failed to create cluster: node(s) already exist for a cluster with the name "{name(call)}"')
    text = Path(call.flag("--config")).read_text() if "--config" in call.flags else ""
    call.mine[name(call)] = {"containers": "running", "config": text}
    fake.write_kubeconfig(call.flag("--kubeconfig", fake.default_kubeconfig()), f"kind-{name(call)}", f"127.0.0.1/kind/{name(call)}")
    print(f'Creating cluster "{name(call)}" ...')


def delete_cluster(call):
    call.mine.pop(name(call), None)
    return f'Deleting cluster "{name(call)}" ...\n'


def get_clusters(call):
    return "".join(f"{c}\n" for c in sorted(call.mine))


def get_nodes(call):
    return f"{name(call)}-control-plane\n" if name(call) in call.mine else ""


def get_kubeconfig(call):
    if name(call) not in call.mine:
        raise fake.Fail(f"ERROR: could not locate any control plane nodes for cluster named '{name(call)}'. Use the --name option to select a different cluster")
    return fake.kubeconfig(f"kind-{name(call)}", f"127.0.0.1/kind/{name(call)}")
