"""Fixtures of the end-to-end tests: the real binary, a home of its own, one store for all.

MILL_BUILD        the build folder (default: build-test, then build)
MILL_TEST_HOME    keeps the store and the package clients' caches between runs
"""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
IS_ROOT = os.getuid() == 0
TEST_HOME = Path(
    os.environ.get("MILL_TEST_HOME") or (Path("/var/cache/data-mill-test") if IS_ROOT else Path.home() / ".cache" / "data-mill-test")
)


def build_folder():
    if os.environ.get("MILL_BUILD"):
        return Path(os.environ["MILL_BUILD"])
    for name in ("build-test", "build"):
        if (ROOT / name / "src" / "data-mill").exists():
            return ROOT / name
    pytest.exit("no build: run ./test.sh, or ninja -C build", 2)


BUILD = build_folder()
PROGRAM = BUILD / "src" / "data-mill"
# the package clients' own settings, which a fresh environment must keep to reach their registries
CLIENT_SETTINGS = re.compile(
    r"^(PIP_|UV_|GO(PROXY|SUMDB|NOSUMDB|FLAGS|TOOLCHAIN)|NPM_CONFIG_|NODE_EXTRA|MAVEN_|SSL_CERT|REQUESTS_CA|CURL_CA|(http|https|no)_proxy$)", re.I
)


class Result:
    def __init__(self, args, done, seconds):
        self.args, self.code, self.out, self.err, self.seconds = args, done.returncode, done.stdout, done.stderr, seconds

    @property
    def json(self):
        return json.loads(self.out)

    def __repr__(self):
        return f"data-mill {' '.join(map(str, self.args))}\nexit {self.code} in {self.seconds:.1f} s\n--- out\n{self.out}\n--- err\n{self.err}"


class Mill:
    """The program in a home of its own.  `home` may hold spaces and non-ASCII."""

    def __init__(self, home, shared_store=True, program=PROGRAM, cwd=ROOT):
        self.home, self.program, self.cwd = Path(home), Path(program), Path(cwd)
        self.home.mkdir(parents=True, exist_ok=True)
        if IS_ROOT:  # services run as the user data-mill, who must be able to come in
            self.home.chmod(0o711)
        self.env = {k: v for k, v in os.environ.items() if CLIENT_SETTINGS.match(k)}
        self.env |= {
            "HOME": str(self.home),
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "DATA_MILL_HOME": str(self.home / "mill"),
            "NO_COLOR": "1",
        }
        if shared_store:
            self.env["DATA_MILL_STORE"] = str(TEST_HOME / "store")
            self.env["DATA_MILL_CACHE"] = str(TEST_HOME / "cache")

    def run(self, *args, check=True, code=None, timeout=1500, env=None, input=None, cwd=None, text=True):
        began = time.monotonic()
        done = subprocess.run(
            [str(self.program), *map(str, args)],
            cwd=str(cwd or self.cwd),
            env=self.env | (env or {}),
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            text=text,
            timeout=timeout,
        )
        result = Result(args, done, time.monotonic() - began)
        wanted = 0 if check and code is None else code
        assert wanted is None or result.code == wanted, result
        return result

    __call__ = run

    def popen(self, *args, **kw):
        kw.setdefault("stdout", subprocess.PIPE)
        kw.setdefault("stderr", subprocess.STDOUT)
        return subprocess.Popen([str(self.program), *map(str, args)], cwd=str(self.cwd), env=self.env, stdin=subprocess.DEVNULL, text=True, **kw)

    def platforms(self):
        folder = self.home / "mill" / "platforms"
        return sorted(f for f in folder.iterdir() if f.is_dir()) if folder.exists() else []

    def platform(self, name="data-mill"):
        return self.home / "mill" / "platforms" / f"native.{name}"

    def environment(self, *args):
        """What `env` prints, as a dict."""
        return self.run("env", "--format", "json", *args).json

    def processes(self):
        """(pid, argv) of every live process whose environment or command names this home."""
        mark, found = str(self.home / "mill").encode(), []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    command = (entry / "cmdline").read_bytes()
                    if mark in command or mark in (entry / "environ").read_bytes():
                        found.append((int(entry.name), command.replace(b"\0", b" ").decode(errors="replace")))
                except OSError:
                    continue
        return found

    def clean(self):
        """Ends what this home still runs (by pid, each checked to be ours) and removes it."""
        for folder in self.platforms():
            self.run("down", "--platform", folder.name, check=False, timeout=120)
        for sig in (signal.SIGTERM, signal.SIGKILL):
            left = self.processes()
            for pid, _ in left:
                try:
                    os.kill(pid, sig)
                except ProcessLookupError:
                    pass
            if left:
                time.sleep(0.5)
        shutil.rmtree(self.home, ignore_errors=True)


def wait_for(condition, seconds=20, what="condition"):
    """Polls until true; the only waiting in these tests that is not the program's own."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what}: not within {seconds} s")


@pytest.fixture
def mill(request):
    """A program with an empty home, and the shared store."""
    m = Mill(tempfile.mkdtemp(prefix="mill-"))
    yield m
    m.clean()


@pytest.fixture(scope="module")
def module_mill():
    m = Mill(tempfile.mkdtemp(prefix="mill-"))
    yield m
    m.clean()
