"""Supervision beside supervisord and runit, in one run: memory, wake-ups, 100 services to running, death to restart.

Prints rows `what<TAB>figure<TAB>..`.  Peers that are not installed are named and left out.
Each server's own files are written before the clock starts; a process counts once it is executed.
"""

import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROGRAM = Path(sys.argv[1]).resolve()
os.environ["MILL_BUILD"] = str(PROGRAM.parents[1])
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "faults"))
from platform_fixture import Place, until  # noqa: E402

COUNT = 100
ROUNDS = int(os.environ.get("MILL_BENCH_ROUNDS", "5"))
KILLS = 10
DELAY_MS = 20
IDLE_S = 10

PAUSE = "#include <unistd.h>\nint main(void) { for (;;) pause(); }\n"
# Appends the monotonic clock to a file, then waits: when the successor runs is told by itself.
STAMP = """#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	char text[32];
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	int fd = open(argv[1], O_WRONLY | O_APPEND | O_CREAT, 0666);
	if (argc != 2 || write(fd, text, (size_t)sprintf(text, "%lld\\n", t.tv_sec * 1000000000LL + t.tv_nsec)) < 0)
		return 1;
	for (;;)
		pause();
}
"""


def compiled(folder, name, source):
    (folder / f"{name}.c").write_text(source)
    subprocess.run(["cc", "-O2", "-static", "-o", folder / name, folder / f"{name}.c"], check=True)
    return folder / name


def row(*cells):
    print("\t".join(str(c) for c in cells), flush=True)


# ---- memory and wake-ups ----


def pss_kib(pid):
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def switches(pid):
    text = Path(f"/proc/{pid}/status").read_text()
    return sum(int(line.split()[1]) for line in text.splitlines() if "ctxt_switches" in line)


def footprint(tools):
    program = compiled(tools, "pause", PAUSE)
    bare = [subprocess.Popen([program]) for _ in range(30)]
    time.sleep(0.5)
    plain = sum(pss_kib(p.pid) for p in bare)
    for p in bare:
        p.kill()
        p.wait()
    with Place() as p:
        ids = [f"sleeper-{n}.main" for n in range(30)]
        for i in ids:
            p.service(i, ["sleep", "infinity"])
        p.start_daemon()
        p.start(*ids)
        p.wait(*ids)
        time.sleep(2)
        ours = [pid for pid, kind in p.processes().items() if kind != "service"]
        memory = sum(pss_kib(pid) for pid in ours)
        daemon = pss_kib(p.record()["pid"])
        before = sum(switches(pid) for pid in ours)
        time.sleep(IDLE_S)
        wakeups = sum(switches(pid) for pid in ours) - before
    row("daemon and 30 shims", f"{memory / 1024:.2f} MiB PSS", f"of it the daemon {daemon / 1024:.2f}")
    row("30 bare static processes", f"{plain / 1024:.2f} MiB PSS")
    row(f"wake-ups of the daemon and 30 shims, idle {IDLE_S} s", wakeups)


# ---- 100 services to running ----


def count_sleepers(mark):
    want, n = (f"sleep\0{mark}\0".encode(), f"/usr/bin/sleep\0{mark}\0".encode()), 0
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as f:
                    n += f.read(64) in want
            except OSError:
                pass
    return n


def until_running(mark, began):
    while count_sleepers(mark) < COUNT:
        if time.perf_counter() - began > 60:
            sys.exit("60 s were not enough")
        time.sleep(0.002)
    return time.perf_counter() - began


def data_mill_daemon(tools, mark):
    with Place() as p:
        ids = [f"sleeper-{n}.main" for n in range(COUNT)]
        for i in ids:
            p.service(i, ["sleep", mark])
        began = time.perf_counter()
        p.start_daemon()
        with p.connect() as c:
            c.id += 1
            c.sock.sendall(('{"v": 1, "id": 1, "op": "start", "services": %s}\n' % str(ids).replace("'", '"')).encode())
            return until_running(mark, began)


