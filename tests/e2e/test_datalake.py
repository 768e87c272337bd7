"""The datalake flavour, from nothing to gone, with the real servers: the promise of the README, in order.

The tests of this file share one platform and build on each other.
"""

import os
import signal
import socket
from pathlib import Path

import boto3
import botocore.exceptions
import pytest
from conftest import ROOT, wait_for

DATA = ROOT / "data"


def client(env):
    return boto3.client(
        "s3",
        endpoint_url=env["AWS_ENDPOINT_URL_S3"],
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
        region_name=env["AWS_DEFAULT_REGION"],
    )


def services(mill):
    return {f"{s['component']}.{s['service']}": s for s in mill("status", "--json").json["services"]}


def local_files():
    return {str(p.relative_to(DATA)): p.read_bytes() for p in DATA.rglob("*") if p.is_file() and "__pycache__" not in p.parts}


@pytest.fixture(scope="module")
def lake(module_mill):
    """The original's flags, from a home that has nothing."""
    result = module_mill("-l", "-s", "-i", "-f", "flavours/datalake.yaml")
    module_mill.first = result
    return module_mill


def test_the_first_command_ends_with_every_component_ready(lake):
    out = lake.first.out
    assert "minio" in out and "dvc" in out and "ready" in out
    assert "pachyderm" in out, "the plan says who stands in"
    assert "credentials" in out, "the table says how to get at the credentials"
    assert {s["state"] for s in services(lake).values()} == {"ready"}


def test_no_secret_is_printed_or_in_an_argv(lake):
    password = lake.environment()["AWS_SECRET_ACCESS_KEY"]
    assert len(password) >= 22, "at least 128 bits"
    assert password not in lake.first.out + lake.first.err
    for pid, command in lake.processes():
        assert password not in command, command
    folder = lake.platform()
    for file in folder.rglob("*"):
        if file.is_file() and file.is_relative_to(folder / "secrets"):
            assert file.stat().st_mode & 0o077 == 0, file
        if file.name == "spec.json":
            assert password not in file.read_text(), file
        if file.is_file() and "log" in file.parts:
            assert password.encode() not in file.read_bytes(), file
    assert (folder / "secrets").stat().st_mode & 0o777 == 0o700


def test_the_plan_is_empty_and_a_second_up_changes_nothing(lake):
    assert lake("plan", "-f", "datalake", "--detailed-exitcode", code=0)
    before = services(lake)
    lake("up", "-f", "datalake")
    after = services(lake)
    assert {k: (v["pid"], v["restarts"]) for k, v in before.items()} == {k: (v["pid"], v["restarts"]) for k, v in after.items()}


def test_boto3_reads_the_mirrored_files_back(lake):
    s3 = client(lake.environment())
    wanted = local_files()
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="data")
    keys = {o["Key"] for page in pages for o in page.get("Contents", [])}
    assert keys == set(wanted)
    for key, content in wanted.items():
        assert s3.get_object(Bucket="data", Key=key)["Body"].read() == content, key


def test_only_loopback_is_bound(lake):
    ours = {pid for pid, _ in lake.processes()}
    inodes = set()
    for pid in ours:
        try:
            for fd in Path(f"/proc/{pid}/fd").iterdir():
                link = os.readlink(fd)
                if link.startswith("socket:["):
                    inodes.add(link[8:-1])
        except OSError:
            continue
    bound = []
    for table, loopback in (("tcp", ("0100007F",)), ("tcp6", ("00000000000000000000000001000000", "0000000000000000FFFF00000100007F"))):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            field = line.split()
            if field[3] == "0A" and field[9] in inodes and not field[1].split(":")[0].startswith(loopback):
                bound.append((table, field[1]))
    assert inodes and not bound


def test_smoke_tests_are_green(lake):
    result = lake("test")
    assert "minio" in result.out and "dvc" in result.out


