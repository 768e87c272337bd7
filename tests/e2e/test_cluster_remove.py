"""What the cluster's layer makes, and that exactly this goes: a tiny operator's chart and a kustomize folder on a real API server, in
namespaces that were there before, beside what others keep in them.  No pod of them is started.

A cluster as in kube.py.  Where it is not ours alone, names of others' namespaces are left out of the comparisons.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import uuid
from pathlib import Path

import pytest
from conftest import Mill, wait_for
from kube import cluster  # noqa: F811,F401 (a fixture)


def crd(group, kind="Widget"):
    plural = kind.lower() + "s"
    return {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": f"{plural}.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
                 "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {
                     "type": "object", "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}}}]},
    }


def config_map(name, namespace=None, **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name} | ({"namespace": namespace} if namespace else {}), "data": data}


def widget(group, name, namespace=None):
    return {"apiVersion": f"{group}/v1", "kind": "Widget", "metadata": {"name": name} | ({"namespace": namespace} if namespace else {}), "spec": {}}


class Layer:
    """A project of one component of the cluster's layer."""

    def __init__(self, folder, cluster):
        self.folder, self.cluster = folder, cluster
        self.mark = "c" + uuid.uuid4().hex[:8]
        self.namespace, self.group = f"c-{self.mark}", f"{self.mark}.example.org"
        self.program = Mill(folder / "home", cwd=folder)
        self.program.env["PATH"] = cluster.env["PATH"]
        self.home = folder / "components" / self.mark
        (self.home / "kubernetes").mkdir(parents=True)
        (self.home / "README.md").write_text("# a tiny operator\n")
        (folder / "data-mill.yaml").write_text("")
        (folder / "target.yaml").write_text(f"hybrid: {{config: {cluster.kubeconfig}}}\n")
        (folder / "f.yaml").write_text(f"project: {{k8s_namespace: x, k8s_default_config: target.yaml, flavour: {self.mark}}}\n")

    def manifest(self, **chart):
        self.home.joinpath("component.yaml").write_text(json.dumps({
            "schema": 1, "name": self.mark, "category": "support", "summary": "a tiny operator", "version": "1", "targets": ["kubernetes"],
            "secrets": {"password": {"length": 32}},
            "kubernetes": {"default": "chart", "chart": {"layer": "cluster", "namespace": self.namespace} | chart},
        }))

    def file(self, name, *objects):
        self.home.joinpath("kubernetes", name).write_text("\n---\n".join(map(json.dumps, objects)))

    def package(self, **files):
        """NAME.tgz as helm makes it."""
        made = {"Chart.yaml": {"apiVersion": "v2", "name": self.mark, "version": "1.0.0"}, "values.yaml": {}} | {k.replace("__", "/") + ".yaml": v for k, v in files.items()}
        root = self.folder / "chart" / self.mark
        for name, content in made.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content if isinstance(content, str) else json.dumps(content))
        packages = self.folder / "packages"
        packages.mkdir(exist_ok=True)
        with tarfile.open(packages / f"{self.mark}-1.0.0.tgz", "w:gz") as out:
            out.add(root, self.mark)

    def words(self, what):
        return ("cluster", what, "-h", "-f", self.folder / "f.yaml", self.mark, "--packages", self.folder / "packages")

    def install(self, *more, **kw):
        return self.program.run(*self.words("install"), "--no-wait", *more, **kw)

    def uninstall(self, *more, **kw):
        return self.program.run(*self.words("uninstall"), *more, **kw)

    def names(self):
        found = self.cluster.names()
        return found if self.cluster.ours else {n for n in found if self.mark in n}

    def get(self, kind, name):
        return self.cluster.json("-n", self.namespace, "get", kind, name, "--ignore-not-found")

    def clean(self):
        self.cluster.kubectl("delete", "crd", f"widgets.{self.group}", f"gadgets.{self.group}", "--ignore-not-found", "--wait=false")
        self.cluster.kubectl("delete", f"clusterrole/{self.mark}", f"clusterrolebinding/{self.mark}", "--ignore-not-found")
        self.cluster.kubectl("delete", "namespace", self.namespace, f"{self.namespace}-2", "--ignore-not-found", "--wait=false")


@pytest.fixture
def layer(cluster, tmp_path):  # noqa: F811
    if cluster.ours:  # what earlier tests left to be deleted must not go while names are compared
        wait_for(lambda: "Terminating" not in cluster.kubectl("get", "namespaces"), 180, "namespaces of earlier tests to go")
    made = Layer(tmp_path, cluster)
    yield made
    made.clean()


