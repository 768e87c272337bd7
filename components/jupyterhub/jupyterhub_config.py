"""The hub: everything that varies comes from settings.json beside the lists of environments and variables."""

import html
import json
import os
import pathlib
import re
import socket
import sys

from jupyterhub.spawner import SimpleLocalProcessSpawner

with open(os.environ["HUB_SETTINGS"]) as file:
    S = json.load(file)
PODS = bool(os.environ.get("HUB_PODS"))  # on a cluster each server is a pod
HOME, DATA = "/home/jovyan", "/data"  # in a pod
SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


def read(name):
    with open(os.path.join(S["config"], name)) as file:
        return json.load(file)


def seconds(duration):
    return int(sum(float(n) * SECONDS[u] for n, u in re.findall(r"([\d.]+)(ms|s|m|h|d)", duration)))


def environments():
    """All that are known, each with why it cannot be picked (None: it can)."""
    for e in read("environments.json"):
        why = None if e["available"] else e["why"]
        if not why and not PODS and not os.path.exists(e["store"] + "/.complete"):
            why = "not built yet"
        yield e, why


class Picked:
    """What both kinds of servers share: the form, and what the user picked in it."""

    def options_form(self, _):
        rows, checked = [], " checked"
        for e, why in environments():
            size = f"{e['size'] / 2**30:.1f} GiB" if e["size"] >= 2**30 else f"{e['size'] / 2**20:.0f} MiB"
            kernels = ", ".join(e["kernels"])
            rows.append(
                f'<div class="radio"><label><input type="radio" name="environment" value="{html.escape(e["name"])}"'
                f'{" disabled" if why else checked}> <strong>{html.escape(e["title"])}</strong> '
                f'<small class="text-muted">{html.escape(kernels)} &middot; {size}</small><br>'
                f'{html.escape(e["summary"])}{f" <em>({html.escape(why)})</em>" if why else ""}</label></div>'
            )
            checked = checked if why else ""
        return '<p class="lead">Which environment?</p>' + "\n".join(rows)

    def options_from_form(self, form):
        return {"environment": form.get("environment", ["base"])[0]}

    @property
    def environment_chosen(self):
        wanted = self.user_options.get("environment", "base")
        for e, why in environments():
            if e["name"] == wanted:
                if why:
                    raise ValueError(f"environment {wanted}: {why}")
                return e
        raise ValueError(f"there is no environment {wanted}")

    def own_variables(self, home, context):
        chosen = self.environment_chosen
        overlay = f"{home}/.overlays/{chosen['name']}-{chosen['hash'][:12]}"
        return {
            "HOME": home,
            "PATH": chosen["path"],
            "VIRTUAL_ENV": chosen["store"],
            "PYTHONPATH": f"{overlay}/python:{context}",
            "PIP_TARGET": f"{overlay}/python",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "R_LIBS_USER": f"{overlay}/R",
            "JUPYTER_PREFER_ENV_PATH": "1",
            "MILL_ENVIRONMENT": chosen["name"],
            "MILL_ENVIRONMENT_HASH": chosen["hash"],
            "LANG": "C.UTF-8",
        }


