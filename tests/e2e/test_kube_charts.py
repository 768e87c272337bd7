"""Components by a chart that is not ours, on a real cluster: a small chart is packaged and found where pulled ones are."""

import json
import os
import re
import signal
from pathlib import Path

import conftest
import pytest
from kube import KubeTiny, cluster, kube, registry  # noqa: F401 (fixtures)

SECURE = "{runAsNonRoot: true, runAsUser: 1000, runAsGroup: 1000, fsGroup: 1000, seccompProfile: {type: RuntimeDefault}}"
TIGHT = "{allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}"

# As charts are: a Deployment, a StatefulSet with a claim, a claim of its own, a DaemonSet, a hook; passwords from a Secret that exists.
TEMPLATES = {
    "web.yaml": """
apiVersion: apps/v1
kind: Deployment
metadata: {name: "{{ .Release.Name }}", labels: {app: box}}
spec:
  replicas: 1
  selector: {matchLabels: {app: box, part: web}}
  template:
    metadata: {labels: {app: box, part: web}}
    spec:
      terminationGracePeriodSeconds: 1
      securityContext: %(SECURE)s
      containers:
        - name: web
          image: {{ .Values.image }}
          command: [sh, -c, "echo started >> /keep/starts; echo -n ok > /tmp/index.html; {{ .Values.before }} exec httpd -f -p 8080 -h /tmp"]
          env:
            - {name: COLOUR, value: {{ .Values.colour | quote }}}
            - {name: WORD, valueFrom: {secretKeyRef: {name: {{ .Values.existingSecret }}, key: word}}}
          readinessProbe: {httpGet: {port: 8080, path: /index.html}, periodSeconds: 1}
          securityContext: %(TIGHT)s
          volumeMounts: [{name: keep, mountPath: /keep}, {name: tmp, mountPath: /tmp}]
      volumes:
        - {name: keep, persistentVolumeClaim: {claimName: "{{ .Release.Name }}-keep"}}
        - {name: tmp, emptyDir: {}}
""",
    "claim.yaml": """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: "{{ .Release.Name }}-keep"}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: {{ .Values.size }}}}}
""",
    "service.yaml": """
apiVersion: v1
kind: Service
metadata: {name: "{{ .Release.Name }}"}
spec: {selector: {app: box, part: web}, ports: [{port: 8080}]}
""",
    "store.yaml": """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: "{{ .Release.Name }}-store"}
spec:
  serviceName: "{{ .Release.Name }}-store"
  selector: {matchLabels: {app: box, part: store}}
  template:
    metadata: {labels: {app: box, part: store}}
    spec:
      terminationGracePeriodSeconds: 1
      securityContext: %(SECURE)s
      containers:
        - {name: store, image: {{ .Values.image }}, command: [sleep, "100000"], securityContext: %(TIGHT)s, volumeMounts: [{name: data, mountPath: /data}]}
  volumeClaimTemplates:
    - {metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}
""",
    "agent.yaml": """
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: "{{ .Release.Name }}-agent"}
spec:
  selector: {matchLabels: {app: box, part: agent}}
  template:
    metadata: {labels: {app: box, part: agent}}
    spec:
      terminationGracePeriodSeconds: 1
      securityContext: %(SECURE)s
      containers: [{name: agent, image: {{ .Values.image }}, command: [sleep, "100000"], securityContext: %(TIGHT)s}]
""",
    "hook.yaml": """
apiVersion: batch/v1
kind: Job
metadata: {name: "{{ .Release.Name }}-init", annotations: {helm.sh/hook: "pre-install,pre-upgrade", helm.sh/hook-delete-policy: "before-hook-creation,hook-succeeded"}}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      securityContext: %(SECURE)s
      containers: [{name: init, image: {{ .Values.image }}, command: [{{ .Values.hook | quote }}], securityContext: %(TIGHT)s}]
""",
}
VALUES = {"colour": "${setting.colour}", "existingSecret": "${release}-auth", "before": "${setting.before}"}