@pytest.fixture
def operator(layer):
    """A chart with a CRD, an object of its kind, a Secret before it and an object and a ConfigMap beside it."""
    layer.package(crds__widgets=crd(layer.group), templates__all='{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "of-the-chart"}, "data": {"a": "{{ .Values.a }}"}}',
                  templates__widget=widget(layer.group, "of-the-chart"))
    layer.file("values.yaml", {"a": "b"})
    layer.file("beside.yaml", config_map("beside", a="b"))
    layer.file("widget.yaml", widget(layer.group, "beside"))
    layer.manifest(repository="https://example.org/charts", name=layer.mark, version="1.0.0", values="values.yaml", crds=True, objects=["beside.yaml", "widget.yaml"],
                   secrets={"auth": {"password": "${secret.password}"}, "theirs": {"password": "${secret.password}"}}, ready=[f"crd/widgets.{layer.group}"])
    return layer


def test_exactly_ours_goes_from_a_namespace_that_was_there(operator, cluster):  # noqa: F811
    cluster.kubectl("create", "namespace", operator.namespace)
    cluster.kubectl("-n", operator.namespace, "create", "secret", "generic", "theirs", "--from-literal=password=kept")
    cluster.kubectl("-n", operator.namespace, "create", "configmap", "bystander", "--from-literal=a=b")
    wait_for(lambda: "kube-root-ca.crt" in cluster.kubectl("-n", operator.namespace, "get", "configmap"), 30, "the namespace's own ConfigMap")
    before, theirs = operator.names(), operator.get("secret", "theirs")
    done = operator.install()
    assert f"Secret {operator.namespace}/theirs is there and not ours: used as it is" in done.err
    assert operator.get("secret", "auth")["metadata"]["labels"]["data-mill.io/layer"] == operator.mark
    assert operator.get("configmap", "of-the-chart")["data"] == {"a": "b"} and operator.get("widgets." + operator.group, "beside")
    password = operator.get("secret", "auth")["data"]
    operator.install()  # again: an upgrade, and a Secret keeps what it holds
    assert operator.get("secret", "auth")["data"] == password

    # somebody's object of its kind is in the way; its own ones are not
    cluster.kubectl("apply", "-f", "-", input=json.dumps(widget(operator.group, "work", operator.namespace)))
    done = operator.uninstall(code=1)
    assert "1 object of its kinds exists" in done.err and "work" in done.err and "beside" not in done.err
    assert operator.get("secret", "auth") and operator.get("configmap", "beside")
    cluster.kubectl("-n", operator.namespace, "delete", f"widgets.{operator.group}", "work")

    # an object of ours that another took since: its label is gone, and it stays
    cluster.kubectl("-n", operator.namespace, "label", "configmap", "beside", "data-mill.io/layer-")
    operator.uninstall()
    assert operator.names() - before == {f"ConfigMap {operator.namespace} beside"} and not before - operator.names()
    assert operator.get("secret", "theirs")["metadata"]["uid"] == theirs["metadata"]["uid"] and operator.get("secret", "theirs")["data"] == theirs["data"]
    operator.uninstall()  # again: there is nothing to do


def test_names_are_as_they_were(operator, cluster):  # noqa: F811
    """Also in a namespace of our own, which goes with it; not when somebody put something into it."""
    before = operator.names()
    operator.install()
    operator.uninstall()
    wait_for(lambda: operator.names() == before, 60, "everything to be gone")
    operator.install()
    cluster.kubectl("-n", operator.namespace, "create", "secret", "generic", "mine")
    done = operator.uninstall()
    assert f"namespace {operator.namespace} stays: Secret/mine is in it" in done.err
    assert operator.get("secret", "mine") and not operator.get("secret", "auth")


def test_nothing_is_applied_over_anothers_object(operator, cluster):  # noqa: F811
    cluster.kubectl("create", "namespace", operator.namespace)
    cluster.kubectl("-n", operator.namespace, "create", "configmap", "beside", "--from-literal=a=theirs")
    done = operator.install(code=1)
    assert "1 object of these names is there and not ours" in done.err and f"ConfigMap {operator.namespace}/beside" in done.err
    assert operator.get("configmap", "beside")["data"] == {"a": "theirs"}
    operator.uninstall()
    assert operator.get("configmap", "beside")["data"] == {"a": "theirs"} and not operator.get("secret", "auth")


# ---- kustomize ----

