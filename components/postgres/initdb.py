"""Makes the cluster once.  Built beside its place and renamed, so that a crash leaves none half made."""

import json
import os
import shutil
import subprocess
import sys
import tempfile

ask = json.load(sys.stdin)
data = ask["services"]["server"]["dirs"]["data"]
place, new = os.path.join(data, "pgdata"), os.path.join(data, "pgdata.new")

if os.path.exists(os.path.join(place, "PG_VERSION")):
    json.dump({"message": "the cluster is there"}, sys.stdout)
    sys.exit(0)

shutil.rmtree(new, ignore_errors=True)
with tempfile.NamedTemporaryFile("w") as password:  # 0600
    password.write(ask["secrets"]["admin"])
    password.flush()
    done = subprocess.run(
        [ask["store"] + "/pg/bin/initdb", "-D", new, "-U", "admin", "--pwfile", password.name, "-A", "scram-sha-256"]
        + ["-E", "UTF8", "--locale-provider=builtin", "--locale=C.UTF-8", "--data-checksums", "--no-instructions"],
        stdout=sys.stderr,
        env={"LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"], "TZ": "UTC"},
    )
if done.returncode:
    sys.exit(1)
os.rename(new, place)
json.dump({"message": "made the cluster"}, sys.stdout)
