"""data-mill-entry, the first process of every pod, without a pod: its root is a folder."""

import json
import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import conftest
import pytest

ENTRY = conftest.BUILD / "src" / "data-mill-entry"
PYTHON = "/usr/bin/python3"


class Pod:
    def __init__(self, root):
        self.root = Path(root)
        for name in ("in/config", "in/secret"):
            (self.root / name).mkdir(parents=True)
        self.spec = {"v": 1, "id": "a.server", "command": ["/bin/true"], "cwd": str(self.root)}
        self.env = {"PATH": os.environ["PATH"], "DATA_MILL_ENTRY_ROOT": str(self.root)}

    def write(self, **more):
        (self.root / "in/config/entry.json").write_text(json.dumps(self.spec | more))

    def run(self, *args, input=None, timeout=30):
        return subprocess.run([str(ENTRY), *args], env=self.env, input=input, capture_output=True, text=True, timeout=timeout)

    def popen(self, *args):
        return subprocess.Popen([str(ENTRY), *args], env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.fixture
def pod(tmp_path):
    return Pod(tmp_path / "pod")


def test_files_and_folders_are_laid_out(pod):
    (pod.root / "in/secret/f0").write_text("hush")
    (pod.root / "in/config/f1").write_text("plain")
    pod.write(folders=["data/objects"], files=[{"path": "config/deep/s", "mode": "0600", "from": "secret/f0"}, {"path": "config/p", "mode": "0644", "from": "config/f1"}])
    assert pod.run("run").returncode == 0
    assert (pod.root / "config/deep/s").read_text() == "hush" and (pod.root / "config/deep/s").stat().st_mode & 0o777 == 0o600
    assert (pod.root / "config/p").stat().st_mode & 0o777 == 0o644
    assert (pod.root / "data/objects").is_dir() and (pod.root / "run/tmp").is_dir()


@pytest.mark.parametrize("bad", [
    {"files": [{"path": "../x", "from": "config/f"}]},
    {"files": [{"path": "data/x", "content": ""}]},
    {"files": [{"path": "config/x", "from": "../../etc/passwd"}]},
    {"folders": ["../../x"]},
    {"command": []},
    {"tasks": [{"name": "../x", "command": ["/bin/true"], "fingerprint": "f"}]},
    {"tasks": [{"name": "x", "fingerprint": "f"}]},
])
def test_nothing_leaves_the_pods_folder(pod, bad):
    pod.write(**bad)
    done = pod.run("tasks" if "tasks" in bad else "run")
    assert done.returncode == 1 and done.stderr.startswith("data-mill: "), done


def test_the_exit_code_is_the_services(pod):
    for code in (0, 3):
        pod.write(command=["/bin/sh", "-c", f"exit {code}"])
        assert pod.run("run").returncode == code
    pod.write(command=["/bin/sh", "-c", "kill -SEGV $$"])
    assert pod.run("run").returncode == 128 + signal.SIGSEGV
    pod.write(command=["/no/such/program"])
    done = pod.run("run")
    assert done.returncode == 1 and "/no/such/program" in done.stderr


def test_term_becomes_the_services_own_signal(pod):
    pod.write(command=[PYTHON, "-c", "import signal,sys,time\nsignal.signal(signal.SIGINT, lambda *_: sys.exit(7))\nprint('up', flush=True)\ntime.sleep(60)"], stop={"signal": signal.SIGINT})
    process = pod.popen("run")
    assert process.stdout.readline() == "up\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 7


def test_orphans_are_reaped(pod):
    code = "import os,time\nfor _ in range(20):\n  if os.fork() == 0:\n    if os.fork() == 0: os._exit(0)\n    os._exit(0)\n  os.wait()\ntime.sleep(1)\nme=os.getppid()\nprint(len([p for p in os.listdir('/proc') if p.isdigit() and open('/proc/%s/stat' % p).read().split()[3] == str(me)]))"
    pod.write(command=[PYTHON, "-c", code])
    done = pod.run("run")
    assert done.returncode == 0 and int(done.stdout) == 1, done


def test_ready_when_the_log_says_so(pod):
    pod.write(command=[PYTHON, "-c", "import time\nprint('warming', flush=True)\ninput_=open('go') if False else None\nimport os\nwhile not os.path.exists('go'): time.sleep(0.02)\nprint('now serving port 1', flush=True)\ntime.sleep(60)"], ready={"type": "log", "pattern": "now serving port [0-9]+"})
    process = pod.popen("run")
    assert process.stdout.readline() == "warming\n"
    assert pod.run("ready").returncode == 1
    (pod.root / "go").write_text("")
    assert process.stdout.readline() == "now serving port 1\n"
    conftest.wait_for(lambda: pod.run("ready").returncode == 0, 10, "ready")
    process.terminate()
    process.wait(10)
    # the next container of the pod starts unready
    (pod.root / "go").unlink()
    process = pod.popen("run")
    process.stdout.readline()
    assert pod.run("ready").returncode == 1
    process.terminate()
    process.wait(10)


def test_ready_when_it_notifies(pod):
    code = "import os,socket,time\ns=socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\ns.sendto(b'STATUS=x\\nREADY=1', os.environ['NOTIFY_SOCKET'])\ntime.sleep(60)"
    pod.write(command=[PYTHON, "-c", code], ready={"type": "notify"})
    process = pod.popen("run")
    conftest.wait_for(lambda: pod.run("ready").returncode == 0, 10, "ready")
    process.terminate()
    process.wait(10)


def test_ready_by_an_unusual_status(pod):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen(8)
        port, answers = s.getsockname()[1], [b"HTTP/1.1 401 No\r\n\r\n", b"HTTP/1.1 500 Bad\r\n\r\n", b"", b"garbage that is no answer at all, and long enough to be read as one"]

        def serve():
            for answer in answers:
                c, _ = s.accept()
                c.recv(4096)
                c.sendall(answer)
                c.close()

        threading.Thread(target=serve, daemon=True).start()
        pod.write(ready={"type": "http", "port": port, "path": "/", "status": [200, 401]})
        assert [pod.run("ready").returncode for _ in answers] == [0, 1, 1, 1]
    assert pod.run("ready").returncode == 1


def test_it_waits_for_siblings(pod):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    pod.write(command=["/bin/echo", "after"], wait=[{"host": "127.0.0.1", "port": port}])
    process = pod.popen("run")
    assert process.stdout.readline() == f"data-mill: waiting for 127.0.0.1:{port}\n"
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", port))
        s.listen()
        assert process.stdout.readline() == "after\n"
    assert process.wait(10) == 0


def test_a_task_runs_once_a_fingerprint(pod):
    (pod.root / "in/secret/ask").write_text('{"hook": "task"}')
    (pod.root / "in/secret/env").write_text('{"WORD": "hush"}')
    task = {"name": "init", "fingerprint": "one", "command": ["/bin/sh", "-c", "echo ran $WORD $(cat) >> data/ran"], "cwd": str(pod.root), "input": "secret/ask",
            "secret": "secret/env", "environment": {"PATH": os.environ["PATH"]}}
    pod.write(tasks=[task])
    for _ in range(2):
        assert pod.run("tasks").returncode == 0
    assert (pod.root / "data/ran").read_text() == 'ran hush {"hook": "task"}\n'
    pod.write(tasks=[task | {"fingerprint": "two"}])
    assert pod.run("tasks").returncode == 0
    assert (pod.root / "data/ran").read_text().count("ran") == 2
    pod.write(tasks=[task | {"fingerprint": "three", "command": ["/bin/sh", "-c", "echo no room; exit 4"]}])
    failed = pod.run("tasks")
    assert failed.returncode == 1 and "task init: exit code 4" in failed.stderr and "init: no room" in failed.stdout
    assert pod.run("tasks").returncode == 1  # not taken for done


def test_reload_writes_and_signals(pod):
    code = "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])\nprint('up', flush=True)\nsignal.sigwait([signal.SIGHUP])\nprint(open('config/x').read(), flush=True)\nsignal.pause()"
    pod.write(command=[PYTHON, "-c", code], reload={"signal": signal.SIGHUP})
    process = pod.popen("run")
    assert process.stdout.readline() == "up\n"
    assert pod.run("reload", input=json.dumps([{"path": "config/x", "content": "fresh"}])).returncode == 0
    line = process.stdout.readline()
    assert line == "fresh\n", line + process.stdout.read()
    assert pod.run("reload", input="no json").returncode == 1
    process.terminate()
    process.wait(10)


def test_a_hook_has_a_folder_and_a_small_environment(pod):
    pod.env["LEAK"] = "no"
    done = pod.run("hook", PYTHON, "-c", "import os,sys; print(sorted(os.environ), os.getcwd() == os.environ['HOME'], sys.stdin.read())", input="question")
    assert done.returncode == 0 and "'LEAK'" not in done.stdout and done.stdout.strip().endswith("True question"), done
    assert pod.run("hook", "/no/such").returncode == 1


def test_put_and_get(pod, tmp_path):
    path = tmp_path / "file"
    assert pod.run("put", str(path), input="bytes\n").returncode == 0
    assert pod.run("get", str(path)).stdout == "bytes\n"
    link = tmp_path / "link"
    link.symlink_to(path)
    assert pod.run("put", str(link), input="x").returncode == 1 and path.read_text() == "bytes\n"
    assert pod.run("get", str(link)).returncode == 1


def put(path, data, mtime=10**18, mode=0o644):
    return f"put {len(data)} {mtime} {mode} {path}\0".encode() + data


def mirror(folder, said, code=0):
    done = subprocess.run([str(ENTRY), "mirror", str(folder)], input=said, capture_output=True, timeout=30)
    assert done.returncode == code, done
    there, _, rest = (b"\0" + done.stdout).partition(b"\0\0")
    assert rest == (b"done\0" if code == 0 else b"")
    return {line.split(b" ", 2)[2].decode(): tuple(map(int, line.split(b" ", 2)[:2])) for line in there.split(b"\0") if line}, done.stderr.decode()


def tree(folder):
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


def test_mirror_makes_a_folder_what_is_sent(tmp_path):
    odd, large = "with space/\u00e4\n\"x", os.urandom(1 << 20)
    assert mirror(tmp_path, b"end\0") == ({}, "")
    mirror(tmp_path, put("a", b"one") + put(odd, b"") + put("deep/er/b", large, mode=0o755) + b"end\0")
    assert tree(tmp_path) == {"a": b"one", odd: b"", "deep/er/b": large}
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644 and (tmp_path / "deep/er/b").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "deep").stat().st_mode & 0o777 == 0o755
    there, _ = mirror(tmp_path, b"del deep/er/b\0del gone\0del gone/too\0" + put("a", b"two", 10**18 + 1) + put("deep", b"now a file") + b"end\0")
    assert there == {"a": (3, 10**18), odd: (0, 10**18), "deep/er/b": (1 << 20, 10**18)}
    assert tree(tmp_path) == {"a": b"two", odd: b"", "deep": b"now a file"}
    assert mirror(tmp_path, b"end\0")[0]["a"] == (3, 10**18 + 1)


