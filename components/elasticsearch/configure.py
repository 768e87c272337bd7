"""How log indices are laid out."""

import json
import sys
import time

import mill_search

ask = json.load(sys.stdin)
until = time.monotonic() + 45
while True:
    code, answer = mill_search.call(
        ask["provides"]["search"]["url"], "admin", ask["secrets"]["admin"], "PUT", "/_index_template/logs", mill_search.LAYOUT
    )
    if code == 200:
        break
    if code not in (401, 503) or time.monotonic() > until:
        sys.exit(f"index template: {code} {answer}")
    time.sleep(1)
json.dump({"message": "layout of logs-*"}, sys.stdout)
