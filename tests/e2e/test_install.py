"""The installers with the real package clients: six kinds, their locks, and what goes wrong.

Small packages of each registry; the program driven is tests/tools/mill_install.c.
"""

import fcntl
import hashlib
import http.server
import io
import json
import os
import re
import shutil
import signal
import subprocess
import tarfile
import threading
import time

import pytest
import yaml

from conftest import BUILD, IS_ROOT, ROOT

DRIVER = BUILD / "tests" / "tools" / "mill-install"
TOOLCHAINS = ROOT / "components" / "_toolchains"

RECIPES = {
    "go": [{"kind": "go", "module": "rsc.io/hello", "version": "v1.0.0", "binary": "hello"}],
    "pip": [{"kind": "pip", "requirements": ["idna==3.7", "six==1.16.0"], "python": ">=3.9"}],
    "npm": [{"kind": "npm", "packages": {"is-odd": "3.0.1"}}],
    "maven": [{"kind": "maven", "artifacts": ["org.slf4j:slf4j-simple:2.0.13"]}],
    "debian": [{"kind": "debian", "packages": ["jq"], "omit": ["usr/share/man"]}],
}
LOCKS = {
    "go": "locks/go/hello/go.sum",
    "pip": "locks/pip.txt",
    "npm": "locks/npm/package-lock.json",
    "maven": "locks/maven.txt",
    "debian": "locks/debian.txt",
}


