"""The server's file realm: who may log in (`users`, bcrypt), with which role (`users_roles`), and what a role may do (`roles.yml`).

The three files are kept with its data, so that they stay when the software goes.  It reads them again within a second of a change.
A role `own-NAME` is that of a user of ours, `for-NAME` that of a consumer.
"""

import fcntl
import json
import os

import bcrypt

ADMIN = "superuser"  # a role that the server has of its own


class Realm:
    """with Realm(ask) as realm: ... changes the files, one hook at a time."""

    def __init__(self, ask):
        self.folder = ask["services"]["server"]["dirs"]["data"] + "/config"

    def __enter__(self):
        self.lock = open(os.path.join(self.folder, "realm.lock"), "a")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.hashes = self._read("users")
        self.roles = self._read("roles.yml")
        self.members = {user: role for role, user in self._read("users_roles").items()}
        return self

    def __exit__(self, failed, *_):
        if not failed:
            # what a role may do is known before somebody has it
            self._write("roles.yml", self.roles)
            self._write("users_roles", {role: user for user, role in self.members.items()})
            self._write("users", self.hashes)
        self.lock.close()

    def put(self, user, password, role, cluster=(), indices=()):
        """A user and, but for ADMIN, its role."""
        old = self.hashes.get(user, "")
        if not old or not bcrypt.checkpw(password.encode(), old.encode()):
            self.hashes[user] = bcrypt.hashpw(password.encode(), bcrypt.gensalt(10, b"2a")).decode()
        self.members[user] = role
        if role != ADMIN:
            self.roles[role] = json.dumps({"cluster": list(cluster), "indices": list(indices)})

    def drop(self, user):
        self.hashes.pop(user, None)
        self.roles.pop(self.members.pop(user, None), None)

    def _read(self, name):
        """A line is NAME:REST."""
        try:
            with open(os.path.join(self.folder, name)) as file:
                lines = [line.strip().partition(":") for line in file]
        except FileNotFoundError:
            return {}
        return {key: rest.strip() for key, colon, rest in lines if colon}

    def _write(self, name, entries):
        if entries == self._read(name):
            return
        path = os.path.join(self.folder, name)
        with open(os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            for key, rest in sorted(entries.items()):
                # one line a role: JSON is YAML, too
                file.write(f"{key}: {rest}\n" if name == "roles.yml" else f"{key}:{rest}\n")
        os.replace(path + ".new", path)


def access(patterns, *privileges):
    return {"names": list(patterns), "privileges": list(privileges)}
