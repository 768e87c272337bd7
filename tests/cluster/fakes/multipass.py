"""multipass 1.16: https://canonical.com/multipass/docs"""

import fake
import microk8s


def version(call):
    return "multipass   1.16.1\nmultipassd  1.16.1\n"


def found(call):
    if call.args[0] not in call.mine:  # src/daemon/daemon.cpp
        raise fake.Fail(f'{call.command} failed: instance "{call.args[0]}" does not exist', 2)
    return call.mine[call.args[0]]


def launch(call):
    name = call.flag("--name")
    if name in call.mine:
        raise fake.Fail(f'launch failed: instance "{name}" already exists', 2)
    call.mine[name] = {"state": "Running", "image": call.args[0], "memory": call.flag("--memory"), "cpus": call.flag("--cpus"), "disk": call.flag("--disk")}
    return f"Launched: {name}\n"


def info(call):
    found(call)
    return {"errors": [], "info": {call.args[0]: {"state": found(call)["state"], "ipv4": ["10.1.2.3"]}}}


def start(call):
    found(call)["state"] = "Running"


def stop(call):
    found(call)["state"] = "Stopped"


def delete(call):
    found(call)
    if call.on("--purge"):
        del call.mine[call.args[0]]
    else:
        call.mine[call.args[0]]["state"] = "Deleted"


def exec(call):  # the command's name
    m = found(call)
    assert call.after[0] == "sudo", call.after
    inner = call.after[1:]
    if inner[0] == "snap":
        assert inner[1:4] == ["install", "microk8s", "--classic"], inner
        m["microk8s"] = {"running": True, "enabled": []}
        return "microk8s installed\n"
    if "microk8s" not in m:
        raise fake.Fail("sudo: microk8s: command not found")
    within = fake.Call("microk8s", call.folder, inner[1:])  # its options are documented ones, too
    if within.command == "config":
        return fake.kubeconfig("microk8s", f"10.1.2.3/multipass/{call.args[0]}")
    within.mine = {"here": m["microk8s"]}
    return getattr(microk8s, within.command)(within)
