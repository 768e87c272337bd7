"""Writes an input for each service's log and becomes rsyslogd: ship.py LOGS-JSON INPUTS-CONF RSYSLOGD ARGUMENTS..."""

import json
import os
import sys

logs, inputs, command = sys.argv[1], sys.argv[2], sys.argv[3:]
with open(logs) as file, open(os.open(inputs, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
    for log in json.load(file):
        if (log["component"], log["service"]) == ("rsyslog", "shipper"):
            continue  # its own log would feed itself
        out.write(
            f'input(type="imfile" file="{log["file"]}" tag="{log["component"]}.{log["service"]}" ruleset="ship"\n'
            '      reopenOnTruncate="on" freshStartTail="off" persistStateInterval="200")\n'
        )
os.execv(command[0], command)