def package(t, name="box", version="1.0.0"):
    """Where `up` looks for packages before it pulls them."""
    folder = t.project / "charts" / name
    (folder / "templates").mkdir(parents=True, exist_ok=True)
    (folder / "Chart.yaml").write_text(json.dumps({"apiVersion": "v2", "name": name, "version": version}))
    (folder / "values.yaml").write_text("size: 1Gi\nbefore: ''\nhook: 'true'\nimage: localhost/busybox:1\n")
    for file, text in TEMPLATES.items():
        (folder / "templates" / file).write_text(text % {"SECURE": SECURE, "TIGHT": TIGHT})
    packages = t.cache / "charts"
    packages.mkdir(parents=True, exist_ok=True)
    t.cluster.helm("package", folder, "--destination", packages)


def box(t, chart=None, values=None, **more):
    """A component that can run both ways; by chart unless the flavour says otherwise."""
    t.component(
        "box", smoke="smoke.py", secrets={"word": {"length": 24}},
        service={"resources": {"memory": "16Mi", "memory_min": "8Mi", "disk": "1Gi"}},
        settings={"colour": {"type": "string", "default": "red", "help": "what it shows"}, "before": {"type": "string", "default": "", "help": "run first"}},
        kubernetes={"default": "chart", "chart": {
            "repository": "https://charts.example.org", "name": "box", "version": "1.0.0", "values": "values.yaml",
            "secrets": {"${release}-auth": {"word": "${secret.word}"}},
            "services": {"server": {"name": "${release}", "ports": {"http": 8080}}},
            "paths": {"storage": "size"},
        } | (chart or {})}, **more,
    )
    folder = t.project / "components" / "box" / "kubernetes"
    folder.mkdir(exist_ok=True)
    (folder / "values.yaml").write_text(json.dumps(VALUES | (values or {})))


@pytest.fixture
def charts(kube, tmp_path):
    kube.cache = tmp_path / "cache"
    kube.env["DATA_MILL_CACHE"] = str(kube.cache)
    package(kube)
    yield kube


def uids(t, part):
    items = t.cluster.json("-n", t.namespace, "get", "pods", "-l", f"part={part}")["items"]
    return {p["metadata"]["uid"] for p in items if "deletionTimestamp" not in p["metadata"]}


def children(pid, name):
    """Processes of that name that this one started."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            parent = (entry / "stat").read_text().rpartition(")")[2].split()[1] if entry.name.isdigit() else ""
            if parent == str(pid) and (entry / "comm").read_text().strip() == name:
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def started(t):
    """How often the web's pods began, by what its claim keeps."""
    return t.cluster.kubectl("-n", t.namespace, "exec", "deploy/box", "--", "cat", "/keep/starts").count("started")


def claims(t):
    return {c["metadata"]["name"]: c["metadata"]["labels"].get("data-mill.io/component") for c in t.cluster.json("-n", t.namespace, "get", "pvc")["items"]}


