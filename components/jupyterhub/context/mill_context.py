"""Tags of a tracked MLflow run: in which environment, from which commit, on which data.

MLflow asks run context providers (entry point mlflow.run_context_provider) for tags at the start of every run.
"""

import os
import pathlib

VARIABLES = {
    "mill.environment": "MILL_ENVIRONMENT",
    "mill.environment_hash": "MILL_ENVIRONMENT_HASH",
    "mill.data_version": "MILL_DATA_VERSION",
}


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


class Provider:
    def in_context(self):
        return True

    def tags(self):
        found = {tag: os.environ[name] for tag, name in VARIABLES.items() if os.environ.get(name)}
        try:
            commit = git_commit(pathlib.Path.cwd())
        except OSError:
            commit = None
        return found | ({"mill.git_commit": commit} if commit else {})
