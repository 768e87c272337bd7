"""Charts: our own as a Helm repository; what upstream's are given, rendered and shown to a real API server.

MILL_TEST_CHARTS   a folder of packaged upstream charts (NAME-VERSION.tgz, dependencies inside); they are not ours to commit.
                   Without it those tests are skipped, and say so.
A cluster as in kube.py.  Images are never pulled: that a server takes a chart does not say that its pods start.
"""

import filecmp
import hashlib
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
import yaml
from conftest import PROGRAM, ROOT, Mill, wait_for
from kube import cluster  # noqa: F401 (a fixture)

OWN = sorted(p.parent.name for p in (ROOT / "helm-charts").glob("*/Chart.yaml"))
ALONE = [name for name in OWN if name != "component"]  # the generic one renders what data-mill hands to it
MANIFESTS = {p.parent.name: yaml.safe_load(p.read_text()) for p in sorted((ROOT / "components").glob("*/component.yaml"))}
UPSTREAM = [name for name, m in MANIFESTS.items() if "chart" in (m.get("kubernetes") or {})]
KUSTOMIZED = [n for n in UPSTREAM if isinstance(MANIFESTS[n]["kubernetes"]["chart"], dict) and "kustomize" in MANIFESTS[n]["kubernetes"]["chart"]]
PACKAGES = os.environ.get("MILL_TEST_CHARTS")
# pods that no restricted namespace takes, whatever they are given: what keeps them from it is the chart's
UNRESTRICTED = {"dask-gateway", "influxdb", "kube-prometheus-stack", "pachyderm", "superset"}


def restricted_namespace(cluster, name):
    cluster.kubectl("create", "namespace", name)
    cluster.kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")


@pytest.fixture(scope="module")
def namespace(cluster):  # noqa: F811
    name = f"charts-{uuid.uuid4().hex[:8]}"
    restricted_namespace(cluster, name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="module")
def helm(tmp_path_factory):
    """helm with settings of its own; no cluster."""
    found = shutil.which("helm")
    if not found:
        pytest.skip("helm is not on PATH")
    home = tmp_path_factory.mktemp("helm")
    env = os.environ | {f"HELM_{k}_HOME": str(home / k.lower()) for k in ("CACHE", "CONFIG", "DATA")}
    env["KUBECONFIG"] = str(home / "none")

    def run(*args, check=True, kubeconfig=None):
        with_cluster = env | ({"KUBECONFIG": kubeconfig} if kubeconfig else {})
        done = subprocess.run([found, *map(str, args)], env=with_cluster, capture_output=True, text=True, timeout=300)
        assert not check or done.returncode == 0, f"helm {args}\n{done.stderr}"
        return done

    return run


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return Mill(tmp_path_factory.mktemp("home"))


# ---- our own ----

