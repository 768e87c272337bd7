"""Proves that the exporter reads this machine: its memory must be the kernel's own figure."""

import re
import urllib.request

import mill_hook

ask = mill_hook.ask()
service = ask["services"]["exporter"]
with urllib.request.urlopen(f"http://{service['host']}:{service['ports']['http']}/metrics", timeout=10) as answer:
    text = answer.read().decode()
told = re.search(r"^node_memory_MemTotal_bytes (\S+)", text, re.M)
with open("/proc/meminfo") as file:
    kernel = int(re.search(r"MemTotal:\s+(\d+) kB", file.read()).group(1)) * 1024
ok = bool(told) and abs(float(told.group(1)) - kernel) < 1
check = mill_hook.Checks()
check("memory is the kernel's figure", ok, told.group(1) if told else "absent")
check("load is told", "node_load1 " in text)
check.end()