def project(folder, mark):
    """Ten components of ten services."""
    names = [f"sleepers-{n}" for n in range(COUNT // 10)]
    (folder / "flavours").mkdir(parents=True)
    (folder / "flavours/default.yaml").write_text(
        f"project:\n  k8s_namespace: bench-start\n  k8s_default_config: native.yaml\n  flavour: [{', '.join(names)}]\n"
    )
    (folder / "data-mill.yaml").write_text("")
    for name in names:
        at = folder / "components" / name
        at.mkdir(parents=True)
        services = "".join(f'  s{n}:\n    command: [/usr/bin/sleep, "{mark}"]\n    resources: {{memory: 2Mi}}\n' for n in range(10))
        at.joinpath("component.yaml").write_text(f'schema: 1\nname: {name}\ncategory: support\nsummary: sleeps\nversion: "1"\nservices:\n{services}')


def data_mill_up(tools, mark):
    """The whole command: reading, planning, writing every service's files, the daemon, the starts."""
    home = Path(tempfile.mkdtemp(prefix="mill-bench-"))
    home.chmod(0o711)
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", "DATA_MILL_HOME": str(home / "mill")}
    project(home / "project", mark)
    try:
        began = time.perf_counter()
        up = subprocess.Popen([PROGRAM, "up", "--quiet"], env=env, cwd=home / "project", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        while count_sleepers(mark) < COUNT:
            if up.poll():
                sys.exit(f"data-mill up: exit {up.returncode}")
            if time.perf_counter() - began > 60:
                sys.exit("60 s were not enough")
            time.sleep(0.002)
        took = time.perf_counter() - began
        up.wait()
        return took
    finally:
        subprocess.run([PROGRAM, "destroy", "--yes", "--delete-data", "--quiet"], env=env, cwd=home / "project", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        shutil.rmtree(home, ignore_errors=True)


def ended(process, sig):
    process.send_signal(sig)
    process.wait(60)


def supervisord_conf(at, programs):
    head = f"[supervisord]\nnodaemon=true\nlogfile={at}/log\npidfile={at}/pid\nchildlogdir={at}\nuser={os.environ.get('USER') or 'root'}\n"
    (at / "conf").write_text((head if os.getuid() == 0 else head.rsplit("user=", 1)[0]) + programs)


def supervisord(tools, mark):
    with tempfile.TemporaryDirectory() as folder:
        supervisord_conf(Path(folder), f"[program:sleeper]\ncommand=sleep {mark}\nnumprocs={COUNT}\nprocess_name=%(process_num)d\nstartsecs=0\n")
        began = time.perf_counter()
        s = subprocess.Popen(["supervisord", "-c", f"{folder}/conf"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            return until_running(mark, began)
        finally:
            ended(s, signal.SIGTERM)


def runit_service(at, command):
    at.mkdir(parents=True)
    (at / "run").write_text(f"#!/bin/sh\nexec {command}\n")
    (at / "run").chmod(0o755)


def runit(tools, mark):
    with tempfile.TemporaryDirectory() as folder:
        for n in range(COUNT):
            runit_service(Path(folder) / f"s{n}", f"sleep {mark}")
        began = time.perf_counter()
        s = subprocess.Popen(["runsvdir", "-P", folder], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            return until_running(mark, began)
        finally:
            end_runit(s, folder)


def end_runit(s, folder):
    """HUP: runsvdir tells every runsv to end its service, and goes; they follow."""
    ended(s, signal.SIGHUP)
    until(lambda: not in_folder(folder), 30, what="runsv processes to end")


def in_folder(folder):
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                if os.readlink(f"/proc/{entry}/cwd").startswith(folder):
                    found.append(int(entry))
            except OSError:
                pass
    return found


# ---- death to restart ----


def stamps(path):
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def restarts(path, pid_of, calm):
    """Milliseconds from each kill to the successor's first instruction."""
    times = []
    until(lambda: stamps(path), what="the first start")
    for n in range(1, KILLS + 1):
        time.sleep(calm)
        pid = pid_of()
        killed = time.monotonic_ns()
        os.kill(pid, signal.SIGKILL)
        until(lambda: len(stamps(path)) > n, 20, every=0.001, what="another start")
        times.append((stamps(path)[n] - killed) / 1e6)
    return times


def child_running(program):
    def find():
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    if os.readlink(f"/proc/{entry}/exe") == str(program):
                        return int(entry)
                except OSError:
                    pass
        return 0

    return lambda: until(find, what="the process")


def restart_data_mill(program):
    with Place() as p:
        folder = p.service("a.main", [program, "starts"], restart={"policy": "always", "delay_ms": DELAY_MS, "max_delay_ms": DELAY_MS, "limit": 0, "window_ms": 1000})
        p.start_daemon()
        p.start("a.main")
        return [t - DELAY_MS for t in restarts(folder / "data/starts", lambda: p.shim_status("a.main")["main"]["pid"], 0.5)]


def restart_supervisord(program):
    with tempfile.TemporaryDirectory() as folder:
        supervisord_conf(Path(folder), f"[program:a]\ncommand={program} {folder}/starts\nstartsecs=0\nautorestart=true\n")
        s = subprocess.Popen(["supervisord", "-c", f"{folder}/conf"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            return restarts(Path(folder) / "starts", child_running(program), 0.5)
        finally:
            ended(s, signal.SIGTERM)


def restart_runit(program):
    with tempfile.TemporaryDirectory() as folder:
        runit_service(Path(folder) / "sv/a", f"{program} {folder}/starts")
        s = subprocess.Popen(["runsvdir", "-P", f"{folder}/sv"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            # a service that ran for less than a second is held back by one
            return restarts(Path(folder) / "starts", child_running(program), 1.2)
        finally:
            end_runit(s, folder)


PEERS = {"supervisord": "supervisord", "runit": "runsvdir"}


def installed(name):
    return name not in PEERS or shutil.which(PEERS[name])


def main():
    with tempfile.TemporaryDirectory(prefix="mill-bench-") as folder:
        tools = Path(folder)
        tools.chmod(0o755)
        footprint(tools)
        row("")
        row(f"{COUNT} `sleep` services to running", "median ms", "min ms", "ratio")
        runs = {"data-mill daemon": data_mill_daemon, "data-mill up": data_mill_up, "supervisord": supervisord, "runit": runit}
        took = {name: [] for name in runs if installed(name)}
        for n in range(ROUNDS):
            for name in took:
                took[name].append(runs[name](tools, f"{864000 + n}.{list(runs).index(name)}") * 1e3)
        first = statistics.median(took["data-mill daemon"])
        for name, times in took.items():
            row(name, f"{statistics.median(times):.0f}", f"{min(times):.0f}", f"{statistics.median(times) / first:.2f}")
        row("")
        row("death to restart, beyond the policy's delay", "median ms", "max ms")
        program = compiled(tools, "stamp", STAMP)
        for name, run in {"data-mill": restart_data_mill, "supervisord": restart_supervisord, "runit": restart_runit}.items():
            if installed(name):
                times = run(program)
                row(name, f"{statistics.median(times):.1f}", f"{max(times):.1f}")
        for name in PEERS:
            if not installed(name):
                row(f"{name} is not installed: left out")


main()
