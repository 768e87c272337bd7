"""People's own user: every key, no administration."""

import json
import sys

import resp

ask = json.load(sys.stdin)
known = resp.can_enter(ask, ask["settings"]["user"], ask["secrets"]["password"])
try:
    resp.set_user(resp.administrator(ask), ask["settings"]["user"], ask["secrets"]["password"], "*")
except resp.Unsaved as error:
    if not known:  # a chart's file of users has it from the start
        sys.exit(str(error))
json.dump({"message": f"user {ask['settings']['user']}"}, sys.stdout)
