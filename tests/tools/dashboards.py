"""Checks Grafana's dashboards: valid JSON, and every query is one that the Prometheus at URL understands and has data for.

dashboards.py URL; alerts have no data while all is well."""

import json
import pathlib
import sys
import urllib.error
import urllib.parse
import urllib.request

url, wrong, count = sys.argv[1], [], 0
for path in sorted((pathlib.Path(__file__).parents[2] / "components/grafana/dashboards").glob("*.json")):
    for panel in json.loads(path.read_text())["panels"]:
        for query in (t["expr"] for t in panel["targets"]):
            count += 1
            try:
                with urllib.request.urlopen(url + "/api/v1/query?" + urllib.parse.urlencode({"query": query}), timeout=10) as answer:
                    if not json.load(answer)["data"]["result"] and not query.startswith("ALERTS"):
                        wrong.append(f"{path.name}: {panel['title']}: no data: {query}")
            except urllib.error.HTTPError as error:
                wrong.append(f"{path.name}: {panel['title']}: {error.read().decode()}")
print("\n".join(wrong) or f"{count} queries")
sys.exit(bool(wrong))
