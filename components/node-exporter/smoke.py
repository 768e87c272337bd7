"""Proves that the exporter reads this machine: its memory must be the kernel's own figure."""

import json
import re
import sys
import urllib.request

ask = json.load(sys.stdin)
service = ask["services"]["exporter"]
with urllib.request.urlopen(f"http://{service['host']}:{service['ports']['http']}/metrics", timeout=10) as answer:
    text = answer.read().decode()
told = re.search(r"^node_memory_MemTotal_bytes (\S+)", text, re.M)
with open("/proc/meminfo") as file:
    kernel = int(re.search(r"MemTotal:\s+(\d+) kB", file.read()).group(1)) * 1024
ok = bool(told) and abs(float(told.group(1)) - kernel) < 1
checks = [
    {"name": "memory is the kernel's figure", "ok": ok, "detail": told.group(1) if told else "absent"},
    {"name": "load is told", "ok": "node_load1 " in text, "detail": ""},
]
failed = [c["name"] for c in checks if not c["ok"]]
json.dump({"message": "failed: " + ", ".join(failed) if failed else "2 checks", "checks": checks}, sys.stdout)
sys.exit(1 if failed else 0)
