"""The lake from the command line, against each real server: mirrored trees, conflicts, interruptions."""

import os
import random
import signal
import time

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from conftest import wait_for

FLAVOUR = """project:
  k8s_namespace: lake-{server}
  k8s_default_config: native.yaml
  flavour: {server}
"""
NAMES = ["plain.txt", "with space.csv", "ünï/☃ snow.txt", "plus+and%20percent", "a/b/c/d/e.json", "empty", "quotes'\"&<>.xml", "tilde~!()*,;=@"]


class Lake:
    def __init__(self, mill, server, folder):
        self.mill, self.name, self.folder = mill, f"native.lake-{server}", folder
        flavour = folder / "flavours" / "lake.yaml"
        flavour.parent.mkdir()
        flavour.write_text(FLAVOUR.format(server=server))
        mill("up", "-f", flavour, "--yes")
        mill("wait", "--platform", self.name)
        env = mill.environment("--platform", self.name)
        self.endpoint = env["AWS_ENDPOINT_URL_S3"]
        self.s3 = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}),
        )

    def data(self, *args, **kw):
        return self.mill("data", *args, "--platform", self.name, **kw)

    def push(self, *args, **kw):
        return self.data("push", *args, "--json", **kw)

    def objects(self, bucket, prefix=""):
        found = {}
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for o in page.get("Contents", []):
                found[o["Key"][len(prefix) :]] = self.s3.get_object(Bucket=bucket, Key=o["Key"])["Body"].read()
        return found