@pytest.fixture
def kustomized(layer):
    """Two roots: CRDs and a namespace; then objects, of which some say no namespace and one is of a new kind."""
    second = f"{layer.namespace}-2"
    roots = {
        "one": [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": second}}, crd(layer.group), crd(layer.group, "Gadget")],
        "two": [config_map("unplaced", a="b"), config_map("placed", second, a="b"), widget(layer.group, "made", layer.namespace),
                {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "made", "namespace": layer.namespace}, "stringData": {"a": "b"}},
                {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": layer.mark}, "rules": []}],
    }
    for name, objects in roots.items():
        root = layer.folder / "roots" / name
        root.mkdir(parents=True)
        (root / "all.yaml").write_text("\n---\n".join(map(json.dumps, objects)))
        (root / "kustomization.yaml").write_text("resources: [all.yaml]\n")
    layer.manifest(kustomize=[str(layer.folder / "roots" / name) for name in roots], ready=[f"crd/widgets.{layer.group}"], crds=True)
    return layer


def test_what_came_by_kustomize_goes(kustomized, cluster):  # noqa: F811
    cluster.kubectl("create", "namespace", kustomized.namespace)
    cluster.kubectl("-n", kustomized.namespace, "create", "secret", "generic", "bystander", "--from-literal=a=b")
    cluster.kubectl("create", "-f", "-", input=json.dumps(crd(kustomized.group, "Gadget")))  # another's, of the same name
    wait_for(lambda: "kube-root-ca.crt" in cluster.kubectl("-n", kustomized.namespace, "get", "configmap"), 30, "the namespace's own ConfigMap")
    before = kustomized.names()
    done = kustomized.install()
    assert f"CustomResourceDefinition gadgets.{kustomized.group} is there and not ours: used as it is" in done.err
    assert kustomized.get("configmap", "unplaced")["metadata"]["labels"]["data-mill.io/layer"] == kustomized.mark
    kustomized.install()

    cluster.kubectl("apply", "-f", "-", input=json.dumps(widget(kustomized.group, "work", kustomized.namespace)))
    done = kustomized.uninstall(code=1)
    assert "1 object of its kinds exists" in done.err and "work" in done.err and kustomized.get("configmap", "unplaced")
    cluster.kubectl("-n", kustomized.namespace, "delete", f"widgets.{kustomized.group}", "work")
    kustomized.uninstall()
    wait_for(lambda: kustomized.names() == before, 60, "exactly ours to be gone")
    assert kustomized.get("secret", "bystander")
    kustomized.uninstall()


def test_a_kustomize_root_that_failed_midway_is_removed(kustomized, cluster):  # noqa: F811
    before = kustomized.names()
    path = kustomized.folder / "roots" / "two" / "all.yaml"
    path.write_text(path.read_text() + "\n---\n" + json.dumps(config_map("refused", "there-is-no-such-namespace")))
    done = kustomized.install(code=1)
    assert "there-is-no-such-namespace" in done.err and cluster.kubectl("get", "crd", f"widgets.{kustomized.group}", "-o", "name")
    cluster.kubectl("delete", "crd", f"gadgets.{kustomized.group}")  # by hand, in between
    kustomized.uninstall()
    wait_for(lambda: kustomized.names() == before, 60, "exactly ours to be gone")


# ---- killed midway ----

def open_values(pid):
    """What a process holds of values in memory."""
    return [p for p in Path(f"/proc/{pid}/fd").iterdir() if "data-mill values" in os.readlink(p)]


@pytest.mark.parametrize("whom", ["the program", "both"])
def test_a_kill_leaves_no_values(operator, whom):
    """kill -9 while helm has the values, with a chart that knows no existing Secret: they were in no file at any time."""
    bin = operator.folder / "bin"
    bin.mkdir()
    real = shutil.which("helm", path=operator.program.env["PATH"])
    (bin / "helm").write_text(f"""#!{sys.executable}
import json, os, pathlib, sys, time
words = sys.argv[1:]
if words[0] == "upgrade":
    texts = [open(words[i + 1]).read() for i, w in enumerate(words) if w == "--values"]
    pathlib.Path({str(operator.folder / "seen")!r}).write_text(json.dumps(texts))
    time.sleep(600)
os.execv({real!r}, [{real!r}, *words])
""")
    (bin / "helm").chmod(0o755)
    operator.program.env["PATH"] = f"{bin}:{operator.program.env['PATH']}"
    operator.manifest(repository="https://example.org/charts", name=operator.mark, version="1.0.0", values="values.yaml", crds=True,
                      secret_values={"auth.password": "${secret.password}"}, ready=[f"crd/widgets.{operator.group}"])
    temporary = {p.name for p in Path("/tmp").iterdir()}
    running = operator.program.popen(*map(str, operator.words("install")), "--no-wait")
    seen = operator.folder / "seen"
    wait_for(lambda: seen.exists() and "password" in seen.read_text(), 60, "helm's upgrade")
    children = [int(p) for p in Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()]
    helms = [p for p in children if "upgrade" in Path(f"/proc/{p}/cmdline").read_text()]
    password = json.loads(json.loads(seen.read_text())[1])["auth"]["password"]
    assert len(password) == 32 and helms and open_values(helms[0])
    os.kill(running.pid, signal.SIGKILL)
    if whom == "both":
        os.kill(helms[0], signal.SIGKILL)
    running.wait()
    wait_for(lambda: not Path(f"/proc/{helms[0]}/fd").exists() or not list(Path(f"/proc/{helms[0]}/fd").iterdir()), 10, "helm's end")
    assert not [n for n in {p.name for p in Path("/tmp").iterdir()} - temporary if n.startswith("data-mill")]
    holding = subprocess.run(["grep", "-rlF", password, str(operator.program.home), str(operator.folder)], capture_output=True, text=True).stdout.split()
    assert holding == [str(seen)]  # what this test's own helm wrote
    operator.program.env["PATH"] = operator.cluster.env["PATH"]
    operator.install()
    operator.uninstall()


def test_a_killed_install_is_taken_over(operator, cluster):  # noqa: F811
    """Helm's own record says pending for ever; it goes when its process is gone, and not while it is at work."""
    hook = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "slow", "annotations": {"helm.sh/hook": "pre-install"}}, "spec": {"template": {"spec": {
        "restartPolicy": "Never", "containers": [{"name": "a", "image": "localhost/there-is-none:1"}]}}}}
    operator.package(templates__hook=hook)
    running = operator.program.popen(*map(str, operator.words("install")), "--no-wait")
    wait_for(lambda: "pending-install" in cluster.kubectl("-n", operator.namespace, "get", "secrets", "-L", "status", check=False), 60, "helm at work")
    done = operator.install(code=1)
    assert "another `cluster install` is at work on it" in done.err and "kubectl --namespace=" in done.err
    children = [int(p) for p in Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()]
    os.kill(running.pid, signal.SIGSTOP)  # it must not see helm fail and put things right
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    assert children and "pending-install" in cluster.kubectl("-n", operator.namespace, "get", "secrets", "-L", "status")
    (operator.folder / "chart" / operator.mark / "templates" / "hook.yaml").unlink()
    operator.package()
    assert "an earlier helm was killed: going on from there" in operator.install().err
    assert operator.get("configmap", "of-the-chart")["data"] == {"a": "b"}
    assert operator.get("secret", "sh.helm.release.v1." + operator.mark + ".v1")["metadata"]["labels"]["status"] == "deployed"
    operator.uninstall()


