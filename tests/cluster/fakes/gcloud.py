"""gcloud 528: https://cloud.google.com/sdk/gcloud/reference/container; its own --help was read for the options"""

import fake


def version(call):
    return "Google Cloud SDK 528.0.0\nbq 2.1.18\ncore 2025.06.20\n"


def found(call, name=None):
    name = name or call.args[0]
    if name not in call.mine:
        raise fake.Fail(
            f"ERROR: (gcloud.{call.command.replace(' ', '.')}) ResponseError: code=404, message=Not found: "
            f"projects/p/locations/{call.flag('--location')}/clusters/{name}."
        )
    cluster = call.mine[name]
    assert cluster.get("location", call.flag("--location")) == call.flag("--location")
    return cluster


def nodes(cluster):
    return sum(p["nodes"] for p in cluster["pools"].values()) * cluster["zones"]


def container_clusters_create(call):
    assert call.on("--quiet"), "it would ask"
    name = call.args[0]
    if name in call.mine:
        raise fake.Fail(
            f"ERROR: (gcloud.container.clusters.create) ResponseError: code=409, message=Already exists: projects/p/locations/{call.flag('--location')}/clusters/{name}."
        )
    zones = call.flag("--node-locations", "one").split(",")
    regional = call.flag("--location").count("-") == 1
    if regional and "--node-locations" not in call.flags:
        zones = ["a", "b", "c"]  # a regional cluster's default
    call.mine[name] = {"status": "RUNNING", "location": call.flag("--location"), "zones": len(zones), "machine": call.flag("--machine-type"),
                       "pools": {"default-pool": {"nodes": int(call.flag("--num-nodes", 3))}}}  # fmt: skip


def container_clusters_describe(call):
    c = found(call)
    if "ready_after" in c:  # a cluster that is being made
        c["ready_after"] -= 1
        if c["ready_after"] == 0:
            c.update(status="RUNNING", pools={"default-pool": {"nodes": 3}})
    return {"name": call.args[0], "status": c["status"], "currentNodeCount": nodes(c) if "pools" in c else 0} | (
        {"statusMessage": c["message"]} if "message" in c else {}
    )


def container_clusters_resize(call):
    assert call.on("--quiet"), "it would ask"
    found(call)["pools"][call.flag("--node-pool")]["nodes"] = int(call.flag("--num-nodes"))


def container_clusters_delete(call):
    assert call.on("--quiet"), "it would ask"
    found(call)
    del call.mine[call.args[0]]


def container_clusters_get_credentials(call):
    found(call)
    fake.write_kubeconfig(fake.default_kubeconfig(), f"gke_p_{call.flag('--location')}_{call.args[0]}", f"34.1.2.3/gcloud/{call.args[0]}")
    return "Fetching cluster endpoint and auth data.\n"


def container_node_pools_list(call):
    return [{"name": n} for n in found(call, call.flag("--cluster"))["pools"]]


def container_node_pools_create(call):
    found(call, call.flag("--cluster"))["pools"][call.args[0]] = {"nodes": int(call.flag("--num-nodes", 3)), "accelerator": call.flag("--accelerator")}
