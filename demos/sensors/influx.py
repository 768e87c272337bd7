"""The hours of the topic become points of InfluxDB: a bridge of a few lines, since no maintained connector for 1.x is published."""

import json
import os
from datetime import datetime, timezone

import requests
import story

facts = story.recall()
url, database = os.environ["INFLUXDB_URL"], os.environ["INFLUXDB_DATABASE"]
login = os.environ["INFLUXDB_USER"], os.environ["INFLUXDB_PASSWORD"]


def query(text):
    answer = requests.post(url + "/query", params={"db": database}, data={"q": text}, auth=login, timeout=30)
    answer.raise_for_status()
    return answer.json()["results"][0].get("series", [])


def last(messages):
    return {m.key(): json.loads(m.value()) for m in messages if m.value()}


hours = last(story.read_topic(story.HOURS, lambda got: sum(h["n"] for h in last(got).values()) >= facts["rows"])).values()
query("DROP SERIES FROM sensors")
lines = []
for h in hours:
    at = int(datetime.strptime(h["hour"], "%Y-%m-%dT%H").replace(tzinfo=timezone.utc).timestamp())
    lines.append(f"sensors,sensor={h['sensor']} n={h['n']}i,lowest={h['lowest']},highest={h['highest']},average={h['average']},anomalies={h['anomalies']}i {at}")
answer = requests.post(url + "/write", params={"db": database, "precision": "s"}, data="\n".join(lines), auth=login, timeout=30)
story.must(answer.ok, f"InfluxDB: {answer.status_code} {answer.text[:300]}")
points, readings = query("SELECT COUNT(n), SUM(n) FROM sensors")[0]["values"][0][1:3]
counts = {"hours": len(hours), "points": points, "readings": readings}
story.must(points == len(hours) and readings == facts["rows"], f"{len(hours)} hours, {points} points of {readings} readings", **counts)
story.done(f"{len(hours)} hours in, {points} points out, of {readings} readings", **counts)