def test_a_chart_from_nothing_to_nothing(charts):
    t, before = charts, charts.cluster.names()
    box(t)
    t.component("user", requires=["box"])
    t.flavour("box, user", box={"kubernetes": {"storage": "2Gi"}})
    t.up()
    assert {i: s["state"] for i, s in t.status().items()} == {"box.chart": "ready", "user.server": "ready"}
    assert "nothing to do" in t("plan", "-h", "-f", "default", "--detailed-exitcode").out
    assert t.here("test", "box", "--json").json["ok"] == 1
    assert "started" not in t.here("logs", "box", check=False).err

    # what is Helm's says where it comes from, and holds no secret; the Secret was there first
    word = t.here("credentials", "box", "--json").json[0]["secrets"]["word"]
    assert word not in t.cluster.helm("-n", t.namespace, "get", "all", "box")
    assert json.loads(t.cluster.helm("-n", t.namespace, "list", "-o", "json", "--filter", "box"))[0]["chart"] == "box-1.0.0"
    assert word in t.cluster.kubectl("-n", t.namespace, "exec", "deploy/box", "--", "env")
    assert t.cluster.json("-n", t.namespace, "get", "pvc", "box-keep")["spec"]["resources"]["requests"]["storage"] == "2Gi"
    assert claims(t) == {"box-keep": "box", "data-box-store-0": "box"}

    # one setting: its pod is new, nobody else's
    web, store, other = uids(t, "web"), uids(t, "store"), t.pods()["user"]
    t.flavour("box, user", box={"kubernetes": {"storage": "2Gi"}, "colour": "blue"})
    plan = t("plan", "-h", "-f", "default", "--json", "-q").json
    assert [(x["action"], x["component"], x["reason"]) for x in plan["actions"]] == [("restart", "box", "values of box changed")]
    t.up()
    assert uids(t, "web") != web and uids(t, "store") == store and t.pods()["user"] == other
    assert "COLOUR=blue" in t.cluster.kubectl("-n", t.namespace, "exec", "deploy/box", "--", "env")

    # what the chart alone has a word for
    t.flavour("box, user", box={"kubernetes": {"storage": "2Gi", "values": {"colour": "of the sky"}}, "colour": "blue"})
    t.up()
    assert "COLOUR=of the sky" in t.cluster.kubectl("-n", t.namespace, "exec", "deploy/box", "--", "env")

    # what is in a Secret of ours is another: so are the pods that read it
    box(t, chart={"secrets": {"${release}-auth": {"word": "the new ${secret.word}"}}})
    t.up()
    assert "WORD=the new " + word in t.cluster.kubectl("-n", t.namespace, "exec", "deploy/box", "--", "env")
    starts = started(t)

    # what a hand changed is seen and mended
    t.cluster.kubectl("-n", t.namespace, "patch", "service", "box", "--type=merge", "-p", '{"spec":{"selector":{"part":"store"}}}')
    assert "Service box was changed in the cluster: spec.selector.part" in t("plan", "-h", "-f", "default").out
    t.up()
    assert t.cluster.json("-n", t.namespace, "get", "service", "box")["spec"]["selector"]["part"] == "web"

    # down: no pod is left, not even the DaemonSet's; up: all are back with what they kept
    t.here("down")
    assert not uids(t, "web") | uids(t, "store") | uids(t, "agent")
    assert {s["state"] for s in t.status().values()} == {"stopped"}
    t.up()
    assert started(t) == starts + 1
    assert uids(t, "agent") and {s["state"] for s in t.status().values()} == {"ready"}

    # destroy keeps claims, and nothing else of the chart; with --delete-data nothing is left at all
    t.here("destroy", "--yes")
    assert claims(t) == {"box-keep": "box", "data-box-store-0": "box"}
    assert not t.cluster.helm("-n", t.namespace, "list", "-q").split()
    t.up()
    assert started(t) == starts + 2
    t.here("destroy", "--yes", "--delete-data")
    conftest.wait_for(lambda: not t.cluster.kubectl("get", "namespace", t.namespace, "-o", "name", "--ignore-not-found").strip(), 60, "the namespace to go")
    assert not {n for n in t.cluster.names() - before if t.namespace in n}


def test_an_upgrade_that_fails_is_put_back(charts):
    t = charts
    box(t)
    t.flavour("box")
    t.up()
    web = uids(t, "web")
    t.flavour("box", box={"before": "echo the flux is gone; exit 3;"})
    failed = t.up(check=False, env={"DATA_MILL_KUBE_WAIT": "30s"})
    assert failed.code == 1 and "box was rolled back to revision 1" in failed.err and "the flux is gone" in failed.err, failed
    conftest.wait_for(lambda: uids(t, "web") == web, 60, "the pod that was fine alone")
    plan = t("plan", "-h", "-f", "default", "--json", "-q").json
    assert [x["action"] for x in plan["actions"]] == ["restart"]
    t.flavour("box")
    assert "nothing to do" in t("plan", "-h", "-f", "default", "--detailed-exitcode").out


def test_a_hook_that_fails_is_told_and_put_back(charts):
    t = charts
    box(t)
    t.flavour("box")
    t.up()
    web = uids(t, "web")
    t.flavour("box", box={"kubernetes": {"values": {"hook": "false"}}})
    failed = t.up(check=False)
    assert failed.code == 1 and "box was rolled back to revision 1" in failed.err and "pre-upgrade hooks failed" in failed.err, failed
    assert uids(t, "web") == web
    t.flavour("box")
    assert "nothing to do" in t("plan", "-h", "-f", "default", "--detailed-exitcode").out


