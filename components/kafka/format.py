"""Writes the cluster's identity into the data folder, once."""

import base64
import hashlib
import json
import os
import subprocess
import sys

ask = json.load(sys.stdin)
broker = ask["services"]["broker"]
if os.path.exists(broker["dirs"]["data"] + "/log/meta.properties"):
    json.dump({"message": "formatted already"}, sys.stdout)
    sys.exit(0)
identity = hashlib.sha256(ask["secrets"]["cluster"].encode()).digest()[:16]
cluster = "c" + base64.urlsafe_b64encode(identity).decode().rstrip("=")[1:]  # must not begin with a dash
done = subprocess.run(
    [sys.argv[1] + "/bin/java", "-Xmx128m", "-cp", ask["store"] + "/lib/*", "kafka.tools.StorageTool", "format", "-t", cluster]
    + ["-c", broker["dirs"]["config"] + "/server.properties", "--ignore-formatted"],
    stdout=sys.stderr,
)
if done.returncode:
    sys.exit(1)
json.dump({"message": f"cluster {cluster}"}, sys.stdout)
