"""People's own user, and the retention that fits the disk."""

import json
import sys

import broker

ask = json.load(sys.stdin)
admin = broker.administrator(ask)
broker.make_user(admin, ask["settings"]["user"], ask["secrets"]["password"])
broker.allow_everything(admin, ask["settings"]["user"])
each = broker.share_disk(ask, admin)
json.dump({"message": f"user {ask['settings']['user']}, {each >> 20} MiB a partition"}, sys.stdout)
