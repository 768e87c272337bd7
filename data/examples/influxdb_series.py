"""Time series: a day of made-up readings into InfluxDB, its aggregates asked for in InfluxQL, and the points removed.

    data-mill exec -- python3 influxdb_series.py        (component influxdb; the standard library only)

INFLUXDB_* say where the database is and who we are. The vendor's client for 1.x (`pip install influxdb`) takes the same five values.
"""

import base64
import json
import math
import os
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

e = os.environ
DATABASE = e["INFLUXDB_DATABASE"]
LOGIN = base64.b64encode(f"{e['INFLUXDB_USER']}:{e['INFLUXDB_PASSWORD']}".encode()).decode()
SERIES = "example_" + uuid.uuid4().hex[:8]


def post(path, body, **parameters):
    address = f"{e['INFLUXDB_URL']}{path}?{urllib.parse.urlencode({'db': DATABASE, **parameters})}"
    try:
        with urllib.request.urlopen(urllib.request.Request(address, body.encode(), {"Authorization": "Basic " + LOGIN}), timeout=30) as answer:
            return answer.read()
    except urllib.error.HTTPError as error:
        raise SystemExit(f"{error.code}: {error.read().decode()}") from None


def query(statement):
    """(tags, row) of each row that a statement of InfluxQL answers with."""
    found = json.loads(post("/query", urllib.parse.urlencode({"q": statement}), epoch="s"))["results"][0]
    if "error" in found:
        raise SystemExit(f"{statement}: {found['error']}")
    for series in found.get("series", []):
        for values in series["values"]:
            yield series.get("tags", {}), dict(zip(series["columns"], values))


# line protocol: series,tag=value field=value time
start = int(time.time()) // 3600 * 3600 - 86400
lines = []
for minute in range(24 * 60):
    warmth = 20 + 5 * math.sin(minute / 1440 * 2 * math.pi)
    for n, hall in enumerate("AAB"):
        lines.append(f"{SERIES},sensor=s{n},hall={hall} degrees={warmth + n + math.sin(minute * 7 + n):.3f},watt={100 + minute % 60}i {start + minute * 60}")

try:
    post("/write", "\n".join(lines), precision="s")
    print(len(lines), "points of", DATABASE + "." + SERIES)

    print("\neach hall: readings, average, 95th percentile, most power")
    read = 0
    for tags, row in query(f'SELECT COUNT(degrees), MEAN(degrees), PERCENTILE(degrees, 95), MAX(watt) FROM "{SERIES}" GROUP BY hall'):
        print(f"{tags['hall']}  {row['count']:5}  {row['mean']:6.2f}  {row['percentile']:6.2f}  {row['max']:4}")
        read += row["count"]
    assert read == len(lines), (read, len(lines))

    print("\nsensor s0, every six hours: average, and how fast it changes per hour")
    where = f"FROM \"{SERIES}\" WHERE sensor = 's0' AND time >= {start}s AND time < {start + 86400}s GROUP BY time(6h)"
    changes = {row["time"]: row["derivative"] for _, row in query(f"SELECT DERIVATIVE(MEAN(degrees), 1h) {where}")}
    for _, row in query(f"SELECT MEAN(degrees) {where}"):
        change = changes.get(row["time"])
        print(time.strftime("%d %b %H:%M", time.gmtime(row["time"])), f"{row['mean']:6.2f}", "" if change is None else f" {change:+.2f}")
finally:
    list(query(f'DROP SERIES FROM "{SERIES}"'))
left = list(query(f'SELECT COUNT(degrees) FROM "{SERIES}"'))
print("\nremoved" if not left else f"\nleft: {left}")
assert not left
