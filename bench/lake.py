"""`data push` of 10,000 files of 4 KiB to the platform's own MinIO, beside s5cmd and rclone, in one run.

Each round pushes the same folder into a new bucket with each client in turn, then again with nothing changed.
Prints rows `what<TAB>median s<TAB>min s<TAB>client's CPU s<TAB>ratio of the medians to data-mill's`.
The server's data is in memory where /dev/shm has room: on a disk its syncs are what all clients wait for.
"""

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROGRAM = Path(sys.argv[1]).resolve()
FILES = int(os.environ.get("MILL_BENCH_FILES", "10000"))
ROUNDS = int(os.environ.get("MILL_BENCH_ROUNDS", "3"))
ROOM = 3 << 30

FLAVOUR = """project:
  k8s_namespace: bench-lake
  k8s_default_config: native.yaml
  flavour: minio
"""


def roomy_folder():
    shm = Path("/dev/shm")
    if shm.is_dir() and os.access(shm, os.W_OK) and shutil.disk_usage(shm).free > ROOM:
        return str(shm)
    return None


def shared_store():
    home = os.environ.get("MILL_TEST_HOME") or ("/var/cache/data-mill-test" if os.getuid() == 0 else Path.home() / ".cache/data-mill-test")
    return {"DATA_MILL_STORE": f"{home}/store", "DATA_MILL_CACHE": f"{home}/cache"}


def mill(env, *args):
    done = subprocess.run([str(PROGRAM), *args], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"data-mill {' '.join(args)}: exit {done.returncode}: {done.stderr}")
    return done.stdout


def lake_environment(env):
    lines = mill(env, "env", "--format", "dotenv", "--platform", "native.bench-lake").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def unquoted(value):
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value


def make_files(folder):
    for i in range(FILES):
        at = folder / f"{i // 500:03d}"
        at.mkdir(parents=True, exist_ok=True)
        (at / f"{i:06d}.bin").write_bytes(os.urandom(4096))


def timed(command, env):
    """Wall and CPU seconds of a client that must succeed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    done = subprocess.run(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        sys.exit(f"{command[0]}: exit {done.returncode}: {done.stderr.decode()[-2000:]}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def clients(env, s3, folder):
    """name -> (command that makes the bucket or None, first push, push again)"""
    found = {"data-mill": lambda b: (None, [str(PROGRAM), "data", "push", "--platform", "native.bench-lake", str(folder), b], None)}
    s5cmd, rclone = shutil.which("s5cmd"), shutil.which("rclone")
    if s5cmd:
        base = [s5cmd, "--endpoint-url", s3["AWS_ENDPOINT_URL_S3"], "--log", "error"]
        found["s5cmd"] = lambda b: (
            [*base, "mb", f"s3://{b}"],
            [*base, "cp", f"{folder}/", f"s3://{b}/"],
            [*base, "sync", f"{folder}/", f"s3://{b}/"],
        )
    if rclone:
        options = ["--s3-provider", "Minio", "--s3-endpoint", s3["AWS_ENDPOINT_URL_S3"], "--s3-env-auth", "-q"]
        options += ["--transfers", "32", "--checkers", "32"]
        found["rclone"] = lambda b: (None, [rclone, "copy", str(folder), f":s3:{b}", *options], None)
    return found


def run(home, folder, env):
    (home / "flavours").mkdir()
    (home / "flavours" / "bench-lake.yaml").write_text(FLAVOUR)
    flavour = str(home / "flavours" / "bench-lake.yaml")
    mill(env, "up", "-f", flavour, "--yes")
    try:
        mill(env, "wait", "--platform", "native.bench-lake")
        s3 = {k.removeprefix("export "): unquoted(v) for k, v in lake_environment(env).items()}
        peer_env = {k: v for k, v in env.items() if k != "AWS_CA_BUNDLE"} | s3
        results = {}
        for n in range(ROUNDS):
            for name, commands in clients(env, s3, folder).items():
                make, first, again = commands(f"bench-{name}-{n}")
                if make:
                    timed(make, peer_env)
                results.setdefault(("first push", name), []).append(timed(first, peer_env))
                results.setdefault(("nothing changed", name), []).append(timed(again or first, peer_env))
        return results
    finally:
        mill(env, "destroy", "--yes", "--delete-data", "--platform", "native.bench-lake")


def main():
    with tempfile.TemporaryDirectory(prefix="data-mill-bench-", dir=roomy_folder()) as home, tempfile.TemporaryDirectory() as data:
        os.chmod(home, 0o711)
        env = dict(os.environ) | {"HOME": home, "DATA_MILL_HOME": f"{home}/mill", "NO_COLOR": "1"}
        if "DATA_MILL_STORE" not in env:
            env |= shared_store()
        folder = Path(data)
        make_files(folder)
        results = run(Path(home), folder, env)
    print(f"{FILES} files of 4 KiB\tmedian s\tmin s\tCPU s\tratio")
    for (what, name), times in sorted(results.items()):
        walls = [wall for wall, _ in times]
        ours = statistics.median(wall for wall, _ in results[(what, "data-mill")])
        cpu = statistics.median(used for _, used in times)
        print(f"{what}, {name}\t{statistics.median(walls):.2f}\t{min(walls):.2f}\t{cpu:.2f}\t{statistics.median(walls) / ours:.2f}")


main()