@pytest.fixture(scope="module", params=["versitygw", "minio"])
def lake(request, module_mill, tmp_path_factory):
    return Lake(module_mill, request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture
def tree(tmp_path):
    rng = random.Random(1)
    folder = tmp_path / "a tree"
    for name in NAMES:
        write(folder, name, b"" if name == "empty" else rng.randbytes(rng.randrange(1, 5000)))
    for i in range(300):
        write(folder, f"many/{i % 7}/{i:04d}.bin", rng.randbytes(100 + i))
    write(folder, "large.bin", rng.randbytes(35 * 1024 * 1024 + 17))
    return folder


@pytest.fixture
def bucket(request, lake):
    return request.node.originalname.replace("_", "-")[:60].lower()


def write(folder, name, content):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def files(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def actions(report):
    return {i["path"]: i["action"] for i in report["items"]}


def test_a_tree_goes_there_and_back(lake, tree, bucket, tmp_path):
    report = lake.push(tree, f"{bucket}/in/here").json
    assert report["upload"] == len(files(tree)) and report["fail"] == 0
    assert lake.objects(bucket, "in/here/") == files(tree)
    report = lake.push(tree, f"{bucket}/in/here/").json
    assert report["unchanged"] == len(files(tree)) and report["bytes"] == 0
    back = tmp_path / "back"
    lake.data("pull", f"{bucket}/in/here", back)
    assert files(back) == files(tree)
    assert not [p for p in back.rglob(".data-mill-tmp*")]
    assert lake.data("diff", tree, f"{bucket}/in/here").out.strip() == ""
    assert lake.data("cat", f"{bucket}/in/here/large.bin", text=False).out == (tree / "large.bin").read_bytes()


def test_what_changed_in_the_lake_is_kept(lake, bucket, tmp_path):
    folder = tmp_path / "f"
    for name in ("mine", "theirs", "both"):
        write(folder, name, b"1")
    lake.push(folder, bucket)
    write(folder, "mine", b"22")
    write(folder, "both", b"22")
    write(folder, "foreign", b"mine")
    for name in ("theirs", "both", "foreign"):
        lake.s3.put_object(Bucket=bucket, Key=name, Body=b"changed there")
    result = lake.push(folder, bucket, code=1)
    assert actions(result.json) == {"mine": "upload", "theirs": "conflict", "both": "conflict", "foreign": "conflict"}
    assert "--force" in result.err
    assert lake.objects(bucket) == {"mine": b"22", "theirs": b"changed there", "both": b"changed there", "foreign": b"changed there"}
    out = lake.data("diff", folder, bucket).out
    assert {line.split()[1]: line[0] for line in out.splitlines()} == {"theirs": "<", "both": "!", "foreign": "!"}
    lake.push(folder, bucket, "--force")
    assert lake.objects(bucket) == files(folder)


def test_delete_dry_run_and_exclude(lake, bucket, tmp_path):
    folder = tmp_path / "f"
    for name in ("stay", "go", "log/a.log", "tmp/x"):
        write(folder, name, name.encode())
    assert lake.push(folder, bucket, "--exclude", "*.log", "--exclude", "tmp/").json["upload"] == 2
    lake.s3.put_object(Bucket=bucket, Key="stranger", Body=b"x")
    (folder / "go").unlink()
    report = lake.push(folder, bucket, "--delete", "--dry-run", "--exclude", "log", "--exclude", "tmp").json
    assert actions(report) == {"go": "delete", "stranger": "keep"}
    assert set(lake.objects(bucket)) == {"stay", "go", "stranger"}
    lake.push(folder, bucket, "--delete", "--exclude", "log", "--exclude", "tmp")
    assert set(lake.objects(bucket)) == {"stay", "stranger"}


def test_links_and_odd_names_are_listed(lake, bucket, tmp_path):
    folder = tmp_path / "f"
    write(folder, "ok", b"1")
    (folder / "link").symlink_to("/etc/passwd")
    os.mkfifo(folder / "pipe")
    with open(os.fsencode(folder) + b"/bad\xff", "wb"):
        pass
    result = lake.push(folder, bucket, code=1)
    assert result.json["upload"] == 1 and result.json["skip"] == 2 and result.json["fail"] == 1
    assert "UTF-8" in result.out


def test_interrupted_at_any_moment(lake, bucket, tmp_path):
    folder = tmp_path / "f"
    rng = random.Random(7)
    for i in range(400):
        write(folder, f"{i:04d}", rng.randbytes(3000))
    write(folder, "big", rng.randbytes(60 * 1024 * 1024))
    for sig, delay in [(signal.SIGINT, 0.05), (signal.SIGKILL, 0.15), (signal.SIGINT, 0.3), (signal.SIGKILL, 0.5), (signal.SIGTERM, 0.2)]:
        run = lake.mill.popen("data", "push", folder, bucket, "--platform", lake.name)
        time.sleep(delay)
        run.send_signal(sig)
        out, _ = run.communicate(timeout=60)
        assert run.returncode in (0, 130, -sig, 128 + sig), out
    result = lake.push(folder, bucket)
    assert result.json["conflict"] == 0
    assert lake.objects(bucket) == files(folder)
    assert not lake.s3.list_multipart_uploads(Bucket=bucket).get("Uploads"), "an unfinished upload is left"


def test_one_push_at_a_time(lake, bucket, tmp_path):
    folder = tmp_path / "f"
    write(folder, "big", os.urandom(150 * 1024 * 1024))
    first = lake.mill.popen("data", "push", folder, bucket, "--platform", lake.name)
    lock = next(iter(wait_for(lambda: list((lake.mill.home / "mill/platforms" / lake.name / "lake").glob(f"{bucket}*.lock")), what="the lock")))
    assert lock.exists()
    second = lake.data("push", folder, bucket, check=False)
    out, _ = first.communicate(timeout=60)
    assert first.returncode == 0, out
    assert second.code == 0 or "another run" in second.err


def test_keys_that_lead_out_are_refused(lake, bucket, tmp_path):
    lake.data("mb", bucket)
    for key in ["../evil", "a//b", "/abs", "ok"]:
        try:
            lake.s3.put_object(Bucket=bucket, Key=key, Body=b"x")
        except ClientError:
            pass  # the server refuses it already, or (over plain files) makes another key of it
    folder = tmp_path / "deep" / "f"
    folder.parent.mkdir()
    result = lake.data("pull", bucket, folder, "--json", check=False)
    assert files(folder)["ok"] == b"x", result
    assert all(name.startswith("deep/f/") for name in files(tmp_path))


def test_small_commands(lake, bucket, tmp_path):
    lake.data("mb", bucket)
    assert "already" in lake.data("mb", bucket).err
    assert bucket in lake.data("ls").out
    lake.s3.put_object(Bucket=bucket, Key="d/x", Body=b"hello")
    listing = lake.data("ls", f"{bucket}/d/", "--json").json
    assert [(o["name"], o["size"]) for o in listing] == [("d/x", 5)]
    assert lake.data("cat", f"{bucket}/d/x").out == "hello"
    assert lake.data("cat", f"{bucket}/nope", code=1).err.count("NoSuchKey") == 1
    lake.data("rm", bucket, "--yes", code=2)
    lake.data("rm", f"{bucket}/d/x")
    assert lake.objects(bucket) == {}
    lake.s3.put_object(Bucket=bucket, Key="e/y", Body=b"1")
    lake.data("rm", "-r", bucket, "--yes")
    assert bucket not in lake.data("ls").out
    assert lake.data("ls", "No_Bucket", code=2).err


def test_no_credential_in_argv_or_output(lake, bucket, tmp_path):
    secret = lake.mill.environment("--platform", lake.name)["AWS_SECRET_ACCESS_KEY"]
    write(tmp_path / "f", "big", os.urandom(80 * 1024 * 1024))
    run = lake.mill.popen("data", "push", tmp_path / "f", bucket, "--verbose", "--platform", lake.name)
    seen = ""
    while run.poll() is None:
        try:
            with open(f"/proc/{run.pid}/cmdline", "rb") as file:
                seen += file.read().decode(errors="replace")
        except OSError:
            break
        time.sleep(0.01)
    out, _ = run.communicate()
    assert run.returncode == 0, out
    assert secret not in out and secret not in seen
