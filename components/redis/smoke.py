"""Proves that it stores, counts and expires, and that strangers are refused."""

import uuid

import mill_hook
import resp

ask = mill_hook.ask()
at = ask["provides"]["redis"]
key, check = "smoke:" + uuid.uuid4().hex[:12], mill_hook.Checks()


redis = resp.Redis(at["host"], at["port"], at["user"], at["password"])
redis("SET", key, "ünï".encode(), "EX", 60)
check("set and get", redis("GET", key) == "ünï".encode())
check("expires", 0 < redis("TTL", key) <= 60)
check("counts", [redis("INCR", key + ":n") for _ in range(3)] == [1, 2, 3])
check("delete", redis("DEL", key, key + ":n") == 2)
try:
    redis("CONFIG", "GET", "*")
    check("people do not administer", False)
except resp.Failed as error:
    check("people do not administer", "NOPERM" in str(error))
for user, password in ((None, None), ("default", ""), (at["user"], "wrong"), ("admin", "admin")):
    try:
        resp.Redis(at["host"], at["port"], user, password)("GET", key)
        check(f"{user or 'nobody'} is refused", False)
    except resp.Failed as error:
        check(f"{user or 'nobody'} is refused", True, error)

check.end()
