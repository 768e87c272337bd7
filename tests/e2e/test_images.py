"""Images for real: built in the namespace, packed, pushed to a registry that runs, pulled by a cluster where there is one.

The image store is shared between runs (MILL_TEST_HOME).  MILL_TEST_KUBECONFIG names a cluster whose nodes reach 127.0.0.1 of this machine;
MILL_TEST_LONG=1 also builds MinIO, which takes minutes without a warm cache.
"""

import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
import urllib.request
from pathlib import Path

import conftest
import pytest
from tiny import Tiny, free_port

LONG = os.environ.get("MILL_TEST_LONG") == "1"
IMAGES = conftest.TEST_HOME / "images"
KUBECONFIG = os.environ.get("MILL_TEST_KUBECONFIG")
# what an image build needs of the machine: a namespace, Debian's packages, the base image's Python, skopeo
PYTHON = subprocess.run(["/usr/bin/python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], capture_output=True, text=True) if Path("/usr/bin/python3").exists() else None


def cannot_build():
    flags = ["-m"] if conftest.IS_ROOT else ["-U", "-r", "-m"]
    if subprocess.run(["unshare", *flags, "true"], capture_output=True).returncode:
        return "this machine allows no mount namespace"
    if "bookworm" not in Path("/etc/os-release").read_text():
        return "the base image's packages are locked for Debian 12"
    if not PYTHON or PYTHON.stdout.strip() != "3.11":
        return "/usr/bin/python3 is not the base image's 3.11"
    return None if shutil.which("skopeo") else "no skopeo"


pytestmark = [pytest.mark.timeout(1800), pytest.mark.skipif(cannot_build() is not None, reason=str(cannot_build()))]


def skopeo(*args):
    done = subprocess.run(["skopeo", *args], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Registry:
    """Debian's docker-registry, or the one of components/registry from the store."""

    def __init__(self, folder):
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        data = Path(folder) / "registry"
        data.mkdir()
        config = Path(folder) / "registry.yml"
        config.write_text(
            json.dumps(
                {
                    "version": 0.1,
                    "log": {"level": "error"},
                    "storage": {"filesystem": {"rootdirectory": str(data)}, "delete": {"enabled": True}},
                    "http": {"addr": self.host},
                }
            )
        )
        program = shutil.which("docker-registry") or self.ours()
        self.process = subprocess.Popen([program, "serve", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={"OTEL_TRACES_EXPORTER": "none"})
        conftest.wait_for(self.answers, 20, "the registry")

    @staticmethod
    def ours():
        found = sorted((conftest.TEST_HOME / "store").glob("*-registry-*/bin/registry"))
        if not found:
            pytest.skip("no docker-registry here, and components/registry is not in the store")
        return str(found[-1])

    def answers(self):
        try:
            return urllib.request.urlopen(f"http://{self.host}/v2/", timeout=2).status == 200
        except OSError:
            return False

    def repositories(self):
        return json.load(urllib.request.urlopen(f"http://{self.host}/v2/_catalog", timeout=5))["repositories"]

    def stop(self):
        self.process.terminate()
        self.process.wait()


@pytest.fixture(scope="module")
def folder():
    path = Path(tempfile.mkdtemp(prefix="images-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def registry(folder):
    r = Registry(folder)
    yield r
    r.stop()


@pytest.fixture(scope="module")
def project(folder):
    """A tiny component with software (a folder of its own files) and a service."""
    t = Tiny(folder / "tiny")
    t.env["DATA_MILL_IMAGE_STORE"] = str(IMAGES / "store")
    t.env["DATA_MILL_CACHE"] = str(conftest.TEST_HOME / "cache")
    t.component("speck", native={"install": [{"files": {"from": "software"}}]}, license="Apache-2.0")
    software = t.project / "components" / "speck" / "software" / "bin"
    software.mkdir(parents=True)
    (software / "greet").write_text("#!/bin/sh\necho hello from the image\n")
    (software / "greet").chmod(0o755)
    t.flavour("speck")
    yield t
    for built in (IMAGES / "oci" / "speck", IMAGES / "oci" / "grain"):
        shutil.rmtree(built, ignore_errors=True)
    t.clean()


@pytest.fixture(scope="module")
def built(project):
    """The image of speck, as `image list --json` has it."""
    project("image", "build", "speck")
    (image,) = [i for i in project("image", "list", "--json").json if i["name"] == "speck"]
    return image


def blob(digest):
    return IMAGES / "blobs" / "sha256" / digest.removeprefix("sha256:")


def layers(image):
    manifest = json.loads(blob(image["digest"]).read_text())
    return [layer["digest"] for layer in manifest["layers"]]


def members(digest):
    """Every entry of a layer: zstd's own program unpacks it, this Python knows no zstd."""
    with tempfile.TemporaryFile() as f:
        subprocess.run(["zstd", "-dc", str(blob(digest))], stdout=f, check=True)
        f.seek(0)
        with tarfile.open(fileobj=f) as tar:
            return {m.name: m for m in tar.getmembers()}


# ---- what is built ----
def test_layout(project, built):
    assert built["kind"] == "component" and built["layers"] == 3
    config = json.loads(skopeo("inspect", "--config", f"oci:{built['layout']}:{built['tag']}"))
    assert config["config"]["User"] == "10001:10001"
    assert config["config"]["Entrypoint"] == ["/opt/data-mill/bin/entry"]
    assert config["config"]["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert len(config["rootfs"]["diff_ids"]) == 3
    for digest in layers(built):
        assert hashlib.sha256(blob(digest).read_bytes()).hexdigest() == digest.removeprefix("sha256:")


def test_a_second_build_does_nothing(project, built):
    began = time.monotonic()
    again = project("image", "build", "speck")
    assert "was there" in again.out and built["tag"] in again.out
    assert time.monotonic() - began < 5


@pytest.mark.skipif(not shutil.which("zstd"), reason="no zstd program")
def test_layers_are_safe(project, built):
    """Root's, without set-id bits, nothing that leaves the root; only /tmp can be written."""
    for digest in layers(built):
        for name, m in members(digest).items():
            assert not name.startswith("/") and ".." not in name.split("/"), name
            assert (m.uid, m.gid) == (0, 0), name
            assert m.isreg() or m.isdir() or m.issym(), name
            assert not m.mode & 0o6000, name
            if not m.issym():
                assert not m.mode & 0o022 or name in ("tmp", "var/tmp"), name
    own = members(layers(built)[-1])
    assert "opt/data-mill/bin/entry" in own and "opt/data-mill/sbom.spdx.json" in own
    assert "opt/data-mill/components/speck/server.py" in own
    assert not [n for n in own if "component.yaml" in n or "locks" in n]
    entry = members(layers(built)[1])
    assert any(n.endswith("-speck-1.0/bin/greet") and m.mode == 0o555 for n, m in entry.items())


def test_the_tag_is_the_content(project, built):
    server = project.project / "components" / "speck" / "server.py"
    text = server.read_text()
    server.write_text(text + "# more\n")
    try:
        other = project("image", "build", "speck").out
        assert other.startswith("speck:") and built["tag"] not in other
    finally:
        server.write_text(text)
    assert built["tag"] in project("image", "build", "speck").out


def test_sbom(project, built):
    sbom = project("image", "sbom", f"speck:{built['tag']}").json
    assert sbom["spdxVersion"] == "SPDX-2.3"
    found = {r["referenceLocator"] for p in sbom["packages"] for r in p["externalRefs"]}
    assert any(p.startswith("pkg:deb/debian/libc6@") for p in found) and any(p.startswith("pkg:deb/debian/python3.11@") for p in found)
    assert all(len(c["checksumValue"]) == 64 for p in sbom["packages"] for c in p.get("checksums", []))
    assert project("image", "sbom", "nothing", check=False).code == 1


@pytest.mark.skipif(not conftest.IS_ROOT, reason="chroot")
def test_the_base_works(project, built):
    """What packages' scripts would have made is there: users, certificates, Python with its modules, a shell."""
    (tree,) = sorted((p for p in (IMAGES / "base").iterdir() if not p.name.endswith(".new")), key=lambda p: p.stat().st_mtime)[-1:]
    script = (
        "set -e; id; python3 -c 'import ssl, sqlite3, lzma, bz2, ctypes, readline, zoneinfo, uuid;"
        " assert len(ssl.create_default_context().get_ca_certs()) > 50; print(\"python\")'; bash -c 'echo bash'; date +%Z; test -w /tmp"
    )
    done = subprocess.run(["chroot", "--userspec=10001:10001", str(tree), "/bin/sh", "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "uid=10001(data-mill) gid=10001(data-mill)" in done.stdout
    assert done.stdout.split()[-3:] == ["python", "bash", "UTC"]
    compiled = list((tree / "usr/lib/python3.11").rglob("*.pyc"))
    assert len(compiled) > 400
    for path in compiled:
        content = path.read_bytes()
        assert content[4] & 1, f"{path}: compiled files are compared by hash, for a layer keeps no times"
        assert str(tree).encode() not in content, path


def test_the_machine_is_not_touched(project, built):
    assert not Path("/opt/data-mill").exists()
    assert "/opt/data-mill" not in Path("/proc/self/mountinfo").read_text()


@pytest.mark.skipif(not conftest.IS_ROOT, reason="becomes another user")
def test_an_ordinary_user(folder, built):
    """A user namespace does for who is not root; the tag is the same."""
    if subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "unshare", "-Urm", "true"]).returncode:
        pytest.skip("this machine allows no user namespaces")
    home = folder / "nobody"
    shutil.copytree(folder / "tiny" / "project", home / "project")
    program = home / "programs"
    program.mkdir()
    for name in ("data-mill", "data-mill-net.so", "data-mill-entry"):
        shutil.copy2(conftest.BUILD / "src" / name, program)
    shutil.copytree(conftest.ROOT / "components", home / "share" / "components", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(conftest.ROOT / "flavours", home / "share" / "flavours")
    shutil.copytree(conftest.ROOT / "k8s", home / "share" / "k8s")
    subprocess.run(["chown", "-R", "65534:65534", str(home)], check=True)
    env = {k: v for k, v in os.environ.items() if conftest.CLIENT_SETTINGS.match(k)}
    env |= {"HOME": str(home), "DATA_MILL_HOME": str(home / "mill"), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "DATA_MILL_ROOT": str(home / "share")}
    done = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", str(program / "data-mill"), "image", "build", "speck"],
        cwd=home / "project", env=env, capture_output=True, text=True, timeout=900,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"speck:{built['tag']}" in done.stdout


def test_a_failed_install_says_so(project):
    project.component("grain", native={"install": [{"download": {"url": "http://127.0.0.1:9/x.tar.gz", "sha256": {"amd64": "0" * 64, "arm64": "0" * 64}, "size": 1}}]})
    failed = project("image", "build", "grain", check=False)
    assert failed.code == 1
    assert "image grain" in failed.err and "127.0.0.1" in failed.err
    assert "install-logs/images/" in failed.err
    assert not (IMAGES / "oci" / "grain").exists()


# ---- registries ----
@pytest.fixture(scope="module")
def pushed(project, registry, built):
    project("image", "push", "speck", "--registry", registry.host)
    return f"{registry.host}/speck:{built['tag']}"


def test_push(project, registry, built, pushed):
    seen = json.loads(skopeo("inspect", "--tls-verify=false", f"docker://{pushed}"))
    assert seen["Digest"] == built["digest"] and len(seen["Layers"]) == 3
    assert "was there" in project("image", "push", "speck", "--registry", registry.host).out
    assert [i["pushed"] for i in project("image", "list", "--json", "--registry", registry.host).json if i["tag"] == built["tag"]] == ["yes"]


def test_registry_that_is_not_there(project):
    failed = project("image", "push", "speck", "--registry", f"127.0.0.1:{free_port()}", check=False)
    assert failed.code == 1 and "registry start" in failed.err
    assert project("image", "push", "speck", "--registry", "http://127.0.0.1:5000", check=False).code == 2
    assert project("image", "push", "nothing", "--registry", "127.0.0.1:5000", check=False).code == 2


def test_mirror(project, registry, built, pushed, folder):
    """From a registry, without a build: and an upstream image beside it, its path kept."""
    listed = folder / "images.txt"
    listed.write_text(f"# of charts\n{pushed}\n")
    to = f"{registry.host}/mirror"
    out = project("image", "mirror", "speck", "--registry", registry.host, "--to", to, "--list", listed).out
    assert f"{to}/speck:{built['tag']}" in out
    assert "mirror/speck" in registry.repositories()
    assert json.loads(skopeo("inspect", "--tls-verify=false", f"docker://{to}/speck:{built['tag']}"))["Digest"] == built["digest"]


def test_gc(project, built):
    """Only what is older than the newest of its name goes.  In a store of its own: others use the shared one."""
    env = {"DATA_MILL_IMAGE_STORE": str(project.home / "images" / "store")}
    project("image", "build", "speck", env=env)
    extra = project.project / "components" / "speck" / "extra.txt"
    extra.write_text("more")
    try:
        project("image", "build", "speck", env=env)
        tags = [i["tag"] for i in project("image", "list", "--json", env=env).json]
        assert len(tags) == 2
        assert f"speck:{tags[1]}" in project("image", "gc", "--dry-run", env=env).out
        project("image", "gc", env=env)
        left = project("image", "list", "--json", env=env).json
        assert [i["tag"] for i in left] == tags[:1]
        skopeo("inspect", "--raw", f"oci:{left[0]['layout']}:{tags[0]}")
        assert "was there" in project("image", "build", "speck", env=env).out
    finally:
        extra.unlink()
        shutil.rmtree(project.home / "images", ignore_errors=True)


def test_registry_config(project):
    for kind in ("containerd", "kind", "k3d", "microk8s", "minikube"):
        assert "http://" in project("registry", "config", kind).out
    assert project("registry", "config", "nomad", check=False).code == 2


# ---- on a cluster ----
def kubectl(*args, input=None, check=True):
    done = subprocess.run(["kubectl", "--kubeconfig", KUBECONFIG, *args], input=input, capture_output=True, text=True, timeout=120)
    assert not check or done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not KUBECONFIG or not shutil.which("kubectl"), reason="MILL_TEST_KUBECONFIG and kubectl: no cluster")
def test_a_pod_runs_it(pushed):
    """As PodSecurity `restricted` wants it, on a root that cannot be written."""
    namespace = "mill-images-%d" % os.getpid()
    kubectl("create", "namespace", namespace)
    try:
        kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "speck"},
            "spec": {
                "restartPolicy": "Never",
                "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
                "containers": [
                    {
                        "name": "c",
                        "image": pushed,
                        "command": ["sh", "-c", "id -u; greet; touch /x 2>&1; python3 /opt/data-mill/components/speck/server.py; true"],
                        "securityContext": {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}},
                    }
                ],
            },
        }
        # the image names its user by number: Kubernetes sees that it is not root
        kubectl("-n", namespace, "apply", "-f", "-", input=json.dumps(pod))
        conftest.wait_for(lambda: kubectl("-n", namespace, "get", "pod", "speck", "-o", "jsonpath={.status.phase}") in ("Succeeded", "Failed"), 90, "the pod")
        log = kubectl("-n", namespace, "logs", "speck")
        assert log.splitlines()[:2] == ["10001", "hello from the image"], log
        assert "Read-only file system" in log
    finally:
        kubectl("delete", "namespace", namespace, "--wait=false", check=False)


# ---- a real one ----
@pytest.mark.skipif(not LONG, reason="takes minutes without a warm cache: MILL_TEST_LONG=1")
def test_minio(folder, registry):
    mill = conftest.Mill(folder / "minio")
    mill.env["DATA_MILL_IMAGE_STORE"] = str(IMAGES / "store")
    try:
        mill("image", "push", "minio", "--registry", registry.host)
        assert "minio" in registry.repositories()
        sbom = mill("image", "sbom", "minio").json
        assert any(r["referenceLocator"].startswith("pkg:golang/github.com/minio/minio@") for p in sbom["packages"] for r in p["externalRefs"])
    finally:
        mill.clean()