def test_readmes_and_schemas_are_made_from_the_values():
    done = subprocess.run([sys.executable, ROOT / "tools" / "chart-docs.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_own_charts_are_linted(program, helm, tmp_path):
    assert {f"{n}: good" for n in OWN} <= set(program.run("charts", "lint").out.splitlines())
    bad = tmp_path / "bad"
    shutil.copytree(ROOT / "helm-charts" / "dvc", bad)
    (bad / "templates" / "broken.yaml").write_text("{{ .Values.nothing.of.it }}")
    done = program.run("charts", "lint", bad, code=1)
    assert "helm lint bad failed" in done.err and "broken.yaml" in done.err
    (bad / "templates" / "broken.yaml").unlink()
    (bad / "README.md").unlink()
    assert "there is no README.md" in program.run("charts", "lint", bad, code=1).err
    assert "there is no chart 'nothing'" in program.run("charts", "lint", "nothing", code=2).err


@pytest.mark.parametrize("chart", ALONE)
def test_a_wrong_value_is_refused(helm, chart):
    folder = ROOT / "helm-charts" / chart
    assert helm("template", "x", folder).stdout
    for wrong in ("pod.user=root", "image.pullPolicy=Sometimes", "pod.nothing=1", "image.reference=7"):
        done = helm("template", "x", folder, "--set", wrong, check=False)
        assert done.returncode != 0 and wrong.split("=")[0].split(".")[0] in done.stderr, wrong


@pytest.mark.parametrize("chart", ALONE)
def test_own_charts_pass_a_restricted_namespace(cluster, namespace, helm, chart):  # noqa: F811
    every = {
        "mlflow": ["database.existingSecret=d", "artifacts.bucket=b", "artifacts.endpoint=http://s3:9000", "artifacts.existingSecret=l", "auth.existingSecret=a"],
        "flink": ["checkpoints.bucket=b", "checkpoints.existingSecret=l", "configuration.env\\.java=x"],
        "ksqldb": ["existingSecret=k", "kafka.saslMechanism=PLAIN", "schemaRegistry=http://r:8081"],
        "dvc": ["lake.endpoint=http://s3:9000", "lake.existingSecret=l", "persistence.storageClass=x"],
    }[chart]
    for settings in ([], every):
        text = helm("template", "x", ROOT / "helm-charts" / chart, *(w for s in settings for w in ("--set", s))).stdout
        done = subprocess.run(["kubectl", "apply", "--server-side", "--dry-run=server", "-n", namespace, "-f", "-"],
                              env=cluster.env, input=text, capture_output=True, text=True)
        assert done.returncode == 0 and not done.stderr, done.stderr


def get(port, path, method="GET"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest(method, path, skip_accept_encoding=True)
    connection.endheaders()
    answer = connection.getresponse()
    return answer.status, answer.read()


@pytest.fixture(scope="module")
def repository(program, helm, tmp_path_factory):
    """Packages of our charts, indexed and served: (folder, port)."""
    folder = tmp_path_factory.mktemp("repository") / "charts"
    assert f"{len(OWN)} charts in" in program.run("charts", "package", "--output", folder).out
    assert "index.yaml" in program.run("charts", "serve", folder, code=2).err
    program.run("charts", "index", folder)
    (folder / "notes.txt").write_text("not for others")
    (folder / "away.tgz").symlink_to("/etc/passwd")
    server = subprocess.Popen([PROGRAM, "charts", "serve", folder, "--port", "0"], env=os.environ | program.env, stdout=subprocess.PIPE, text=True)
    port = int(re.search(r":(\d+) serves", server.stdout.readline())[1])
    yield folder, port
    server.terminate()
    assert server.wait(timeout=20) in (0, 130, -15)


def test_the_repository_serves_charts_and_nothing_else(repository):
    folder, port = repository
    status, index = get(port, "/index.yaml")
    assert status == 200 and set(yaml.safe_load(index)["entries"]) == set(OWN)
    package = next(folder.glob("dvc-*.tgz"))
    assert get(port, f"/{package.name}") == (200, package.read_bytes())
    assert get(port, f"/{package.name}", "HEAD") == (200, b"")
    for path in ("/", "/notes.txt", "/away.tgz", "/../index.yaml", "/x/../index.yaml", "/%2e%2e/index.yaml", "//index.yaml", "/..%2fcharts/index.yaml", "/.tgz"):
        assert get(port, path)[0] == 404, path
    for method in ("POST", "PUT", "DELETE"):
        assert get(port, "/index.yaml", method)[0] in (405, 501), method


def test_relock_writes_a_charts_digest(repository, program, tmp_path):
    """From the repository that the manifest names; one that was published anew under its version is refused, here and before an install."""
    folder, port = repository
    home = tmp_path / "components" / "locked"
    home.mkdir(parents=True)
    (tmp_path / "data-mill.yaml").write_text("")
    (home / "README.md").write_text("# locked\n")
    (version,) = (p.name.removeprefix("dvc-").removesuffix(".tgz") for p in folder.glob("dvc-*.tgz"))
    digest = hashlib.sha256((folder / f"dvc-{version}.tgz").read_bytes()).hexdigest()
    assert f"digest: {digest}" in (folder / "index.yaml").read_text()  # as published
    head = "schema: 1\nname: locked\ncategory: support\nsummary: is locked\nversion: \"1\"\ntargets: [kubernetes]\nkubernetes:\n  default: chart\n"
    block = f"  chart:\n    - repository: http://127.0.0.1:{port}\n      name: dvc\n      version: {version} # pinned\n      layer: cluster\n"
    flow = f"    - {{repository: \"http://127.0.0.1:{port}\", name: dvc, version: {version}, release: é}}\n"
    manifest = home / "component.yaml"
    manifest.write_text(head + block + flow)
    mode = manifest.stat().st_mode
    done = program.run("component", "relock", "locked", cwd=tmp_path)
    assert f"dvc {version} sha256:{digest}, now in its manifest" in done.err
    wanted = head + block.replace("# pinned\n", f"# pinned\n      digest: sha256:{digest}\n") + flow.replace(f"version: {version}", f"version: {version}, digest: sha256:{digest}")
    assert manifest.read_text() == wanted and manifest.stat().st_mode == mode
    program.run("component", "relock", "locked", cwd=tmp_path)
    assert manifest.read_text() == wanted
    program.run("component", "validate", home, cwd=tmp_path)

    other = manifest.read_text().replace(digest, "0" * 64)
    manifest.write_text(other)
    done = program.run("component", "relock", "locked", cwd=tmp_path, code=1)
    assert f"has another dvc {version} than the manifest says: its SHA-256 is {digest}" in done.err and "look at why" in done.err
    done = program.run("charts", "pull", "locked", "--output", tmp_path / "packages", cwd=tmp_path, code=1)
    assert f"dvc-{version}.tgz is not the chart that the manifest names" in done.err
    assert manifest.read_text() == other


def test_a_chart_is_installed_from_the_repository(repository, helm, cluster, namespace):  # noqa: F811
    _, port = repository
    helm("repo", "add", "mill", f"http://127.0.0.1:{port}", "--force-update")
    assert "mill/dvc" in helm("search", "repo", "mill").stdout
    helm("install", "work", "mill/mlflow", "-n", namespace, "--dry-run=server", kubeconfig=cluster.kubeconfig)
    # an image that the test clusters have; the pod runs restricted and with a read-only root
    helm("install", "work", "mill/dvc", "-n", namespace, "--set", "image.reference=localhost/busybox:1", "--set", "pod.user=1234",
         "--wait", "--timeout=120s", kubeconfig=cluster.kubeconfig)
    assert cluster.kubectl("-n", namespace, "exec", "deploy/work", "--", "sh", "-c", "touch /workspace/x && id -u && echo $DVC_BUCKET").split() == ["1234", "dvc"]
    helm("uninstall", "work", "-n", namespace, "--wait", kubeconfig=cluster.kubeconfig)
    assert "work-work" in cluster.kubectl("-n", namespace, "get", "pvc")  # data outlives the release
    cluster.kubectl("-n", namespace, "delete", "pvc", "work-work")


# ---- upstream's ----

def project_with_charts(folder):
    """A flavour of every component that has a chart, by that chart, with the examples on."""
    names = [n for n in UPSTREAM if n not in KUSTOMIZED]
    lines = [f"project:\n  k8s_namespace: charts\n  k8s_default_config: target.yaml\n  flavour: {', '.join(names)}"]
    for name in names:
        block = {"kubernetes": {"deployment": "chart"}}
        if "example" in MANIFESTS[name].get("settings", {}):
            block["example"] = True
        lines.append(f"{name}: {json.dumps(block)}")
    # nobody is asked anything: values are rendered from files alone
    (folder / "kubeconfig").write_text(json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "none", "clusters": [{"name": "none", "cluster": {"server": "https://nowhere.invalid"}}],
        "contexts": [{"name": "none", "context": {"cluster": "none", "user": "none"}}], "users": [{"name": "none", "user": {}}],
    }))
    (folder / "target.yaml").write_text(f"hybrid: {{config: {folder / 'kubeconfig'}}}\n")
    (folder / "charts.yaml").write_text("\n".join(lines) + "\n")
    return folder / "charts.yaml"


@pytest.fixture(scope="module")
def releases(program, tmp_path_factory):
    """{component: [folder of a release]}"""
    folder = tmp_path_factory.mktemp("project")
    flavour = project_with_charts(folder)
    for name in ("one", "two"):
        program.run("charts", "values", flavour, "-h", "--output", folder / name)
    found = {}
    for path in sorted((folder / "one").iterdir()):
        found.setdefault(json.loads((path / "release.json").read_text())["component"], []).append(path)
    found[""] = [folder / "one", folder / "two"]
    return found


def test_values_are_the_same_each_time_and_hold_no_secret(program, releases):
    one, two = releases[""]
    compared = filecmp.dircmp(one, two)
    assert not compared.left_only and not compared.right_only
    for name in compared.common_dirs:
        files = [p.name for p in (one / name).iterdir()]
        assert filecmp.cmpfiles(one / name, two / name, files, shallow=False)[0] == files, name
    # nothing was generated: there is no secret that could be in them
    assert not list((program.home / "mill").rglob("secrets/*/*"))
    stored = json.loads((one / "minio-0" / "release.json").read_text())
    assert stored["secrets"] == {"minio-auth": ["user", "password"]}
    assert json.loads((one / "minio-0" / "values.json").read_text())["auth"]["existingSecret"] == "minio-auth"
    assert oct((one / "minio-0" / "values.json").stat().st_mode)[-3:] == "600"


def test_a_secret_in_values_is_an_error_at_its_place(program, tmp_path):
    home = tmp_path / "components" / "leaky"
    (home / "kubernetes").mkdir(parents=True)
    (home / "kubernetes" / "values.yaml").write_text('auth:\n  password: "${secret.password}"\n  of: ${store}\n')
    (home / "README.md").write_text("# leaky\n")
    manifest = {
        "schema": 1, "name": "leaky", "category": "support", "summary": "leaks", "version": "1", "targets": ["kubernetes"],
        "secrets": {"password": {"length": 32}},
        "kubernetes": {"default": "chart", "chart": {"repository": "https://example.org/charts", "name": "leaky", "version": "1.0.0", "values": "values.yaml"}},
    }
    (home / "component.yaml").write_text(json.dumps(manifest))
    done = program.run("component", "validate", home, code=2, cwd=tmp_path)
    assert "values.yaml:2:14: error: a secret in a chart's values" in done.err
    assert "values.yaml:3:7: error: 'store' is a place of our own images" in done.err
    manifest["kubernetes"]["chart"] |= {"digest": "sha256:12", "objects": ["none.yaml"], "needs": ["nobody"]}
    (home / "component.yaml").write_text(json.dumps(manifest))
    done = program.run("component", "validate", home, code=2, cwd=tmp_path)
    for said in ("'sha256:12' is not sha256:", "no file 'kubernetes/none.yaml'", "needs 'nobody'"):
        assert said in done.err, done.err


def test_a_flavour_sets_what_the_paths_name(program, tmp_path):
    flavour = project_with_charts(tmp_path)
    flavour.write_text(
        "project: {k8s_namespace: charts, k8s_default_config: target.yaml, flavour: minio, kubernetes: {storage_class: fast}}\n"
        "minio: {release: lake, kubernetes: {deployment: chart, storage: 7Gi, labels: {team: a}}}\n"
    )
    (made,) = program.run("charts", "values", flavour, "-h").json
    assert made["release"] == "lake" and list(made["secrets"]) == ["lake-auth"]
    assert made["values"]["persistence"] == {"enabled": True, "size": "7Gi", "storageClass": "fast"}
    assert made["values"]["podLabels"] == {"team": "a"} and made["values"]["fullnameOverride"] == "lake"


def test_packages_are_pulled_once_and_compared(program, tmp_path):
    """With a helm that says what it was asked for: the repositories are not to be reached from everywhere."""
    fake = tmp_path / "bin" / "helm"
    fake.parent.mkdir()
    fake.write_text(f"""#!/usr/bin/env python3
import pathlib, sys
if sys.argv[1] == "version":
    print("v3.19.0"); sys.exit()
words = sys.argv[1:]
with open({str(tmp_path / 'asked')!r}, "a") as f:
    f.write(" ".join(words) + "\\n")
if "spark-operator" in words:
    sys.exit("Error: chart not found")
name = words[1].rsplit("/", 1)[-1]
tail = "-helm" if "flink" in name else ""  # Helm keeps the name that the index's URL ends in
pathlib.Path(words[words.index("--destination") + 1], f"{{name}}-{{words[words.index('--version') + 1]}}{{tail}}.tgz").write_text("package of " + name)
""")
    fake.chmod(0o755)
    env = {"PATH": f"{fake.parent}:{os.environ['PATH']}"}
    packages = tmp_path / "packages"
    digest = hashlib.sha256(b"package of minio").hexdigest()
    for _ in range(2):
        done = program.run("charts", "pull", "minio", "flink-operator", "--output", packages, env=env)
        assert f"minio 0.13.3 sha256:{digest} (not in the manifest)" in done.out
    assert [re.sub(r"\.pull-\w+$", "NEW", line) for line in (tmp_path / "asked").read_text().splitlines()] == [
        f"pull flink-kubernetes-operator --repo https://downloads.apache.org/flink/flink-kubernetes-operator-1.15.0/ --version 1.15.0 --destination {packages}/NEW",
        f"pull oci://registry-1.docker.io/cloudpirates/minio --version 0.13.3 --destination {packages}/NEW",
    ]
    assert sorted(p.name for p in packages.iterdir()) == ["flink-kubernetes-operator-1.15.0.tgz", "minio-0.13.3.tgz"]
    # the index of lakeFS' repository says another digest than this helm's package has
    done = program.run("charts", "pull", "lakefs", "--output", packages, env=env, code=1)
    assert "lakefs-1.12.16.tgz is not the chart that the manifest names: its SHA-256 is" in done.err
    done = program.run("charts", "pull", "spark-operator", "--output", packages, env=env, code=1)
    assert "chart spark-operator 2.5.2: helm pull: chart not found" in done.err and "1 chart could not be had" in done.err
    assert not list(packages.glob(".pull*"))
    assert "did you mean 'minio'" in program.run("charts", "pull", "mino", env=env, code=2).err


def documents(text):
    return [d for d in re.split(r"(?m)^---.*$", text) if re.search(r'(?m)^"?kind"?:', d)]


def is_crd(document):
    return re.search(r"(?m)^kind: *\"?CustomResourceDefinition", document)


def name_of(document):
    return re.search(r"""(?ms)^metadata:.*?^  name: *["']?([\w.-]+)""", document)[1]


def package_of(release):
    if not release["version"]:
        return ROOT / "helm-charts" / release["chart"]
    path = Path(PACKAGES) / f"{release['chart']}-{release['version']}.tgz"
    if not path.exists():
        pytest.skip(f"{path.name} is not in MILL_TEST_CHARTS")
    return path


@pytest.fixture(scope="module")
def crds(cluster, releases, helm):  # noqa: F811
    """Those of every chart that is there, for as long as the tests run; those that were there before are left alone."""
    if not PACKAGES:
        pytest.skip("upstream's charts are not ours to keep: MILL_TEST_CHARTS names no folder with them")
    there = set(cluster.kubectl("get", "crd", "-o", "name").split())
    made = []
    for folder in (f for name in UPSTREAM for f in releases.get(name, [])):
        release = json.loads((folder / "release.json").read_text())
        path = Path(PACKAGES) / f"{release['chart']}-{release['version']}.tgz"
        if not release["crds"] or not path.exists():
            continue
        found = [d for d in documents(render(helm, release, path, folder)) if is_crd(d) and f"customresourcedefinition.apiextensions.k8s.io/{name_of(d)}" not in there]
        found = [d for d in found if name_of(d) not in made]
        if found:
            cluster.kubectl("apply", "--server-side", "-f", "-", input="\n---\n".join(found))
            made += [name_of(d) for d in found]
    if made:
        cluster.kubectl("wait", "--for=condition=Established", "--timeout=120s", *(f"crd/{n}" for n in made))
    yield made
    if made:
        cluster.kubectl("delete", "crd", *made, "--wait=false")


def render(helm, release, package, folder):
    values = folder / "values.json"
    return helm("template", release["release"], package, "-n", release["namespace"] or "charts", "--include-crds", "--skip-tests",
                *(["-f", values] if values.exists() else [])).stdout


def dry_run(cluster, namespace, text):  # noqa: F811
    done = subprocess.run(["kubectl", "apply", "--server-side", "--dry-run=server", "-n", namespace, "-f", "-"],
                          env=cluster.env, input=text, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.fixture
def place(cluster, namespace):  # noqa: F811
    """A namespace as a release wants it; one of its own is made when it is not there, and goes again."""
    made = []

    def of(wanted):
        if not wanted:
            return namespace
        if wanted not in made and not cluster.kubectl("get", "namespace", wanted, "--ignore-not-found"):
            restricted_namespace(cluster, wanted)
            made.append(wanted)
        return wanted

    yield of
    for name in made:
        cluster.kubectl("delete", "namespace", name)


def test_the_clusters_layer(program, cluster, namespace, releases, tmp_path):  # noqa: F811
    """An operator goes in once, is used when somebody else's is there, and goes only when nobody needs it."""
    if not PACKAGES or not (Path(PACKAGES) / "strimzi-kafka-operator-1.2.0.tgz").exists():
        pytest.skip("upstream's charts are not ours to keep: MILL_TEST_CHARTS names no folder with strimzi-kafka-operator-1.2.0.tgz")
    if "strimzi.io" in cluster.kubectl("get", "crd", "-o", "name"):
        pytest.skip("this cluster has Strimzi")
    flavour = project_with_charts(tmp_path)
    words = ("-h", "--kubeconfig", cluster.kubeconfig, "-f", flavour, "strimzi", "--packages", PACKAGES)
    program.run("cluster", "install", *words, "--no-wait")
    crds = {c["metadata"]["name"]: c["metadata"]["labels"].get("data-mill.io/layer") for c in cluster.json("get", "crd")["items"]}
    assert len(crds) >= 10 and crds["kafkas.kafka.strimzi.io"] == crds["kafkatopics.kafka.strimzi.io"] == "strimzi"
    assert cluster.json("-n", "strimzi", "get", "deployment", "strimzi-cluster-operator")
    program.run("cluster", "install", *words, "--no-wait")  # again: an upgrade

    topic = {"apiVersion": "kafka.strimzi.io/v1", "kind": "KafkaTopic", "metadata": {"name": "events"}, "spec": {"partitions": 1}}
    cluster.kubectl("apply", "-n", namespace, "-f", "-", input=json.dumps(topic))
    done = program.run("cluster", "uninstall", *words, code=1)
    assert "1 object of its kinds exists" in done.err and namespace in done.err and "events" in done.err
    cluster.kubectl("delete", "-n", namespace, "kafkatopic", "events")
    program.run("cluster", "uninstall", *words)
    assert "strimzi" not in cluster.kubectl("get", "crd,clusterrole,clusterrolebinding,namespace", "-o", "name")

    # somebody else's: one CRD of theirs is enough, and nothing of ours comes
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "kafkas.kafka.strimzi.io"},
        "spec": {"group": "kafka.strimzi.io", "scope": "Namespaced", "names": {"kind": "Kafka", "plural": "kafkas"},
                 "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}]},
    }
    cluster.kubectl("apply", "-f", "-", input=json.dumps(crd))
    try:
        done = program.run("cluster", "install", *words, "--no-wait")
        assert "not ours: used as it is" in done.err
        assert not cluster.kubectl("get", "namespace", "strimzi", "--ignore-not-found")
    finally:
        cluster.kubectl("delete", "crd", "kafkas.kafka.strimzi.io")


IPS = re.compile(r"IPAddress <none> [\d.]+")


def names_about(cluster, place):  # noqa: F811
    """All names; where the cluster is not ours alone, without those in others' namespaces."""
    found = cluster.names()
    return found if cluster.ours else {n for n in found if n.split()[0] not in ("IPAddress", "Namespace") and n.split()[1] in ("<none>", "kube-system", place) and not re.search(r"\b(mill|[a-z])-|PersistentVolume|data-mill\.io|example\.org", n)}


@pytest.mark.parametrize("component", UPSTREAM)
def test_upstream(component, cluster, crds, releases, helm, place):  # noqa: F811
    """Each chart: two renders are equal, the API server takes all of it, and what we write beside it."""
    if component in KUSTOMIZED:
        pytest.skip(f"{component} comes by kustomize from a repository that must be reached")
    warnings = ""
    for folder in releases[component]:
        release = json.loads((folder / "release.json").read_text())
        where = place(release["namespace"])
        if release["chart"]:
            package = package_of(release)
            text = render(helm, release, package, folder)
            assert text == render(helm, release, package, folder), f"{package.name}: something in it is random"
            made = {(re.search(r'(?m)^"?kind"?: *"?(\w+)', d)[1].lower(), name_of(d)) for d in documents(text)}
            for what in (w["what"].split("/") for w in release["ready"]):
                assert ({"crd": "customresourcedefinition"}.get(what[0], what[0].split(".")[0]), what[1]) in made, what
            groups = {}
            for d in documents(text):
                if not is_crd(d):
                    own = re.search(r'(?m)^  namespace: *"?([\w-]+)', d)
                    groups.setdefault(place(own[1]) if own and own[1] != "charts" else where, []).append(
                        re.sub(r'(?m)^  namespace: *"?charts"?$', f"  namespace: {where}", d))
            for target, found in groups.items():
                warnings += dry_run(cluster, target, "\n---\n".join(found))
        if (folder / "objects.json").exists():
            warnings += dry_run(cluster, where, (folder / "objects.json").read_text())
    assert bool("PodSecurity" in warnings) == (component in UNRESTRICTED), warnings



def of_the_cluster(component):
    chart = MANIFESTS[component]["kubernetes"]["chart"]
    return [c for c in (chart if isinstance(chart, list) else [chart]) if c.get("layer") == "cluster"]


def test_the_clusters_layer_is_rendered(tmp_path):
    """All of it at once, no cluster asked: the same bytes each time, each object in its namespace, no Secret of ours."""
    names = [n for n in UPSTREAM if n not in KUSTOMIZED and of_the_cluster(n)]
    if not PACKAGES or any(not (Path(PACKAGES) / f"{c['name']}-{c['version']}.tgz").exists() for n in names for c in of_the_cluster(n)):
        pytest.skip("upstream's charts are not ours to keep: MILL_TEST_CHARTS names no folder with all of the cluster's layer")
    flavour = project_with_charts(tmp_path)
    for name in names:
        unpinned(tmp_path, name)
    program = Mill(tmp_path / "home", cwd=tmp_path)
    for file in ("one", "two"):
        program.run("render", "-h", "-f", flavour, "--layer", "cluster", "--packages", PACKAGES, "--output", tmp_path / file)
    text = (tmp_path / "one").read_text()
    assert text == (tmp_path / "two").read_text()
    objects = [json.loads("\n".join(line for line in d.splitlines() if not line.startswith("#"))) for d in text.split("---\n")[1:]]
    kinds = {(o["spec"]["group"], o["spec"]["names"]["kind"]): o["spec"]["scope"] for o in objects if o["kind"] == "CustomResourceDefinition"}
    assert len(kinds) > 60
    for o in objects:
        group = o["apiVersion"].rpartition("/")[0]
        namespaced = kinds.get((group, o["kind"]), "Namespaced" if o["kind"] in ("Deployment", "Service", "ConfigMap", "Secret", "Role", "RoleBinding", "ServiceAccount", "Job") else "")
        if namespaced:
            assert ("namespace" in o["metadata"]) == (namespaced == "Namespaced"), o["metadata"]
    assert "# Secret monitoring/kube-prometheus-stack-grafana-auth must exist, with the keys admin-user admin-password" in text
    assert not [o for o in objects if o["kind"] == "Secret" and o["metadata"]["name"] == "kube-prometheus-stack-grafana-auth"]


def unpinned(project, component):
    """A project's own copy of a component, without digests: the packages in MILL_TEST_CHARTS may be built from the projects' trees."""
    (project / "data-mill.yaml").write_text("")  # which makes it one
    copy = shutil.copytree(ROOT / "components" / component, project / "components" / component)
    manifest = copy / "component.yaml"
    manifest.write_text(re.sub(r"(?m)^ *digest: sha256:.*\n", "", manifest.read_text()))


@pytest.mark.parametrize("component", [n for n in UPSTREAM if n not in KUSTOMIZED and of_the_cluster(n)])
def test_what_the_clusters_layer_made_goes_again(cluster, tmp_path, component):  # noqa: F811
    """Upstream's operators into a namespace that is there and in use: afterwards every name is as it was.  Their pods do not start, so
    that an install which waits for one in a hook is interrupted there: what hooks left goes, too."""
    charts = of_the_cluster(component)
    missing = [c["name"] for c in charts if not PACKAGES or not (Path(PACKAGES) / f"{c['name']}-{c['version']}.tgz").exists()]
    if missing:
        pytest.skip(f"upstream's charts are not ours to keep: {missing[0]} is in no MILL_TEST_CHARTS")
    (place,) = {c["namespace"] for c in charts}
    if cluster.kubectl("get", "namespace", place, "cert-manager", "--ignore-not-found"):
        pytest.skip(f"this cluster has a namespace {place}, or cert-manager")
    flavour = project_with_charts(tmp_path)
    unpinned(tmp_path, component)
    program = Mill(tmp_path / "home", cwd=tmp_path)
    words = ("-h", "--kubeconfig", cluster.kubeconfig, "-f", flavour, "--packages", PACKAGES)
    needs = sorted({n for c in charts for n in c.get("needs", [])})
    cluster.kubectl("create", "namespace", place)
    try:
        cluster.kubectl("-n", place, "create", "secret", "generic", "bystander", "--from-literal=a=b")
        for name in needs:
            program("cluster", "install", *words, name, "--no-wait")
        before = names_about(cluster, place)
        running = program.popen("cluster", "install", *map(str, words), component, "--no-wait")
        wait_for(lambda: running.poll() is not None or "job" in cluster.kubectl("-n", place, "get", "jobs", "-o", "name"), 120, f"the install of {component}")
        if running.poll() is None:
            running.send_signal(signal.SIGINT)
        said = running.communicate(timeout=60)[0]
        assert running.returncode in (0, 130) or (needs and "no endpoints available" in said), said  # a webhook of cert-manager's pod
        program.run("cluster", "uninstall", *words, component)
        cluster.kubectl("-n", place, "wait", "--for=delete", "pods", "--all", "--timeout=60s")
        wait_for(lambda: not IPS.findall(" ".join(names_about(cluster, place) ^ before)), 60, "addresses of Services to be given back")
        assert sorted(names_about(cluster, place) ^ before) == []
    finally:
        for name in (component, *needs):
            program.run("cluster", "uninstall", *words, name, check=False)
        cluster.kubectl("delete", "namespace", place)
