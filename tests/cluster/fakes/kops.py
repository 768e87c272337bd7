"""kops 1.34: https://kops.sigs.k8s.io/cli/kops/"""

import fake


def version(call):
    return "Client version: 1.34.0 (git-v1.34.0)\n"


def key(call):
    bucket = call.flag("--state").removeprefix("s3://")
    if bucket not in call.state.get("aws", {}):
        raise fake.Fail(f'Error: error reading s3 bucket "{bucket}": NoSuchBucket: The specified bucket does not exist')
    return call.flag("--name")


def found(call):
    if key(call) not in call.mine:  # cmd/kops/get_cluster.go
        raise fake.Fail(f'Error: cluster not found "{call.flag("--name")}"')
    return call.mine[call.flag("--name")]


def create_cluster(call):
    if key(call) in call.mine:  # cmd/kops/create_cluster.go
        raise fake.Fail(f'Error: cluster "{key(call)}" already exists; use \'kops update cluster\' to apply changes')
    zones = call.flag("--zones").split(",")
    nodes = int(call.flag("--node-count", len(zones)))
    groups = {f"control-plane-{call.flag('--control-plane-zones')}": {"role": "ControlPlane", "minSize": 1, "maxSize": 1}}
    for i, z in enumerate(zones):
        n = nodes // len(zones) + (i < nodes % len(zones))
        groups[f"nodes-{z}"] = {"role": "Node", "minSize": n, "maxSize": n, "machineType": call.flag("--node-size")}
    call.mine[key(call)] = {"groups": groups, "made": False, "set": call.flags.get("--set", [])}


def update_cluster(call):
    if call.on("--yes"):
        found(call)["made"] = True
        found(call)["running"] = sum(g["maxSize"] for g in found(call)["groups"].values() if g["role"] == "Node")


def validate_cluster(call):
    if not found(call)["made"]:
        raise fake.Fail("Error: wait time exceeded during validation")
    return f"Your cluster {call.flag('--name')} is ready\n"


def export_kubeconfig(call):
    found(call)
    fake.write_kubeconfig(call.flag("--kubeconfig", fake.default_kubeconfig()), call.flag("--name"), f"api.example/kops/{call.flag('--name')}")
    return f"kOps has set your kubectl context to {call.flag('--name')}\n"


def get_clusters(call):
    return {"kind": "Cluster", "metadata": {"name": call.flag("--name")}, "spec": {}} if found(call) is not None else None


def get_instancegroups(call):
    return [{"kind": "InstanceGroup", "metadata": {"name": n}, "spec": g} for n, g in found(call)["groups"].items()]


def put(spec, settings):
    for s in settings:
        path, _, value = s.partition("=")
        assert path.startswith("spec."), s
        spec[path.removeprefix("spec.")] = int(value) if value.isdigit() else value


def edit_instancegroup(call):
    put(found(call)["groups"][call.args[0]], call.flags.get("--set", []))


def edit_cluster(call):
    found(call)["set"] += call.flags.get("--set", [])


def create_instancegroup(call):
    assert call.flag("--edit") == "false", "an editor would wait for ever"
    found(call)["groups"][call.args[0]] = {"role": "Node", "minSize": 2, "maxSize": 2, "subnet": call.flag("--subnet")}


def delete_cluster(call):
    found(call)
    if call.on("--yes"):
        del call.mine[call.flag("--name")]
    return f'Deleted cluster: "{call.flag("--name")}"\n'