if PODS:
    from kubernetes_asyncio.client import (
        V1Affinity,
        V1EnvVar,
        V1LabelSelector,
        V1PersistentVolumeClaimVolumeSource,
        V1PodAffinity,
        V1PodAffinityTerm,
        V1Volume,
        V1VolumeMount,
    )
    from kubernetes_asyncio.client.rest import ApiException
    from kubespawner import KubeSpawner

    class EnvironmentSpawner(Picked, KubeSpawner):
        """A pod of the picked environment's image; pod_start.py is the first thing in it."""

        async def start(self):
            chosen = self.environment_chosen
            await self.go_where_the_hub_is()
            with open(S["component"] + "/pod_start.py") as file:
                self.cmd = ["-c", file.read()]
            self.image, self.image_pull_secrets = chosen["image"], [chosen["pull_secret"]] if chosen["pull_secret"] else []
            self.extra_container_config = {"command": [chosen["store"] + "/bin/python"]}
            # One for itself: the device plugin gives it, and nobody else gets it meanwhile.
            self.extra_resource_limits = {"nvidia.com/gpu": "1"} if chosen["gpu"] else {}
            return await super().start()

        async def go_where_the_hub_is(self):
            """The platform's choice of nodes and of a storage class, as it shows in the hub's own pod and claim."""
            name = socket.gethostname()
            spec = (await self.api.read_namespaced_pod(name, self.namespace)).spec
            given = spec.tolerations or []
            self.node_selector = spec.node_selector or {}
            # every pod is given those two, for a while
            self.tolerations = [t for t in given if t.key not in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")]
            self.priority_class_name = spec.priority_class_name or ""
            claim = await self.api.read_namespaced_persistent_volume_claim("data-" + name, self.namespace)
            self.storage_class = claim.spec.storage_class_name or ""

        def get_env(self):
            return super().get_env() | self.own_variables(HOME, "/tmp/context") | {"MILL_CONTEXT": json.dumps(context())}

    async def mount_data(spawner, pod):
        """The platform's data folder, where it has a volume of it that is there: read-only, as in every other pod."""
        name = f"{S['platform']}-data"
        try:
            claim = await spawner.api.read_namespaced_persistent_volume_claim(name, spawner.namespace)
        except ApiException as e:
            if e.status != 404:
                raise
            return pod
        if (claim.metadata.labels or {}).get("data-mill.io/role") != "data" or claim.status.phase != "Bound" or claim.metadata.deletion_timestamp:
            return pod
        notebook = pod.spec.containers[0]
        pod.spec.volumes.append(V1Volume(name="data", persistent_volume_claim=V1PersistentVolumeClaimVolumeSource(claim_name=name)))
        notebook.volume_mounts.append(V1VolumeMount(name="data", mount_path=DATA, read_only=True))
        notebook.env = (notebook.env or []) + [V1EnvVar("MILL_DATA_FOLDER", DATA)]
        if "ReadWriteMany" not in claim.spec.access_modes:  # one node mounts it at a time: all of its pods go there
            marks = {"data-mill.io/platform": S["platform"], "data-mill.io/mounts": "data"}
            pod.metadata.labels |= marks
            beside = V1PodAffinityTerm(label_selector=V1LabelSelector(match_labels=marks), topology_key="kubernetes.io/hostname")
            pod.spec.affinity = V1Affinity(pod_affinity=V1PodAffinity(required_during_scheduling_ignored_during_execution=[beside]))
        return pod

    def context():
        """The files of context/, which no environment's image has: a few kilobytes."""
        top = pathlib.Path(S["component"]) / "context"
        return {str(f.relative_to(top)): f.read_text() for f in top.rglob("*") if f.is_file() and f.suffix != ".pyc"}

else:

    class EnvironmentSpawner(Picked, SimpleLocalProcessSpawner):
        """A process in the environment that its user picked."""

        devices = sorted(int(f.name[6:]) for f in pathlib.Path("/dev").glob("nvidia[0-9]*") if f.name[6:].isdigit())
        held = {}  # person's server -> the GPU that its notebooks see

        def visible_device(self):
            """The GPU that the fewest servers see; none for an environment that wants none."""
            if not self.environment_chosen["gpu"] or not self.devices:
                return ""
            used = list(self.held.values())
            return str(self.held.setdefault(self._log_name, min(self.devices, key=used.count)))

        def clear_state(self):
            super().clear_state()
            self.held.pop(self._log_name, None)

        async def start(self):
            chosen = self.environment_chosen
            self.cmd = [chosen["store"] + "/bin/python", "-m", "jupyterhub.singleuser"]
            self.notebook_dir = ""
            os.makedirs(os.path.join(self.home_dir, "notebooks"), exist_ok=True)
            return await super().start()

        def get_env(self):
            own = self.own_variables(self.home_dir, S["component"] + "/context")
            for folder in (own["PIP_TARGET"], own["R_LIBS_USER"]):
                os.makedirs(folder, exist_ok=True)
            return super().get_env() | read("variables.json") | own | {"CUDA_VISIBLE_DEVICES": self.visible_device()}


c = get_config()  # noqa: F821
c.JupyterHub.bind_url = S["proxy"]
c.JupyterHub.hub_ip = S["bind"]
c.JupyterHub.hub_port = S["hub_port"]
c.JupyterHub.hub_connect_ip = S["hub_host"]
c.JupyterHub.cookie_secret = bytes.fromhex(S["cookie"])
c.JupyterHub.db_url = os.environ.get("HUB_DB") or f"sqlite:///{S['data']}/hub.sqlite"
c.JupyterHub.upgrade_db = True
c.JupyterHub.cleanup_servers = not PODS  # pods outlive a restart of the hub
c.JupyterHub.cleanup_proxy = False
c.JupyterHub.active_server_limit = S["max_servers"]
c.JupyterHub.authenticate_prometheus = False
c.JupyterHub.log_level = "WARN"
c.ConfigurableHTTPProxy.should_start = False
c.ConfigurableHTTPProxy.api_url = S["proxy_api"]

c.JupyterHub.authenticator_class = "shared-password"
c.SharedPasswordAuthenticator.user_password = S["password"]
c.SharedPasswordAuthenticator.admin_password = S["admin_password"]
c.Authenticator.admin_users = {S["admin"]}
c.Authenticator.allow_all = True
c.Authenticator.username_pattern = r"[a-z][a-z0-9_-]{0,30}"

c.JupyterHub.spawner_class = EnvironmentSpawner
if PODS:
    ours = {"data-mill.io/platform": S["platform"], "data-mill.io/component": "jupyterhub", "data-mill.io/role": "notebook"}
    c.KubeSpawner.extra_labels = c.KubeSpawner.storage_extra_labels = ours | {"app.kubernetes.io/part-of": "data-mill"}
    c.KubeSpawner.uid = c.KubeSpawner.gid = c.KubeSpawner.fs_gid = 10001  # of our images
    c.KubeSpawner.pod_security_context = {"runAsNonRoot": True, "fsGroupChangePolicy": "OnRootMismatch", "seccompProfile": {"type": "RuntimeDefault"}}
    c.KubeSpawner.container_security_context = {"readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    c.KubeSpawner.storage_pvc_ensure = True
    c.KubeSpawner.storage_capacity = S["home_size"]
    c.KubeSpawner.mem_limit = int(S["notebook_memory"])
    c.KubeSpawner.mem_guarantee = min(int(S["notebook_memory"]), 256 << 20)
    c.KubeSpawner.cpu_guarantee = 0.05
    c.KubeSpawner.extra_pod_config = {"enableServiceLinks": False}
    c.KubeSpawner.modify_pod_hook = mount_data
    c.KubeSpawner.volumes = [
        {"name": "home", "persistentVolumeClaim": {"claimName": "{pvc_name}"}},
        {"name": "tmp", "emptyDir": {}},
        # what tells code where the platform's parts are: secrets among it, so none of it is in the pod's own description
        {"name": "variables", "secret": {"secretName": S["secret"], "items": [{"key": "variables.json", "path": "variables.json"}], "defaultMode": 0o440}},
    ]
    c.KubeSpawner.volume_mounts = [
        {"name": "home", "mountPath": HOME},
        {"name": "tmp", "mountPath": "/tmp", "subPath": "tmp"},
        {"name": "tmp", "mountPath": "/var/tmp", "subPath": "var-tmp"},
        {"name": "variables", "mountPath": "/run/data-mill", "readOnly": True},
    ]
else:
    c.SimpleLocalProcessSpawner.home_dir_template = os.path.join(S["data"], "home", "{username}")
c.Spawner.ip = S["bind"]
c.Spawner.args = ["--LabApp.news_url=None", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]  # nobody is phoned
c.Spawner.start_timeout = 120
c.Spawner.http_timeout = 120
c.Spawner.env_keep = ["TZ", "DATA_MILL_SERVICE", "DATA_MILL_BOOT"]

c.JupyterHub.services = [
    {"name": "ops", "api_token": S["ops"]},
    {
        "name": "idle-culler",
        "command": [sys.executable, "-m", "jupyterhub_idle_culler", f"--timeout={seconds(S['idle_timeout'])}"],
    },
]
c.JupyterHub.load_roles = [
    {"name": "ops", "services": ["ops"], "scopes": ["admin:users", "admin:servers", "access:servers", "tokens"]},
    {"name": "culler", "services": ["idle-culler"], "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"]},
]