def test_from_ours_to_the_chart_and_back_asks(charts):
    t = charts
    box(t)
    t.flavour("box", box={"kubernetes": {"deployment": "generic"}})
    t.up()
    assert set(t.status()) == {"box.server"}
    t.flavour("box")
    asked = t("up", "-h", "-f", "default", check=False)
    assert asked.code and "deployment: generic -> chart" in asked.err + asked.out, asked
    assert set(t.status()) == {"box.server"} and t.status()["box.server"]["state"] == "ready"
    t.up()
    assert {i: s["state"] for i, s in t.status().items()} == {"box.chart": "ready"}
    assert {"data-box-0", "box-keep"} <= set(claims(t))
    assert "nothing to do" in t("plan", "-h", "-f", "default", "--detailed-exitcode").out
    t.flavour("box", box={"kubernetes": {"deployment": "generic"}})
    t.up()
    assert {i: s["state"] for i, s in t.status().items()} == {"box.server": "ready"}
    assert not uids(t, "web")
    assert t.here("test", "box", "--json").json["ok"] == 1


def test_a_persons_release_is_not_upgraded_into_ours(charts):
    t = charts
    box(t)
    t.flavour("box")
    t.cluster.kubectl("create", "namespace", t.namespace)
    t.cluster.helm("install", "box", t.project / "charts" / "box", "-n", t.namespace, "--set", "existingSecret=none,colour=pink")
    refused = t.up(check=False)
    assert refused.code == 1 and "release box (box-1.0.0)" in refused.err and "is not ours" in refused.err, refused
    assert json.loads(t.cluster.helm("-n", t.namespace, "history", "box", "-o", "json"))[-1]["revision"] == 1
    # nor is a Secret of theirs that has the name of ours
    t.cluster.helm("uninstall", "box", "-n", t.namespace, "--wait")
    t.cluster.kubectl("-n", t.namespace, "delete", "secret", "box-auth", "--ignore-not-found")
    t.cluster.kubectl("-n", t.namespace, "create", "secret", "generic", "box-auth", "--from-literal=word=theirs")
    refused = t.up(check=False)
    assert refused.code == 1 and "Secret box-auth" in refused.err and "is not ours" in refused.err, refused
    t.here("destroy", "--yes", "--delete-data")
    assert t.cluster.json("-n", t.namespace, "get", "secret", "box-auth")["data"] == {"word": "dGhlaXJz"}