@pytest.mark.parametrize("said", [
    put("../x", b""), put("/x", b""), put("a/../../x", b""), put("a//x", b""), put("", b""), put("a/", b""), put(".", b""), b"del ../x\0",
    put("link/x", b"y"), put("out", b"y", mode=0o4755), b"put 1 2\0", b"put -1 0 420 x\0", b"chmod x\0", b"x" * 10000,
])
def test_mirror_stays_in_its_folder(tmp_path, said):
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "link").symlink_to(tmp_path)
    (tmp_path / "x").write_text("outside")
    mirror(inside, said + b"end\0", code=1)
    assert (tmp_path / "x").read_text() == "outside" and os.listdir(inside) == ["link"] and sorted(os.listdir(tmp_path)) == ["inside", "x"]


def test_mirror_takes_no_half_file(tmp_path):
    """What was cut off is an error; what was there stays, and what came whole is there."""
    (tmp_path / "a").write_text("before")
    (tmp_path / ".data-mill-tmp").write_text("of somebody who was killed")
    there, said = mirror(tmp_path, put("b", b"whole") + put("a", b"x" * 1000)[:-1], code=1)
    assert list(there) == ["a"] and "ends in the middle" in said
    assert tree(tmp_path) == {"a": b"before", "b": b"whole"}


def test_usage(pod):
    for words in ((), ("dance",), ("run", "x"), ("hold", "x"), ("hold", "0"), ("put",)):
        assert pod.run(*words).returncode == 2, words


def test_hold_ends_at_term(pod):
    process = pod.popen("hold", "60")
    time.sleep(0.3)
    process.terminate()
    assert process.wait(5) == 0