# ---- what is there ----

def restricted_kubeconfig(layer, cluster):  # noqa: F811
    """Of a ServiceAccount that has the Role of `render --layer role` and no other right."""
    cluster.kubectl("create", "namespace", layer.namespace)
    role = layer.program.run("render", "-h", "-f", layer.folder / "f.yaml", "--layer", "role").out
    cluster.kubectl("-n", layer.namespace, "apply", "-f", "-", input=role.replace("namespace: x", f"namespace: {layer.namespace}").replace('"namespace": "x"', f'"namespace": "{layer.namespace}"'))
    cluster.kubectl("-n", layer.namespace, "create", "serviceaccount", "user")
    cluster.kubectl("-n", layer.namespace, "create", "rolebinding", "user", "--role=data-mill", f"--serviceaccount={layer.namespace}:user")
    token = cluster.kubectl("-n", layer.namespace, "create", "token", "user").strip()
    config = cluster.json("config", "view", "--raw", "--minify", "--flatten")
    config["users"] = [{"name": config["contexts"][0]["context"]["user"], "user": {"token": token}}]
    path = layer.folder / "user.kubeconfig"
    path.write_text(json.dumps(config))
    return path


def test_whether_it_is_there_is_known_to_every_user(operator, cluster):  # noqa: F811
    """Also to one who may list no CRD."""
    user = restricted_kubeconfig(operator, cluster)
    allowed = subprocess.run(["kubectl", "--kubeconfig", user, "auth", "can-i", "list", "customresourcedefinitions"], env=cluster.env, capture_output=True, text=True)
    assert allowed.stdout.strip() == "no"

    def check(*more, **kw):
        return operator.program.run("cluster", "install", "--check", "-h", "-f", operator.folder / "f.yaml", *more, **kw)

    for who in ((), ("--kubeconfig", user)):
        done = check(*who, code=1)
        assert done.out == f"{operator.mark}: missing: widgets.{operator.group}\n"
        assert f"{operator.mark}: the cluster has no widgets.{operator.group}" in done.err
        assert f"an administrator does this once, for every platform: data-mill cluster install -h {operator.mark}" in done.err
    assert not operator.get("secret", "auth")
    cluster.kubectl("create", "-f", "-", input=json.dumps(crd(operator.group)))
    assert check().out == f"{operator.mark}: there, installed by others\n"
    assert check("--kubeconfig", user).out == f"{operator.mark}: there\n"
    cluster.kubectl("delete", "crd", f"widgets.{operator.group}")
    operator.install()
    assert check().out == f"{operator.mark}: there, by data-mill\n"
    operator.uninstall()