CRD = {
    "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "boxes.test.data-mill.io"},
    "spec": {"group": "test.data-mill.io", "scope": "Namespaced", "names": {"kind": "Box", "plural": "boxes", "singular": "box"},
             "versions": [{"name": "v1", "served": True, "storage": True, "subresources": {"status": {}},
                           "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}]},
}


@pytest.fixture
def boxes(charts):
    """A kind that an operator would answer for; the test is the operator."""
    charts.cluster.kubectl("apply", "-f", "-", input=json.dumps(CRD))
    yield charts
    charts.cluster.kubectl("delete", "crd", "boxes.test.data-mill.io", "--ignore-not-found", check=False)


def answer(t, status):
    body = {"status": {"conditions": [{"type": "Ready", "status": status, "reason": "Testing", "message": "the valves are open"}]}}
    t.cluster.kubectl("-n", t.namespace, "patch", "box.test.data-mill.io", "box", "--subresource=status", "--type=merge", "-p", json.dumps(body))


def test_what_an_operator_runs(boxes):
    """Objects alone: applied, waited for by their condition, paused, woken, removed."""
    t = boxes
    operated = {"repository": None, "name": None, "version": None, "values": None, "paths": None, "objects": ["box.yaml"],
                "stop": ["paused.yaml"], "selector": "operated-by=box", "ready": [{"what": "box.test.data-mill.io/${release}", "condition": "Ready"}]}
    box(t, chart=operated)
    manifest = t.manifests["box"]
    manifest["kubernetes"]["chart"] = {k: v for k, v in manifest["kubernetes"]["chart"].items() if v is not None}
    t.manifest("box", manifest)
    folder = t.project / "components" / "box" / "kubernetes"
    one = {"apiVersion": "test.data-mill.io/v1", "kind": "Box", "metadata": {"name": "${release}"}}
    (folder / "box.yaml").write_text(json.dumps(one | {"spec": {"colour": "${setting.colour}"}}))
    (folder / "paused.yaml").write_text(json.dumps(one | {"spec": {"paused": True}}))
    t.flavour("box")
    t.cluster.kubectl("create", "namespace", t.namespace)
    theirs = {"apiVersion": "test.data-mill.io/v1", "kind": "Box", "metadata": {"name": "box"}, "spec": {"colour": "pink"}}
    t.cluster.kubectl("-n", t.namespace, "apply", "-f", "-", input=json.dumps(theirs))
    refused = t.up(check=False)
    assert refused.code == 1 and "Box box" in refused.err and "is not ours" in refused.err, refused
    t.cluster.kubectl("-n", t.namespace, "delete", "box.test.data-mill.io", "box")
    failed = t.up(check=False, env={"DATA_MILL_KUBE_WAIT": "6s"})
    assert failed.code == 1 and "its operator says nothing of Ready" in failed.err, failed
    answer(t, "False")
    failed = t.up(check=False, env={"DATA_MILL_KUBE_WAIT": "4s"})
    assert failed.code == 1 and "the valves are open" in failed.err, failed
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "operated", "labels": {"operated-by": "box"}},
             "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}
    t.cluster.kubectl("-n", t.namespace, "apply", "-f", "-", input=json.dumps(claim))
    answer(t, "True")
    t.up()
    assert {i: s["state"] for i, s in t.status().items()} == {"box.chart": "ready"}
    assert claims(t) == {"operated": "box"}
    assert "nothing to do" in t("plan", "-h", "-f", "default", "--detailed-exitcode").out
    get = lambda: t.cluster.json("-n", t.namespace, "get", "box.test.data-mill.io", "box")["spec"]  # noqa: E731
    t.here("down")
    assert get() == {"colour": "red", "paused": True}
    t.up()
    assert get() == {"colour": "red"}
    t.here("destroy", "--yes", "--delete-data")
    assert not t.cluster.kubectl("get", "boxes.test.data-mill.io", "-A", "-o", "name", "--ignore-not-found").strip()


def test_what_render_prints_is_what_runs(charts):
    t = charts
    box(t)
    t.flavour("box")
    t.up()
    word = t.here("credentials", "box", "--json").json[0]["secrets"]["word"]
    printed = t("render", "-h", "-f", "default").out
    assert word not in printed and "# Secret box-auth must exist, with the keys word" in printed
    assert re.findall(r"^kind: (\w+)$", printed, re.M).count("StatefulSet") == 1
    dry = t.cluster.kubectl("-n", t.namespace, "apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-", input=printed)
    assert "deployment.apps/box " in dry and "daemonset.apps/box-agent " in dry
    assert word not in t("render", "-h", "-f", "default", "--layer", "values").out


def test_a_helm_that_was_killed_is_taken_over(charts):
    t = charts
    box(t)
    t.flavour("box")
    t.up()
    t.flavour("box", box={"colour": "green"})
    history = lambda: json.loads(t.cluster.helm("-n", t.namespace, "history", "box", "-o", "json"))  # noqa: E731
    process = t.popen("up", "-h", "-f", "default", "--yes")
    conftest.wait_for(lambda: history()[-1]["status"] == "pending-upgrade", 60, "helm at work")
    helms = children(process.pid, "helm")
    process.kill()  # first, or it would see helm fail and put things back
    for pid in helms:
        os.kill(pid, signal.SIGKILL)
    process.wait()
    assert helms and history()[-1]["status"] == "pending-upgrade"
    t.cluster.kubectl("-n", t.namespace, "delete", "lease", "data-mill", "--ignore-not-found")  # it ends by itself; nobody waits for that here
    t.up()
    assert {i: s["state"] for i, s in t.status().items()} == {"box.chart": "ready"}
    assert "COLOUR=green" in t.cluster.kubectl("-n", t.namespace, "exec", "deploy/box", "--", "env")
    assert history()[-1]["status"] == "deployed"
