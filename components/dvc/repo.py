"""Versioned data sets: create, list, put, get and log, as pachctl has them.

A repository is a Git repository (kept by dulwich, no git program is needed)
in which DVC tracks the data; the content goes to the lake under
s3://<bucket>/<repo>/files, and after every change the history goes there too
as a Git bundle, s3://<bucket>/<repo>/history.bundle, from which a lost local
copy is made again.
"""

import contextlib
import fcntl
import io
import json
import os
import re
import shutil
import sys
import time
from pathlib import Path, PurePosixPath

import boto3
from botocore.exceptions import ClientError

AUTHOR = b"data-mill <data-mill@localhost.invalid>"


class Refused(Exception):
    """The user asked for what cannot be done; the text says why."""


def connect(ask):
    """Points boto3 and DVC at the lake; the folder of the repositories, and the lake."""
    lake = ask["requires"]["s3"]
    # both read these; nothing is written to a configuration file
    os.environ.update(
        AWS_ACCESS_KEY_ID=lake["access_key"],
        AWS_SECRET_ACCESS_KEY=lake["secret_key"],
        AWS_DEFAULT_REGION=lake["region"],
        AWS_ENDPOINT_URL_S3=lake["endpoint"],
        DVC_NO_ANALYTICS="1",
        HOME=os.environ.get("TMPDIR", "/tmp"),
        GIT_CONFIG_NOSYSTEM="1",
    )
    return Path(ask["services"][""]["dirs"]["data"]), lake


def main():
    ask = json.load(sys.stdin)
    home, lake = connect(ask)
    request = ask["request"]
    store = Store(home, lake)
    store.lock()
    operations = {"create": store.create, "list": store.list, "put": store.put, "get": store.get, "log": store.log}
    named = {k: v for k, v in request.items() if k != "op" and v not in (None, "")}
    try:
        # DVC talks on standard output, which is the answer's
        with contextlib.redirect_stdout(sys.stderr):
            values = operations[request["op"]](**named)
    except Refused as why:
        json.dump({"message": str(why)}, sys.stdout)
        print(why, file=sys.stderr)
        return 1
    json.dump({"message": values.pop("message", ""), "values": values}, sys.stdout)
    return 0


