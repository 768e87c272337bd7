"""docker, as far as kind's containers go: https://docs.docker.com/reference/cli/docker/"""

import fake

SUFFIX = "-control-plane"


def cluster(call, container):
    name = container.removesuffix(SUFFIX)
    if name not in call.state.get("kind", {}):
        raise fake.Fail(f"Error response from daemon: No such container: {container}")
    return call.state["kind"][name]


def start(call):
    for c in call.args:
        cluster(call, c)["containers"] = "running"
    return "\n".join(call.args) + "\n"


def stop(call):
    for c in call.args:
        cluster(call, c)["containers"] = "exited"
    return "\n".join(call.args) + "\n"


def inspect(call):
    assert call.flag("--format") == "{{.State.Status}}"
    return "".join(cluster(call, c)["containers"] + "\n" for c in call.args)
