"""Whose operator it is, with stand-ins for helm and kubectl: no cluster, and cert-manager under the name that its own pages give it.

Flags: https://helm.sh/docs/helm/helm_upgrade/ (--labels), https://kubernetes.io/docs/reference/kubectl/generated/kubectl_label/ (--local).
The same on a real cluster: test_charts.py.
"""

import io
import json
import tarfile

import pytest
from conftest import Mill

CRD = "customresourcedefinition.apiextensions.k8s.io/certificates.cert-manager.io"
TOOL = """#!/usr/bin/env python3
import json, pathlib, sys
here = pathlib.Path({here!r})
words, name = sys.argv[1:], pathlib.Path(sys.argv[0]).name
if "version" in words:
    print(json.dumps({{"clientVersion": {{"gitVersion": "v1.34.0"}}}}) if name == "kubectl" else "v3.19.0")
    sys.exit()
sent = sys.stdin.read() if "--filename=-" in words else ""
with open(here / "log", "a") as log:
    log.write(json.dumps([name, *words, sent]) + "\\n")
has = json.loads((here / "has.json").read_text())
line = " ".join(words)
if name == "helm":
    if words[0] == "template":
        print("---\\n# Source: cert-manager/crds/all.yaml\\nkind: CustomResourceDefinition")
elif line.startswith("get secrets") and "owner=helm,name=cert-manager" in line and "pending-" not in line:
    print(has["release"])  # the label of the release's record, <none> without one
elif line.startswith("get crd/"):
    sys.exit(0 if has["crd"] else 1)
elif line.startswith("get customresourcedefinitions --output=json"):
    note = {{"meta.helm.sh/release-name": "cert-manager", "meta.helm.sh/release-namespace": "cert-manager"}}
    print(json.dumps({{"items": [{{"metadata": {{"name": "certificates.cert-manager.io", "annotations": note}}}}]}}))
elif line.startswith("get customresourcedefinitions"):
    print(has["crd"])
elif line.startswith("label --local"):
    print({crd!r} if "--output=name" in words else json.dumps({{"labelled": next(w for w in words if "=" in w and not w.startswith("--"))}}))
elif line.startswith("get namespace "):
    sys.exit(1)
"""


@pytest.fixture
def layer(tmp_path):
    program, tools = Mill(tmp_path / "home"), tmp_path / "bin"
    tools.mkdir()
    for name in ("helm", "kubectl"):
        (tools / name).write_text(TOOL.format(here=str(tmp_path), crd=CRD))
        (tools / name).chmod(0o755)
    with tarfile.open(tmp_path / "cert-manager-v1.21.1.tgz", "w:gz") as package:
        text = b"apiVersion: v2\nname: cert-manager\nversion: v1.21.1\n"
        info = tarfile.TarInfo("cert-manager/Chart.yaml")
        info.size = len(text)
        package.addfile(info, io.BytesIO(text))
    (tmp_path / "kubeconfig").write_text(json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "none", "clusters": [{"name": "none", "cluster": {"server": "https://nowhere.invalid"}}],
        "contexts": [{"name": "none", "context": {"cluster": "none", "user": "none"}}], "users": [{"name": "none", "user": {}}],
    }))
    (tmp_path / "target.yaml").write_text(f"hybrid: {{config: {tmp_path / 'kubeconfig'}}}\n")
    (tmp_path / "f.yaml").write_text("project: {k8s_namespace: x, k8s_default_config: target.yaml, flavour: cert-manager}\n")

    def run(what, release="", crd=""):
        """What it said, and what it made: the calls that change something."""
        (tmp_path / "has.json").write_text(json.dumps({"release": release, "crd": crd}))
        (tmp_path / "log").write_text("")
        words = ("--packages", tmp_path) + (("--no-wait",) if what == "install" else ())
        done = program.run("cluster", what, "-h", "-f", tmp_path / "f.yaml", "cert-manager", *words, env={"PATH": f"{tools}:{program.env['PATH']}"})
        calls = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
        changing = {"upgrade", "uninstall", "apply", "create", "delete"}
        return done, [c for c in calls if c[1] in changing or (c[1] == "label" and "--local" not in c)]

    return run


def test_what_is_installed_is_marked_as_ours_at_once(layer):
    done, made = layer("install")
    assert [c[:2] for c in made] == [["kubectl", "create"], ["kubectl", "apply"], ["kubectl", "apply"], ["helm", "upgrade"]], done
    record = json.loads(made[1][-1])["items"][0]
    assert record["metadata"]["name"] == "data-mill-layer-cert-manager" and record["metadata"]["labels"]["data-mill.io/layer"] == "cert-manager"
    assert json.loads(made[2][-1]) == {"labelled": "data-mill.io/layer=cert-manager"}  # no moment in which the CRDs are nobody's
    assert "--labels=data-mill.io/layer=cert-manager" in made[3]


def test_a_persons_release_of_the_same_name_stays(layer):
    done, made = layer("install", release="<none>", crd=CRD)
    assert "there already, and not ours" in done.err and not made, (done, made)
    done, made = layer("uninstall", release="<none>", crd=CRD)
    assert "not ours: it stays" in done.err and not made, (done, made)


def test_ours_is_upgraded_and_removed(layer):
    done, made = layer("install", release="<none>\ncert-manager")
    assert ["helm", "upgrade"] in [c[:2] for c in made], done
    done, made = layer("uninstall", release="cert-manager")
    # the operator before its CRDs: Helm could not read a release's own objects of kinds that are gone; the record last
    assert [c[:3] for c in made] == [["helm", "uninstall", "cert-manager"], ["kubectl", "delete", "customresourcedefinition"], ["kubectl", "delete", "configmap"]], (done, made)


def test_a_crd_that_others_made_gets_no_label(layer):
    """With our release there: one of the chart's CRDs was somebody's before."""
    done, made = layer("install", release="cert-manager", crd=CRD)
    sent = [c[-1] for c in made if c[1] == "apply"][1]  # after the record
    assert sent.startswith("---\n# Source: cert-manager/crds/") and not [c for c in made if c[1] == "label"], (done, made)
