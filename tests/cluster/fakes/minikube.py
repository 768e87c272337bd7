"""minikube 1.38: https://minikube.sigs.k8s.io/docs/commands/"""

import fake


def name(call):
    return call.flag("--profile", "minikube")


def version(call):
    return "minikube version: v1.38.1\ncommit: c93a4cb9311efc66b90d33ea03f75f2c4120e9b0\n"


def found(call):
    if name(call) not in call.mine:  # pkg/minikube/mustload: ExGuestNotFound
        print(f'* Profile "{name(call)}" not found. Run "minikube profile list" to view all profiles.\n  To start a cluster, run: "minikube start -p {name(call)}"')
        raise fake.Fail("", 85)
    return call.mine[name(call)]


def start(call):
    cluster = call.mine.setdefault(name(call), {})
    if "--driver" in call.flags and cluster.get("driver", call.flag("--driver")) != call.flag("--driver"):
        raise fake.Fail("X Exiting due to GUEST_DRVS_MISMATCH: The existing \"x\" cluster was created using another driver", 70)
    cluster.update(host="Running", api="Running", driver=call.flag("--driver", cluster.get("driver", "docker")))
    fake.write_kubeconfig(fake.default_kubeconfig(), name(call), f"127.0.0.1/minikube/{name(call)}")
    return f'* Done! kubectl is now configured to use "{name(call)}" cluster and "default" namespace by default\n'


def status(call):
    cluster = found(call)
    answer = {"Name": name(call), "Host": cluster["host"], "Kubelet": cluster["api"], "APIServer": cluster["api"], "Kubeconfig": "Configured", "Worker": False}
    import json

    print(json.dumps(answer))
    if (cluster["host"], cluster["api"]) != ("Running", "Running"):
        raise fake.Fail("", 7 if cluster["host"] != "Running" else 6)


def stop(call):
    found(call).update(host="Stopped", api="Stopped")
    return f'* Stopping node "{name(call)}"  ...\n* 1 node stopped.\n'


def delete(call):
    if call.mine.pop(name(call), None) is None:
        return f'* "{name(call)}" profile does not exist, trying anyways.\n'
    return f'* Removed all traces of the "{name(call)}" cluster.\n'


def update_context(call):
    found(call)
    fake.write_kubeconfig(fake.default_kubeconfig(), name(call), f"127.0.0.1/minikube/{name(call)}")
    return f'* "{name(call)}" context has been updated to point to 127.0.0.1:32771\n'


def addons_enable(call):
    found(call).setdefault("addons", []).append(call.args[0])
    return f"* The '{call.args[0]}' addon is enabled\n"