class Lab:
    """A store, a cache and component folders, in a path with a space and a letter that is not ASCII."""

    def __init__(self, top, cache=None):
        self.top = top / "é lab"
        self.top.mkdir(exist_ok=True)
        self.store, self.state = self.top / "store", self.top / "state"
        self.cache = cache or self.top / "cache"

    def recipe(self, name, steps, version="1"):
        folder = self.top / "components" / name
        folder.mkdir(parents=True, exist_ok=True)
        file = self.top / f"{name}.json"
        file.write_text(json.dumps({"name": name, "version": version, "dir": str(folder), "steps": steps}))
        return file

    def environment(self, **variables):
        env = os.environ | {
            "STORE": str(self.store),
            "CACHE": str(self.cache),
            "STATE": str(self.state),
            "TOOLCHAINS": str(TOOLCHAINS),
            "DATA_MILL_NET_MODULE": str(BUILD / "src" / "data-mill-net.so"),
        }
        return env | {k: str(v) for k, v in variables.items()}

    def start(self, verb, recipe, **variables):
        return subprocess.Popen(
            [DRIVER, verb, recipe], env=self.environment(**variables), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def run(self, verb, recipe, user=None, **variables):
        who = {"user": user, "group": user, "extra_groups": []} if user is not None else {}
        done = subprocess.run(
            [DRIVER, verb, recipe], env=self.environment(**variables), capture_output=True, text=True, timeout=900, **who
        )
        assert done.stdout, done.stderr
        result = json.loads(done.stdout)
        result["progress"] = done.stderr
        return result

    def install(self, recipe, **variables):
        result = self.run("install", recipe, **variables)
        assert result["ok"], result
        return self.store / result["key"]

    def entries(self):
        return sorted(p.name for p in self.store.iterdir() if re.match(r"[0-9a-f]{32}-", p.name) and "-toolchain-" not in p.name)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    top = tmp_path_factory.mktemp("install")
    yield Lab(top)
    subprocess.run(["chmod", "-R", "u+rwX", top], check=False)
    if not os.environ.get("KEEP"):
        shutil.rmtree(top, ignore_errors=True)


@pytest.fixture
def fresh(tmp_path):
    yield Lab(tmp_path)
    subprocess.run(["chmod", "-R", "u+rwX", tmp_path], check=False)


@pytest.fixture(scope="module")
def locked(lab):
    """Every kind relocked once: name -> recipe file."""
    made = {}
    for kind, steps in RECIPES.items():
        made[kind] = lab.recipe(kind, steps)
        result = lab.run("relock", made[kind])
        assert result["ok"], result
    return made


def run_installed(kind, entry):
    if kind == "go":
        return subprocess.run([entry / "bin" / "hello"], capture_output=True, text=True, check=True).stdout
    if kind == "pip":
        code = "import idna, six; print(idna.__version__, six.__version__)"
        return subprocess.run([entry / "bin" / "python", "-c", code], capture_output=True, text=True, check=True).stdout
    if kind == "npm":
        code = "console.log(require('is-odd')(3))"
        return subprocess.run(["node", "-e", code], cwd=entry, capture_output=True, text=True, check=True).stdout
    if kind == "maven":
        return " ".join(sorted(p.name for p in (entry / "lib").iterdir()))
    libraries = ":".join(str(p) for p in (entry / "usr" / "lib").glob("*-linux-gnu*"))
    env = {"LD_LIBRARY_PATH": libraries}
    return subprocess.run([entry / "usr/bin/jq", "-n", "1+1"], env=env, capture_output=True, text=True, check=True).stdout


EXPECTED = {
    "go": "Ahoy, world!",
    "pip": "3.7 1.16.0",
    "npm": "true",
    "maven": "slf4j-api-2.0.13.jar slf4j-simple-2.0.13.jar",
    "debian": "2",
}


@pytest.mark.parametrize("kind", RECIPES)
def test_kind(lab, locked, kind):
    entry = lab.install(locked[kind])
    assert EXPECTED[kind] in run_installed(kind, entry)
    assert (entry / ".complete").exists()
    for path in entry.rglob("*"):
        if not path.is_symlink():
            assert not path.stat().st_mode & 0o222, path
    assert lab.run("verify", locked[kind])["ok"]
    again = lab.run("install", locked[kind])
    assert again["existed"] and again["seconds"] == 0
    assert (lab.state / "install-logs" / f"{entry.name}.log").read_text().endswith(" s\n")


@pytest.mark.parametrize("kind", RECIPES)
def test_locks_are_reproducible_and_name_no_registry(lab, locked, kind):
    folder = lab.top / "components" / kind
    before = {p: p.read_bytes() for p in (folder / "locks").rglob("*") if p.is_file()}
    assert before
    assert lab.run("relock", locked[kind])["ok"]
    for path, data in before.items():
        assert path.read_bytes() == data, path
        assert not re.search(rb"https?://", data), path


def test_go_install_without_a_wrapper(lab, locked):
    step = {
        "kind": "go",
        "module": "golang.org/x/example/hello",
        "version": "v0.0.0-20250915201037-7f05d217867b",
        "binary": "hello",
        "wrapper": False,
    }
    recipe = lab.recipe("goinstall", [step])
    assert lab.run("relock", recipe)["ok"]
    assert "Hello" in run_installed("go", lab.install(recipe))
    lock = lab.top / "components/goinstall/locks/go/hello/go.sum"
    lock.write_text(re.sub("h1:....", "h1:AAAA", lock.read_text()))
    result = lab.run("install", recipe)
    assert not result["ok"] and "checksum mismatch" in result["message"]


def test_maven_unpacks_archives(lab, locked):
    steps = [{"kind": "maven", "artifacts": ["org.slf4j:slf4j-api:2.0.13"], "unpack": True, "transitive": False, "into": "x/y"}]
    recipe = lab.recipe("mavenzip", steps)
    assert lab.run("relock", recipe)["ok"]
    assert (lab.install(recipe) / "x/y/META-INF/MANIFEST.MF").exists()


def test_several_steps_share_an_entry(lab, locked):
    steps = [
        {"kind": "pip", "requirements": ["six==1.16.0"]},
        {"kind": "maven", "artifacts": ["org.slf4j:slf4j-api:2.0.13"], "into": "jars"},
    ]
    recipe = lab.recipe("mixed", steps)
    assert lab.run("relock", recipe)["ok"]
    entry = lab.install(recipe)
    assert (entry / "jars/slf4j-api-2.0.13.jar").exists() and (entry / "bin/python").exists()


def spoil(kind, path):
    text = path.read_text()
    if kind == "npm":
        lock = json.loads(text)
        package = lock["packages"]["node_modules/is-odd"]
        package["integrity"] = "sha512-" + "A" * 86 + "=="
        text = json.dumps(lock)
    elif kind == "go":
        text = re.sub(r"h1:.{6}", "h1:AAAAAA", text)
    else:
        text = re.sub(r"sha256:[0-9a-f]{8}", "sha256:00000000", text)
    path.write_text(text)


@pytest.mark.parametrize("kind", RECIPES)
def test_checksum_mismatch(lab, locked, kind):
    recipe = lab.recipe(f"bad{kind}", RECIPES[kind])
    folder = lab.top / "components" / f"bad{kind}"
    shutil.copytree(lab.top / "components" / kind / "locks", folder / "locks")
    spoil(kind, folder / LOCKS[kind])
    # what an earlier install verified may not be taken from a client's cache unchecked
    result = lab.run("install", recipe)
    assert not result["ok"], result
    assert result["message"].startswith(f"bad{kind}: step 1 ({kind}): "), result
    text = result["message"] + (result["detail"] or "")
    assert re.search("mismatch|SECURITY ERROR|EINTEGRITY|no longer among", text, re.I), result
    assert str(lab.state) in result["hint"]
    assert not any(f"-bad{kind}-" in name for name in lab.entries())


NO_NETWORK = "|".join(
    f"{name}=http://127.0.0.1:9" for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
) + "|no_proxy=|NO_PROXY=|GOPROXY=http://127.0.0.1:9|UV_HTTP_RETRIES=0|NPM_CONFIG_FETCH_RETRIES=0|PIP_RETRIES=1"


@pytest.mark.parametrize("kind", RECIPES)
def test_no_network(lab, locked, fresh, kind):
    """With empty caches and a proxy that nobody runs."""
    shutil.copytree(lab.top / "components" / kind, fresh.top / "components" / kind)
    recipe = fresh.recipe(kind, RECIPES[kind])
    maven = "|MAVEN_OPTS=-Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=9 -Dhttp.proxyHost=127.0.0.1 -Dhttp.proxyPort=9"
    result = fresh.run("install", recipe, ENV=NO_NETWORK + maven)
    assert not result["ok"], result
    assert "no network: could not reach the package index for" in result["message"], result
    assert str(fresh.state / "install-logs") in result["hint"]
    assert fresh.entries() == []


def test_offline_uses_the_caches(lab, locked):
    """The same recipe under another name installs from what the caches have."""
    recipe = lab.recipe("offline", RECIPES["pip"])
    shutil.copytree(lab.top / "components/pip/locks", lab.top / "components/offline/locks")
    assert "3.7 1.16.0" in run_installed("pip", lab.install(recipe, OFFLINE=1, ENV=NO_NETWORK))


def test_missing_lock_names_relock(fresh):
    result = fresh.run("install", fresh.recipe("nolock", RECIPES["pip"]))
    assert not result["ok"] and "component relock nolock" in result["hint"]


def test_vanished_debian_version_names_relock(lab, locked):
    recipe = lab.recipe("gone", RECIPES["debian"])
    lock = lab.top / "components/gone/locks/debian.txt"
    shutil.copytree(lab.top / "components/debian/locks", lock.parent)
    text = lock.read_text()
    version = re.search(r" jq=(\S+)", text).group(1)
    lock.write_text(text.replace(f"jq={version}", "jq=0.0.1-1"))
    result = lab.run("install", recipe)
    assert not result["ok"] and "no longer among the packages" in result["message"], result
    assert "component relock gone" in result["hint"]


# ---- download: a server of our own ----


class Files(http.server.BaseHTTPRequestHandler):
    content = {}
    slow = threading.Event()
    requests = []

    def do_GET(self):
        Files.requests.append(self.path)
        data = Files.content.get(self.path)
        if data is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.path.startswith("/slow") and not Files.slow.is_set():
            self.wfile.write(data[: len(data) // 2])
            self.wfile.flush()
            Files.slow.wait(60)
            return
        self.wfile.write(data)

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def server():
    s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files)
    s.daemon_threads = True
    threading.Thread(target=s.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{s.server_port}"
    Files.slow.set()
    s.shutdown()


def archive(members):
    """members: (name, data) or (name, ('link', target)) or (name, ('hard', target))"""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            if isinstance(data, tuple):
                info.type = tarfile.SYMTYPE if data[0] == "link" else tarfile.LNKTYPE
                info.linkname = data[1]
                tar.addfile(info)
            else:
                info.size, info.mode = len(data), 0o755
                tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def download(lab, server, name, data, path=None, **keys):
    path = path or f"/{name}-${{arch}}.tar.gz"
    arch = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
    Files.content[path.replace("${arch}", arch)] = data
    step = {"kind": "download", "url": server + path, "sha256": {arch: hashlib.sha256(data).hexdigest()}} | keys
    return lab.recipe(name, [step])


def test_download(fresh, server):
    data = archive([("top/bin/x", b"#!/bin/sh\necho ran\n"), ("top/link", ("link", "bin/x"))])
    recipe = download(fresh, server, "tool", data, strip=1, size=len(data))
    entry = fresh.install(recipe)
    assert subprocess.run([entry / "link"], capture_output=True, text=True).stdout == "ran\n"
    assert fresh.run("relock", recipe)["ok"]
    plain = download(fresh, server, "plain", b"#!/bin/sh\necho plain\n", unpack=False, binary="plain")
    entry = fresh.install(plain)
    assert subprocess.run([entry / "bin/plain"], capture_output=True, text=True).stdout == "plain\n"


@pytest.mark.parametrize("name", ["arangodb", "grafana", "ksqldb", "lakefs"])
def test_what_no_registry_has_installs_from_a_stand_in(fresh, server, name):
    """The shipped download step as it is, on an archive of the vendor's shape: each program that the manifest starts lands where it is looked for."""
    text = (ROOT / "components" / name / "component.yaml").read_text()
    manifest = yaml.safe_load(text)
    step = next(s["download"] for s in manifest["native"]["install"] if "download" in s)
    assert manifest["tested"].startswith("not tested here") and step["url"].startswith("https://")
    into = step.get("into", "")
    wanted = {w for w in re.findall(r"\$\{store\}/([^\"'${}*: ]+)", text) if w.startswith(into) and w.rstrip("/") != into}
    assert wanted
    top = "vendor-1.0/" * step.get("strip", 0)
    members = [(top + (w[len(into) + 1 :] if into else w).rstrip("/") + ("/a.jar" if w.endswith("/") else ""), b"#!/bin/sh\n") for w in sorted(wanted)]
    folders = {m[0].rpartition("/")[0] for m in members}
    members = [m for m in members if m[0] not in folders]  # a folder is there by what is in it
    keys = {k: step[k] for k in ("strip", "into", "binary", "unpack") if k in step}
    entry = fresh.install(download(fresh, server, name, archive(members), **keys))
    for w in wanted:
        assert (entry / w).exists(), w


def test_download_mismatch_leaves_nothing(fresh, server):
    data = archive([("x", b"1")])
    recipe = download(fresh, server, "wrong", data)
    Files.content = {k: archive([("x", b"2")]) if "wrong" in k else v for k, v in Files.content.items()}
    result = fresh.run("install", recipe)
    assert not result["ok"] and "checksum mismatch" in result["message"]
    assert fresh.entries() == []
    assert list((fresh.cache / "downloads").iterdir()) == []
    relock = fresh.run("relock", recipe)
    assert not relock["ok"] and hashlib.sha256(archive([("x", b"2")])).hexdigest() in relock["hint"]


def test_download_larger_than_said(fresh, server):
    data = archive([("x", os.urandom(5000))])
    result = fresh.run("install", download(fresh, server, "large", data, size=1000))
    assert not result["ok"] and "larger than" in result["message"]
    assert list((fresh.cache / "downloads").iterdir()) == []


@pytest.mark.parametrize(
    "members",
    [
        [("../evil", b"x")],
        [("/tmp/mill-evil", b"x")],
        [("l", ("link", "../..")), ("l/evil", b"x")],
        [("h", ("hard", "../../evil"))],
        [("l", ("link", "/etc")), ("l/evil", b"x")],
        [("bomb", b"\0" * (100 << 20))],
    ],
    ids=["dotdot", "absolute", "symlink", "hardlink", "absolute-link", "bomb"],
)
def test_hostile_archive(fresh, server, members):
    result = fresh.run("install", download(fresh, server, "hostile", archive(members)))
    assert not result["ok"], result
    assert re.search("leaves the folder|absolute path|bomb", result["message"]), result
    assert fresh.entries() == []
    assert not os.path.exists("/tmp/mill-evil") and not (fresh.store / "evil").exists()


def test_truncated_archive(fresh, server):
    data = archive([("a", os.urandom(50000)), ("b", os.urandom(50000))])
    result = fresh.run("install", download(fresh, server, "cut", data[: len(data) // 2]))
    assert not result["ok"] and "unpack" in result["message"]
    assert fresh.entries() == []


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_killed_and_run_again(fresh, server):
    data = archive([("x", os.urandom(200000))])
    recipe = download(fresh, server, "slow", data, path="/slow-kill")
    Files.slow.clear()
    first = fresh.start("install", recipe)
    wait_for(lambda: any((fresh.cache / "downloads").glob("*.part")) if (fresh.cache / "downloads").exists() else False)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    key = fresh.run("key", recipe)["key"]
    assert (fresh.store / key).exists() and not (fresh.store / key / ".complete").exists()
    assert fresh.entries() == [key]
    (fresh.store / key / "left-over").write_text("of the first try")
    Files.slow.set()
    entry = fresh.install(recipe)
    assert (entry / "x").exists() and not (entry / "left-over").exists()
    assert list((fresh.cache / "build").iterdir()) == []


def test_two_at_once(fresh, server):
    data = archive([("x", os.urandom(200000))])
    recipe = download(fresh, server, "twice", data, path="/slow-twice")
    Files.slow.clear()
    first = fresh.start("install", recipe)
    wait_for(lambda: "/slow-twice" in Files.requests)
    second = fresh.start("install", recipe)
    line = second.stderr.readline()
    assert f"waiting for pid {first.pid}" in line
    Files.slow.set()
    # the first try's connection ended early: it fetches again
    one, two = json.loads(first.communicate()[0]), json.loads(second.communicate()[0])
    assert one["ok"] and not one["existed"], one
    assert two["ok"] and two["existed"], two


def test_a_running_service_keeps_the_lock(fresh, server):
    recipe = download(fresh, server, "held", archive([("x", b"1")]))
    entry = fresh.install(recipe)
    with open(fresh.store / ".locks" / entry.name) as f:
        fcntl.flock(f, fcntl.LOCK_SH)
        again = fresh.run("install", recipe)  # complete: no lock is needed
        assert again["ok"] and again["existed"]


def test_verify_finds_a_change(fresh, server):
    recipe = download(fresh, server, "changed", archive([("x", b"1")]))
    entry = fresh.install(recipe)
    (entry / "x").chmod(0o644)
    (entry / "x").write_bytes(b"2")
    result = fresh.run("verify", recipe)
    assert not result["ok"] and "first x: changed" in result["message"]


def test_read_only_store(fresh, server):
    recipe = download(fresh, server, "have", archive([("x", b"1")]))
    other = download(fresh, server, "have-not", archive([("y", b"1")]))
    fresh.install(recipe)
    user = 65534 if IS_ROOT else None
    if IS_ROOT:
        for path in [fresh.top, *fresh.top.parents]:
            if path.stat().st_uid == 0 and str(path).startswith("/tmp/"):
                path.chmod(path.stat().st_mode | 0o055)
    else:
        fresh.store.chmod(0o555)
    have = fresh.run("install", recipe, user=user)
    assert have["ok"] and have["existed"]
    result = fresh.run("install", other, user=user)
    assert not result["ok"] and "cannot be written" in result["message"]
    assert "DATA_MILL_STORE" in result["hint"]
    fresh.store.chmod(0o755)


@pytest.mark.skipif(not IS_ROOT, reason="mounts a small file system")
@pytest.mark.parametrize("where", ["store", "cache"])
def test_disk_full(fresh, server, where):
    folder = getattr(fresh, where)
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=True)
    try:
        small = fresh.install(download(fresh, server, "small", archive([("x", b"1")])))
        noise = archive([("big", os.urandom(3 << 20))])
        recipe = download(fresh, server, "big", noise)
        result = fresh.run("install", recipe)
        assert not result["ok"]
        assert "the disk is full (needed: " in result["message"] and "free now: " in result["message"], result
        assert fresh.entries() == [small.name]
        locks = fresh.top / "components/big/locks"
        locks.mkdir()
        (locks / "meta.json").write_text(json.dumps({"download_bytes": 1000, "installed_bytes": 50 << 30, "seconds": 1}))
        (locks / "meta.json").write_text(json.dumps({"download_bytes": 1000, "installed_bytes": 1 << 50, "seconds": 1}))
        result = fresh.run("install", recipe)
        assert "needed: about 1024 TiB" in result["message"] or "needed: about 1 PiB" in result["message"], result
        assert not result["ok"] and fresh.entries() == [small.name]
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.skipif(not IS_ROOT, reason="changes users")
@pytest.mark.parametrize("kind", ["go", "pip", "debian", "npm", "maven"])
def test_as_root_for_another_user(lab, locked, fresh, kind):
    """Installers run as the user, the entry ends up root's, and the user can run it."""
    for path in [fresh.top, *fresh.top.parents]:
        if str(path).startswith("/tmp/"):
            path.chmod(0o755)
    shutil.copytree(lab.top / "components" / kind, fresh.top / "components" / kind)
    (fresh.top / "components").chmod(0o700)  # as below /root: only root can read the locks
    recipe = fresh.recipe(kind, RECIPES[kind])
    entry = fresh.install(recipe, UID_GID="65534:65534")
    assert EXPECTED[kind] in run_installed(kind, entry)
    for path in [entry, *entry.rglob("*")]:
        info = path.lstat()
        assert (info.st_uid, info.st_gid) == (0, 0), path
        assert path.is_symlink() or not info.st_mode & 0o222, path
    owners = {p.lstat().st_uid for p in (fresh.cache).rglob("*") if p.is_file() and p.name not in ("tools.json", "apt.lock")}
    assert owners <= {65534}, owners


@pytest.mark.skipif(not IS_ROOT, reason="changes users")
def test_download_as_root_for_another_user(fresh, server):
    for path in [fresh.top, *fresh.top.parents]:
        if str(path).startswith("/tmp/"):
            path.chmod(0o755)
    recipe = download(fresh, server, "tool", archive([("bin/x", b"#!/bin/sh\necho ran\n")]), into="a/b")
    entry = fresh.install(recipe, UID_GID="65534:65534")
    assert subprocess.run([entry / "a/b/bin/x"], capture_output=True, text=True).stdout == "ran\n"
    assert {p.lstat().st_uid for p in [entry, *entry.rglob("*")]} == {0}