class Store:
    def __init__(self, home, lake):
        self.home = home / "repos"
        self.home.mkdir(parents=True, exist_ok=True)
        self.bucket = lake["bucket"]
        self.s3 = boto3.client("s3")

    def lock(self):
        """One change at a time; the lock goes with the process."""
        self.lock_file = open(self.home / ".lock", "w")
        fcntl.flock(self.lock_file, fcntl.LOCK_EX)

    # ---- operations -----------------------------------------------------
    def create(self, repo, **_):
        folder = self._folder(repo)
        if folder.exists() or self._in_lake(repo):
            raise Refused(f"repository {repo} exists already")
        from dulwich import porcelain
        from dvc.repo import Repo

        making = folder.with_name(f".{repo}.making")
        shutil.rmtree(making, ignore_errors=True)
        porcelain.init(str(making))
        self._head(making, "master")
        with Repo.init(str(making)) as dvc:
            with dvc.config.edit() as config:
                config["core"] = {"remote": "lake", "analytics": False, "autostage": False}
                config["remote"] = {"lake": {"url": f"s3://{self.bucket}/{repo}/files"}}
        porcelain.add(str(making), [str(making / ".dvc" / "config"), str(making / ".dvcignore")])
        self._commit(making, "create the repository")
        making.rename(folder)
        self._save_history(repo)
        return {"message": f"created {repo}"}

    def list(self, repo=None, branch="master", **_):
        if repo:
            folder = self._open(repo, branch)
            files = []
            for pointer in sorted(folder.rglob("*.dvc")):
                if pointer.is_file() and ".dvc" not in pointer.relative_to(folder).parts[:-1]:
                    meta = self._pointer(pointer)
                    files.append(
                        {"path": str(pointer.relative_to(folder))[: -len(".dvc")], "size": meta.get("size", 0), "md5": meta.get("md5", "")}
                    )
            return {"files": files}
        names = {p.name for p in self.home.iterdir() if not p.name.startswith(".")}
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Delimiter="/")
        names |= {c["Prefix"].rstrip("/") for page in pages for c in page.get("CommonPrefixes", [])}
        repos = []
        for name in sorted(names):
            commits = self._commits(self._open(name), None)
            repos.append({"repo": name, "commits": len(commits), "changed": commits[0]["time"] if commits else ""})
        return {"repos": repos}

    def put(self, repo, path, file, branch="master", message=None, **_):
        from dulwich import porcelain
        from dvc.repo import Repo

        folder = self._open(repo, branch, make=True)
        inside = self._inside(path)
        target = folder / inside
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir():
            raise Refused(f"{path} is a folder in {repo}")
        with Repo(str(folder)) as dvc:
            # DVC links what it tracks read-only from its cache: replace, do not write through
            fresh = target.with_name(f".{target.name}.new")
            shutil.copyfile(file, fresh)
            os.replace(fresh, target)
            dvc.add(str(target))
            dvc.push([str(target) + ".dvc"])
        touched = [target.with_name(target.name + ".dvc"), target.parent / ".gitignore"]
        porcelain.add(str(folder), [str(t) for t in touched if t.exists()])
        staged = porcelain.status(str(folder)).staged
        if not any(staged.values()):
            return {"message": f"{path} is unchanged", "commit": self._head_id(folder), "changed": False}
        commit = self._commit(folder, message or f"put {path}")
        self._save_history(repo)
        return {"message": f"{repo}@{commit[:12]} {path}", "commit": commit, "changed": True}

    def get(self, repo, path, output, branch="master", rev=None, **_):
        import dvc.api

        folder = self._open(repo, branch)
        revision = self._resolve(folder, rev or branch)
        try:
            with dvc.api.open(str(self._inside(path)), repo=str(folder), rev=revision, mode="rb") as source, open(output, "wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)
        except (FileNotFoundError, dvc.exceptions.DvcException) as error:
            raise Refused(f"{path} is not in {repo} at {revision[:12]}") from error
        return {"message": f"{path} at {revision[:12]}", "commit": revision}

    def log(self, repo, branch="master", path=None, **_):
        folder = self._open(repo, branch)
        return {"commits": self._commits(folder, str(self._inside(path)) + ".dvc" if path else None)}

    # ---- Git ------------------------------------------------------------
    def _folder(self, repo):
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,62}", repo):
            raise Refused(f"{repo!r} is no name of a repository: use [a-z0-9][a-z0-9._-]*, at most 63 characters")
        return self.home / repo

    def _inside(self, path):
        inside = PurePosixPath(path)
        if inside.is_absolute() or ".." in inside.parts or not inside.parts or inside.parts[0] in (".git", ".dvc"):
            raise Refused(f"{path!r} does not stay inside the repository")
        if inside.name.endswith(".dvc") or inside.name in (".gitignore", ".dvcignore"):
            raise Refused(f"{path!r}: this name is DVC's own")
        return inside

    def _open(self, repo, branch=None, make=False):
        from dulwich import porcelain

        folder = self._folder(repo)
        if not folder.exists():
            self._restore(repo, folder)
        if branch and branch != self._current(folder):
            names = [b.decode() for b in porcelain.branch_list(str(folder))]
            if branch not in names:
                if not make:
                    raise Refused(f"{repo} has no branch {branch}; it has {', '.join(sorted(names))}")
                porcelain.branch_create(str(folder), branch)
            porcelain.checkout(str(folder), branch)
        return folder

    @staticmethod
    def _head(folder, branch):
        (Path(folder) / ".git" / "HEAD").write_text(f"ref: refs/heads/{branch}\n")

    @staticmethod
    def _current(folder):
        text = (Path(folder) / ".git" / "HEAD").read_text().strip()
        return text.rsplit("/", 1)[-1]

    @staticmethod
    def _head_id(folder):
        from dulwich.repo import Repo as Git

        with Git(str(folder)) as git:
            return git.head().decode()

    @staticmethod
    def _commit(folder, message):
        from dulwich import porcelain

        return porcelain.commit(str(folder), message=message.encode(), author=AUTHOR, committer=AUTHOR).decode()

    @staticmethod
    def _commits(folder, path):
        from dulwich.repo import Repo as Git

        with Git(str(folder)) as git:
            walker = git.get_walker(include=[git.head()], paths=[path.encode()] if path else None)
            return [
                {
                    "commit": e.commit.id.decode(),
                    "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(e.commit.commit_time)),
                    "message": e.commit.message.decode(errors="replace").strip(),
                }
                for e in walker
            ]

    @staticmethod
    def _resolve(folder, rev):
        from dulwich.objectspec import parse_commit
        from dulwich.repo import Repo as Git

        with Git(str(folder)) as git:
            try:
                return parse_commit(git, rev.encode()).id.decode()
            except (KeyError, ValueError) as error:
                raise Refused(f"there is no version {rev}; `repo log` lists them") from error

    @staticmethod
    def _pointer(file):
        from dvc.utils.serialize import load_yaml

        outs = load_yaml(str(file)).get("outs") or [{}]
        return outs[0]

    # ---- the history in the lake ----------------------------------------
    def _in_lake(self, repo):
        try:
            self.s3.head_object(Bucket=self.bucket, Key=f"{repo}/history.bundle")
            return True
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return False
            raise

    def _save_history(self, repo):
        from dulwich.bundle import create_bundle_from_repo, write_bundle
        from dulwich.repo import Repo as Git

        out = io.BytesIO()
        with Git(str(self.home / repo)) as git:
            bundle = create_bundle_from_repo(git)
            try:
                write_bundle(out, bundle)
            finally:
                bundle.close()
        self.s3.put_object(Bucket=self.bucket, Key=f"{repo}/history.bundle", Body=out.getvalue())

    def _restore(self, repo, folder):
        """Makes a lost local repository again from the lake."""
        from dulwich import porcelain
        from dulwich.bundle import read_bundle
        from dulwich.repo import Repo as Git

        try:
            data = self.s3.get_object(Bucket=self.bucket, Key=f"{repo}/history.bundle")["Body"].read()
        except ClientError as error:
            raise Refused(f"there is no repository {repo}; `repo create {repo}` makes it") from error
        making = folder.with_name(f".{repo}.making")
        shutil.rmtree(making, ignore_errors=True)
        porcelain.init(str(making))
        with Git(str(making)) as git:
            bundle = read_bundle(io.BytesIO(data))
            try:
                bundle.store_objects(git.object_store)
                for name, target in bundle.references.items():
                    if name.startswith(b"refs/heads/"):
                        git.refs[name] = target
            finally:
                bundle.close()
        self._head(making, "master")
        porcelain.reset(str(making), "hard")
        making.rename(folder)


if __name__ == "__main__":
    sys.exit(main())