def test_versions_of_a_file(lake, tmp_path):
    lake("repo", "create", "images")
    commits = []
    for text in (b"one", b"two"):
        (tmp_path / "in").write_bytes(text)
        lake("repo", "put", "images", "master", "a/liberty.bin", "-f", tmp_path / "in")
        commits.append(lake("repo", "log", "images", "--json").json["commits"][0]["commit"])
    assert "images" in lake("repo", "list").out
    lake("repo", "get", "images", "a/liberty.bin", "--rev", commits[0], "-o", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"one"
    lake("repo", "get", "images", "a/liberty.bin", "-o", tmp_path / "out2")
    assert (tmp_path / "out2").read_bytes() == b"two"
    refused = lake("repo", "get", "images", "absent", "-o", tmp_path / "out3", code=1)
    assert "absent" in refused.err and not (tmp_path / "out3").exists()


def test_a_consumer_gets_a_user_of_its_own_that_reaches_its_bucket_only(lake):
    env = lake.environment()
    (entry,) = lake("credentials", "dvc", "--json", "-q").json
    password = entry["secrets"]["s3-password"]
    own = client(env | {"AWS_ACCESS_KEY_ID": "dvc", "AWS_SECRET_ACCESS_KEY": password})
    assert password != env["AWS_SECRET_ACCESS_KEY"]
    own.list_objects_v2(Bucket="versions")
    for refused in (
        lambda: own.get_object(Bucket="data", Key="iris/iris.csv"),
        lambda: own.put_object(Bucket="data", Key="x", Body=b""),
        lambda: own.create_bucket(Bucket="mine"),
    ):
        with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
            refused()


def test_a_killed_server_comes_back_once(lake):
    old = services(lake)["minio.server"]["pid"]
    os.kill(old, signal.SIGKILL)
    back = wait_for(lambda: (s := services(lake)["minio.server"])["state"] == "ready" and s["pid"] != old and s, 60)
    assert back["restarts"] == 1
    lake("plan", "-f", "datalake", "--detailed-exitcode", code=0)


def test_data_survives_down_and_up(lake):
    client(lake.environment()).put_object(Bucket="data", Key="mine/kept.txt", Body=b"kept")
    lake("down")
    assert not lake.processes(), "down leaves no process"
    lake("up", "-f", "datalake")
    assert client(lake.environment()).get_object(Bucket="data", Key="mine/kept.txt")["Body"].read() == b"kept"
    assert "images" in lake("repo", "list").out


def test_up_of_another_flavour_stops_nothing(lake, tmp_path):
    before = services(lake)["minio.server"]["pid"]
    flavour = tmp_path / "monitoring.yaml"
    flavour.write_text("project:\n  k8s_namespace: data-mill\n  flavour: prometheus, node-exporter\n  k8s_default_config: native.yaml\n")
    kept = lake("plan", "-f", flavour)
    assert "kept" in kept.out and "minio" in kept.out
    lake("up", "-f", flavour)
    now = services(lake)
    assert now["minio.server"]["pid"] == before and now["prometheus.server"]["state"] == "ready"
    lake("plan", "-f", flavour, "--detailed-exitcode", code=0)
    lake("test")


def test_metrics_are_wired(lake):
    """Prometheus is told of MinIO's metrics and shows every target up."""
    flavour = lake.home / "lake_and_metrics.yaml"
    flavour.write_text("project:\n  k8s_namespace: data-mill\n  flavour: minio, pachyderm, prometheus, node-exporter\n  k8s_default_config: native.yaml\n")
    lake("up", "-f", flavour)
    result = lake("test", "prometheus", "--json").json
    (prometheus,) = [r for r in result["tests"] if r["component"] == "prometheus"]
    assert prometheus["ok"] and len([c for c in prometheus["checks"] if c["name"].startswith("up ")]) >= 3


def test_destroy_leaves_nothing(lake):
    ports = [p for s in services(lake).values() for p in s["ports"].values()]
    refused = lake("destroy", check=False)
    assert refused.code == 2 and lake.platforms(), "without a typed confirmation or --yes nothing goes"
    lake("destroy", "--yes", "--delete-data")
    assert not lake.processes() and not lake.platforms()
    for port in ports:
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(("127.0.0.1", port))
