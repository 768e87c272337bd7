"""As much of Redis' protocol (RESP2) as the hooks need."""

import hashlib
import socket


class Failed(Exception):
    pass


class Unsaved(Failed):
    pass


class Redis:
    def __init__(self, host, port, user=None, password=None):
        self.socket = socket.create_connection((host, int(port)), 10)
        self.file = self.socket.makefile("rb")
        if user:
            self("AUTH", user, password)

    def __call__(self, *words):
        parts = [w if isinstance(w, bytes) else str(w).encode() for w in words]
        self.socket.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))
        return self.answer()

    def answer(self):
        line = self.file.readline().rstrip(b"\r\n")
        kind, rest = line[:1], line[1:]
        if kind == b"-":
            raise Failed(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self.answer() for _ in range(int(rest))]
        return rest.decode()


def hashed(password):
    """As `ACL SETUSER` takes it: no password is kept in clear."""
    return "#" + hashlib.sha256(password.encode()).hexdigest()


def administrator(ask):
    server = ask["services"]["server"]
    return Redis(server["host"], server["ports"]["redis"], "admin", ask["secrets"]["admin"])


def can_enter(ask, name, password):
    server = ask["services"]["server"]
    try:
        return Redis(server["host"], server["ports"]["redis"], name, password)("PING") == "PONG"
    except Failed:
        return False


def set_user(redis, name, password, keys):
    redis("ACL", "SETUSER", name, "reset", "on", hashed(password), f"~{keys}", f"&{keys}", "+@all", "-@admin", "-@dangerous", "+info", "+keys", "+flushdb")
    try:
        redis("ACL", "SAVE")
    except Failed as error:
        raise Unsaved(f"the user {name} would be gone with the server's next start ({error}): by its chart, the file of users is a Secret; `deployment: generic` keeps them")
