"""Checks Grafana's dashboards against a Prometheus that runs: every query is understood; those without data are listed.

dashboards.py URL [NAMES]: adds the names of the metrics it has to the file NAMES (tests/e2e/metrics.txt), but for those nobody would show."""

import json
import pathlib
import re
import sys
import urllib.error
import urllib.parse
import urllib.request

NOISE = re.compile(
    r"^(go_|net_conntrack|promhttp|alertmanager_|jmx_|python_|jvm_(buffer|classes|comp|thread|memory_pool)|prometheus_(?!tsdb_head)"
    r"|node_(?!cpu|memory_[MC]|disk|filesystem|load|network_(receive|transmit)_bytes)|flink_.*Status|elasticsearch_(?!jvm_memory_c|process_cpu)|pg_settings|pg_stat_(?!database)"
    r"|metrics_.*(jvm_(?!total_committed_Value)|Percentile|_Number$|StdDev|CodeGenerator|HiveExternal|LiveListener|_M(in|ax|ean)$|executor_(shuffle|filesystem))|.*_created$)"
)
url, wrong, empty, count = sys.argv[1], [], [], 0


def ask(path, **parameters):
    with urllib.request.urlopen(f"{url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}", timeout=10) as answer:
        return json.load(answer)["data"]


for path in sorted((pathlib.Path(__file__).parents[2] / "components/grafana").glob("dashboards*/*.json")):
    for panel in json.loads(path.read_text())["panels"]:
        for query in (t["expr"].replace("$topic", ".+") for t in panel.get("targets", ()) if "expr" in t):
            count += 1
            try:
                if not ask("query", query=query)["result"]:
                    empty.append(f"{path.name}: {panel['title']}: no data: {query}")
            except urllib.error.HTTPError as error:
                wrong.append(f"{path.name}: {panel['title']}: {error.read().decode()}")
print("\n".join(wrong + empty))
print(f"{count} queries, {len(wrong)} not understood, {len(empty)} without data")
if len(sys.argv) > 2:
    names = pathlib.Path(sys.argv[2])
    found = {n for n in ask("label/__name__/values") if not NOISE.match(n) and ":" not in n}
    names.write_text("\n".join(sorted(found.union(names.read_text().split() if names.exists() else ()))) + "\n")
sys.exit(bool(wrong))