def test_up_says_what_the_cluster_lacks(operator, cluster):  # noqa: F811
    """Before anything is changed, also to one who may list no CRD."""
    home = operator.folder / "components" / "wants"
    (home / "kubernetes").mkdir(parents=True)
    (home / "README.md").write_text("# wants\n")
    (home / "kubernetes" / "widget.yaml").write_text(json.dumps(widget(operator.group, "wanted")))
    (home / "component.yaml").write_text(json.dumps({
        "schema": 1, "name": "wants", "category": "support", "summary": "wants an operator", "version": "1", "targets": ["kubernetes"],
        "kubernetes": {"default": "chart", "chart": {"needs": [operator.mark], "objects": ["widget.yaml"], "selector": "made-by=nobody"}},
    }))
    (operator.folder / "f.yaml").write_text(f"project: {{k8s_namespace: {operator.namespace}, k8s_default_config: target.yaml, flavour: wants}}\n")
    user = restricted_kubeconfig(operator, cluster)
    words = ("up", "-h", "-f", operator.folder / "f.yaml", "--yes", "--kubeconfig", user)
    before = operator.names()
    done = operator.program.run(*words, code=1)
    assert f"wants needs {operator.mark}: the cluster has no widgets.{operator.group}" in done.err, done.err
    assert f"data-mill cluster install -h {operator.mark}" in done.err
    assert {n for n in operator.names() if "Lease" not in n} == before
    cluster.kubectl("create", "-f", "-", input=json.dumps(crd(operator.group)))  # others'
    operator.program.run(*words)
    assert operator.get(f"widgets.{operator.group}", "wanted")
    operator.program.run("destroy", "--platform", operator.namespace, "--yes", "--delete-data")


# ---- for Argo CD and Flux ----

def rendered(layer):
    text = layer.program.run("render", "-h", "-f", layer.folder / "f.yaml", "--layer", "cluster", "--packages", layer.folder / "packages").out
    assert text == layer.program.run("render", "-h", "-f", layer.folder / "f.yaml", "--layer", "cluster", "--packages", layer.folder / "packages").out
    return text, [json.loads("\n".join(line for line in d.splitlines() if not line.startswith("#"))) for d in text.split("---\n")[1:]]


def test_the_layer_is_rendered_for_others_to_apply(operator, cluster):  # noqa: F811
    text, objects = rendered(operator)
    assert f"# Secret {operator.namespace}/auth must exist, with the keys password\n" in text
    assert [(o["kind"], o["metadata"]["name"], o["metadata"].get("namespace")) for o in objects] == [
        ("Namespace", operator.namespace, None), ("CustomResourceDefinition", f"widgets.{operator.group}", None),
        ("ConfigMap", "of-the-chart", operator.namespace), ("Widget", "of-the-chart", operator.namespace),
        ("ConfigMap", "beside", operator.namespace), ("Widget", "beside", operator.namespace)]
    assert "data-mill.io/layer" not in text
    assert not cluster.kubectl("get", "namespace", operator.namespace, "--ignore-not-found")  # nothing was applied
    for part in (objects[:2], objects[2:]):
        cluster.kubectl("apply", "--server-side", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": part}))
        cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", f"crd/widgets.{operator.group}")
    assert "there already, and not ours: used as it is" in operator.install().err  # Argo's stays Argo's
    assert not operator.get("secret", "auth")


def test_kustomize_is_rendered_too(kustomized):
    text, objects = rendered(kustomized)
    places = {(o["kind"], o["metadata"]["name"]): o["metadata"].get("namespace") for o in objects}
    assert len(places) == len(objects) == 9
    assert places["ConfigMap", "unplaced"] == kustomized.namespace and places["ConfigMap", "placed"] == f"{kustomized.namespace}-2"
    assert places["ClusterRole", kustomized.mark] is None and "data-mill.io/layer" not in text
