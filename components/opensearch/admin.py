"""The administrator's requests, shared by the hooks."""

import random
import time

import mill_search


def security(ask, kind, name, body):
    """Puts an object of the security plugin.  Just after its first start the plugin is not initialised yet; 409: another hook was quicker."""
    url = ask["provides"]["search"]["url"]
    until = time.monotonic() + 45
    while True:
        code, answer = mill_search.call(url, "admin", ask["secrets"]["admin"], "PUT", f"/_plugins/_security/api/{kind}/{name}", body)
        if code in (200, 201):
            return
        if code not in (401, 409, 503, 500) or time.monotonic() > until:
            raise SystemExit(f"{kind} {name}: {code} {answer}")
        time.sleep(random.uniform(0.5, 1.5))


def user(ask, name, password, role):
    security(ask, "internalusers", name, {"password": password})
    security(ask, "rolesmapping", role, {"users": [name]})
