"""Versioned data sets by pachctl: create, list, put, get and log, the words that DVC's stand-in has, too.

What pachctl prints with --raw are Pachyderm's messages as JSON, one after the other
(https://docs.pachyderm.com/products/mldm/latest/build-dags/). Without an enterprise key the server asks for no login.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path, PurePosixPath

SECONDS = 300


class Refused(Exception):
    """The user asked for what cannot be done; the text says why."""


class Pachyderm:
    def __init__(self, ask):
        self.program = next((str(p) for p in Path(ask["store"] or "/nonexistent").rglob("pachctl") if p.is_file()), "pachctl")
        self.environment = os.environ | {
            "PACHD_ADDRESS": "grpc://pachd:30650",
            "PACH_CONFIG": str(Path(tempfile.mkdtemp()) / "config.json"),
        }

    def run(self, *words):
        try:
            done = subprocess.run([self.program, *words], env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS)
        except OSError as error:
            raise Refused(f"pachctl cannot be run: {error.strerror}") from error
        except subprocess.TimeoutExpired as error:
            raise Refused(f"pachctl {' '.join(words[:2])} did not end within {SECONDS} s") from error
        if done.returncode:
            raise Refused((done.stderr or done.stdout).strip().removeprefix("Error: ").splitlines()[0] if done.stderr or done.stdout else "pachctl failed")
        return done.stdout

    def messages(self, *words):
        text, decoder, found = self.run(*words, "--raw"), json.JSONDecoder(), []
        at = 0
        while (rest := re.compile(r"\S").search(text, at)) is not None:
            message, at = decoder.raw_decode(text, rest.start())
            found.append(message)
        return found

    # ---- operations ----
    def create(self, repo, **_):
        self.run("create", "repo", name_of(repo))
        return {"message": f"created {repo}"}

    def list(self, repo=None, branch="master", **_):
        if repo:
            files = self.messages("list", "file", f"{name_of(repo)}@{name_of(branch)}")
            return {"files": [{"path": f["file"]["path"].lstrip("/"), "size": int(any_of(f, "size_bytes", "sizeBytes") or 0), "md5": ""} for f in files]}
        repos = []
        for found in self.messages("list", "repo"):
            commits = self.log(found["repo"]["name"], None)["commits"]
            repos.append({"repo": found["repo"]["name"], "commits": len(commits), "changed": commits[0]["time"] if commits else ""})
        return {"repos": repos}

    def put(self, repo, path, file, branch="master", message=None, **_):
        place = f"{name_of(repo)}@{name_of(branch)}"
        commit = self.run("start", "commit", place, "--message", message or f"put {path}").strip()
        try:
            self.run("put", "file", f"{place}:/{inside(path)}", "--file", file)
        finally:  # an open commit would hold up everybody else's
            self.run("finish", "commit", f"{repo}@{commit}")
        return {"message": f"{repo}@{commit[:12]} {path}", "commit": commit, "changed": True}

    def get(self, repo, path, output, branch="master", rev=None, **_):
        self.run("get", "file", f"{name_of(repo)}@{name_of(rev or branch)}:/{inside(path)}", "--output", output)
        return {"message": f"{path} at {rev or branch}", "commit": rev or ""}

    def log(self, repo, branch="master", path=None, **_):
        if path:
            raise Refused("Pachyderm lists the commits of a repository, not those of one file")
        found = self.messages("list", "commit", f"{name_of(repo)}@{name_of(branch)}" if branch else name_of(repo))
        return {"commits": [{"commit": c["commit"]["id"], "time": c.get("started") or "", "message": c.get("description") or ""} for c in found]}


def any_of(message, *keys):
    return next((message[k] for k in keys if k in message), None)


def name_of(text):
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_^.-]{0,62}", text):
        raise Refused(f"{text!r} is no name of a repository, branch or commit")
    return text


def inside(path):
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts or not parts.parts:
        raise Refused(f"{path!r} does not stay inside the repository")
    return parts


def main():
    ask = json.load(sys.stdin)
    request = ask["request"]
    pachyderm = Pachyderm(ask)
    operations = {"create": pachyderm.create, "list": pachyderm.list, "put": pachyderm.put, "get": pachyderm.get, "log": pachyderm.log}
    named = {k: v for k, v in request.items() if k != "op" and v not in (None, "")}
    try:
        values = operations[request["op"]](**named)
    except Refused as why:
        json.dump({"message": str(why)}, sys.stdout)
        print(why, file=sys.stderr)
        return 1
    json.dump({"message": values.pop("message", ""), "values": values}, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
