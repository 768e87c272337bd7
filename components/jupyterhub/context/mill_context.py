"""Tags of a tracked MLflow run: in which environment, from which commit, on which data.

MLflow asks run context providers (entry point mlflow.run_context_provider) for tags at the start of every run.
"""

import hashlib
import os
import pathlib

VARIABLES = {"mill.environment": "MILL_ENVIRONMENT", "mill.environment_hash": "MILL_ENVIRONMENT_HASH"}
PAGES_MAX = 50  # of 1000 objects


def git_commit(folder):
    """The commit that HEAD means; None outside a repository."""
    for place in (folder, *folder.parents):
        git = place / ".git"
        if git.is_file():  # a work tree: "gitdir: path"
            git = place / git.read_text().partition(":")[2].strip()
        head = git / "HEAD"
        if not head.is_file():
            continue
        name = head.read_text().strip().removeprefix("ref: ")
        if "/" not in name:
            return name
        common = git / (git / "commondir").read_text().strip() if (git / "commondir").is_file() else git
        if (common / name).is_file():
            return (common / name).read_text().strip()
        packed = common / "packed-refs"
        lines = packed.read_text().splitlines() if packed.is_file() else []
        return next((line.split()[0] for line in lines if line.endswith(" " + name)), None)
    return None


def data_version():
    """What MILL_DATA_VERSION says; else a digest of the names and contents (ETags) in the platform's data bucket, as they are now."""
    said, bucket = os.environ.get("MILL_DATA_VERSION"), os.environ.get("MILL_DATA_BUCKET")
    if said or not bucket:
        return said
    import boto3
    from botocore.config import Config

    digest = hashlib.sha256()
    lake = boto3.client("s3", config=Config(connect_timeout=2, read_timeout=10, retries={"total_max_attempts": 1}))
    for number, page in enumerate(lake.get_paginator("list_objects_v2").paginate(Bucket=bucket)):
        if number == PAGES_MAX:
            return None
        for item in page.get("Contents", []):
            digest.update(f"{item['Key']}\0{item['ETag']}\n".encode())
    return f"{bucket}@{digest.hexdigest()[:16]}"


def found(ask, *args):
    """A tag that cannot be found out is left out: it must not fail the run."""
    try:
        return ask(*args)
    except Exception:  # noqa: BLE001
        return None


class Provider:
    def in_context(self):
        return True

    def tags(self):
        tags = {tag: os.environ.get(name) for tag, name in VARIABLES.items()}
        tags |= {"mill.git_commit": found(git_commit, pathlib.Path.cwd()), "mill.data_version": found(data_version)}
        return {tag: value for tag, value in tags.items() if value}
