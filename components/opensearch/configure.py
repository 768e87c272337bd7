"""People's own user, and how log indices are laid out."""

import json
import sys

import admin
import mill_search

ask = json.load(sys.stdin)
admin.user(ask, ask["settings"]["user"], ask["secrets"]["password"], "people")
code, answer = mill_search.call(
    ask["provides"]["search"]["url"], "admin", ask["secrets"]["admin"], "PUT", "/_index_template/logs", mill_search.LAYOUT
)
if code != 200:
    sys.exit(f"index template: {code} {answer}")
json.dump({"message": f"user {ask['settings']['user']}, layout of logs-*"}, sys.stdout)
