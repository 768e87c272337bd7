"""A fresh clone, by root in its own home and by an ordinary user: two commands, nothing else.

The store of the other tests is shared (read-only for the user), so that nothing is compiled a third time.
"""

import os
import pwd
import shutil
import subprocess
import uuid
from pathlib import Path

import pytest
from conftest import CLIENT_SETTINGS, ROOT, TEST_HOME, Mill

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="needs root to become another user")


def clone(target):
    subprocess.run(["git", "clone", "-q", str(ROOT), str(target)], check=True)
    # what is not committed yet is tested, too
    changed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-mo", "--exclude-standard", "-z"], check=True, capture_output=True, text=True
    ).stdout
    for name in filter(None, changed.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


@pytest.fixture
def user():
    name = "mill-" + uuid.uuid4().hex[:8]
    subprocess.run(["useradd", "--create-home", "--shell", "/bin/bash", name], check=True)
    yield pwd.getpwnam(name)
    home = Path(pwd.getpwnam(name).pw_dir)
    subprocess.run(["userdel", "--remove", "--force", name], check=True, capture_output=True)
    assert not home.exists()


def as_user(user, command, timeout=1500, check=True):
    keep = [f"{k}={v}" for k, v in os.environ.items() if CLIENT_SETTINGS.match(k)]
    done = subprocess.run(
        ["su", "-", user.pw_name, "-c", command if not keep else "env " + " ".join(f"'{k}'" for k in keep) + f" sh -c '{command}'"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert not check or done.returncode == 0, f"{command}\n{done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def owned_processes(user):
    """Command lines; what has ended and waits for init to take notice has none."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and entry.stat().st_uid == user.pw_uid:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                if (entry / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX":
                    found.append(command)
        except OSError:
            continue
    return found


@pytest.fixture
def warm_store(mill):
    """Both entries of the small flavour are in the shared store."""
    mill("install", "-f", "small")


def test_an_ordinary_user_from_a_fresh_clone(user, warm_store):
    folder = Path(user.pw_dir) / "data-mill"
    clone(folder)
    subprocess.run(["chown", "-R", f"{user.pw_uid}:{user.pw_gid}", str(folder)], check=True)
    go = f"cd {folder} && export DATA_MILL_STORE={TEST_HOME}/store && ./run.sh"
    try:
        first = as_user(user, f"{go} -l -s -i -f flavours/small.yaml")
        assert "ready" in first.stdout, first.stdout
        running = owned_processes(user)
        assert any("versitygw" in command for command in running), "services run as the user"
        as_user(user, f"{go} plan -f small --detailed-exitcode")
        as_user(user, f"{go} test -f small")
        assert "iris/iris.csv" in as_user(user, f"{go} data ls -r data/").stdout
        state = Path(user.pw_dir) / ".local" / "share" / "data-mill" / "platforms" / "native.small"
        assert state.is_dir() and state.stat().st_mode & 0o077 == 0
    finally:
        as_user(user, f"{go} destroy --yes --delete-data --platform native.small", check=False)
    assert not owned_processes(user)
    assert not state.exists()


def test_root_runs_nothing_but_shims_and_the_daemon(warm_store):
    """From a clone below /root, which nobody else can read."""
    home = Path("/root") / f".mill-test-{uuid.uuid4().hex[:8]}"
    state = Path("/var/lib") / f"data-mill-test-{uuid.uuid4().hex[:8]}"
    home.mkdir(mode=0o700)
    clone(home / "data-mill")
    mill = Mill(state, program=home / "data-mill" / "run.sh", cwd=home / "data-mill")
    try:
        mill("-lsi", "-f", "flavours/small.yaml")
        root_owned = [command for pid, command in mill.processes() if os.stat(f"/proc/{pid}").st_uid == 0]
        assert root_owned and all("data-mill-shim" in c or "data-mill-daemon" in c for c in root_owned), root_owned
        assert any("versitygw" in c for pid, c in mill.processes() if os.stat(f"/proc/{pid}").st_uid != 0)
        mill("test", "-f", "small")
        mill("destroy", "--yes", "--delete-data")
        assert not mill.processes()
    finally:
        mill.clean()
        shutil.rmtree(home)
