"""microk8s 1.34: https://canonical.com/microk8s/docs/command-reference; on this machine, or (multipass.py) in another"""

import fake


def machine(call):
    return call.mine.setdefault("here", {"running": True, "enabled": []})


def version(call):
    return "MicroK8s v1.34.1 revision 8470\n"


def answer(m):
    if not m["running"]:  # scripts/wrappers/common/utils.py: exit_if_stopped
        return "microk8s is not running, try microk8s start\n"
    return "microk8s:\n  running: True\nhigh-availability:\n  enabled: False\naddons:\n"


def status(call):
    return answer(machine(call))


def enable(call):
    assert len(call.args) == 1, "one add-on a command"
    if call.args[0] == "istio" and "community" not in machine(call)["enabled"]:
        raise fake.Fail("Addon istio was not found in any repository")
    machine(call)["enabled"].append(call.args[0])


def start(call):
    machine(call)["running"] = True


def stop(call):
    machine(call)["running"] = False


def config(call):
    return fake.kubeconfig("microk8s", "127.0.0.1/microk8s/here")
