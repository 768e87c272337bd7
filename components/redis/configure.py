"""People's own user: every key, no administration."""

import json
import sys

import resp

ask = json.load(sys.stdin)
if not resp.can_enter(ask, ask["settings"]["user"], ask["secrets"]["password"]):  # the chart's file of users has it
    resp.set_user(resp.administrator(ask), ask["settings"]["user"], ask["secrets"]["password"], "*")
json.dump({"message": f"user {ask['settings']['user']}"}, sys.stdout)
