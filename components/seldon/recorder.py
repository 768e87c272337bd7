"""Keeps what the variants answered and what people thought of it, writes both to the lake, and compares the variants."""

import base64
import bisect
import collections
import gzip
import hmac
import html
import http.server
import json
import os
import signal
import sqlite3
import statistics
import threading
import time

import boto3

env = os.environ
LOGIN = "Basic " + base64.b64encode(f"{env['SERVING_USER']}:{env['SERVING_PASSWORD']}".encode()).decode()
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]
LARGEST = 64 << 20
FEWEST = 30  # clients a variant before a difference is believed

db = sqlite3.connect(env["FOLDER"] + "/records.db", check_same_thread=False)
db.row_factory = sqlite3.Row
lock = threading.RLock()
db.executescript("""
PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS predictions (n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT, time REAL, variant TEXT, model TEXT, client TEXT,
  status INTEGER, seconds REAL, inputs TEXT, outputs TEXT);
CREATE INDEX IF NOT EXISTS by_id ON predictions (id);
CREATE TABLE IF NOT EXISTS feedback (n INTEGER PRIMARY KEY AUTOINCREMENT, prediction INTEGER UNIQUE, id TEXT, time REAL, variant TEXT,
  model TEXT, client TEXT, reward REAL, truth TEXT);
CREATE TABLE IF NOT EXISTS shipped (kind TEXT PRIMARY KEY, n INTEGER);
INSERT OR IGNORE INTO shipped VALUES ('predictions', 0), ('feedback', 0);
""")
counts = collections.Counter()  # of Prometheus: (name, variant, more) to number
buckets = {}  # variant to numbers of requests by duration


class Refused(Exception):
    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


def duration(text):
    return float(text[:-2]) / 1000 if text.endswith("ms") else float(text[:-1]) * UNITS[text[-1]]


def keep_records(records):
    with lock, db:
        for r in records:
            fields = [r["id"], r["time"], r["variant"], r["model"], r["client"] or "", r["status"], r["seconds"]]
            fields += [json.dumps(r[k]) if r.get(k) is not None else None for k in ("inputs", "outputs")]
            db.execute("INSERT INTO predictions VALUES (NULL,?,?,?,?,?,?,?,?,?)", fields)
            counts["requests_total", r["variant"], f',code="{int(r["status"])}"'] += 1
            counts["request_seconds_sum", r["variant"], ""] += r["seconds"]
            buckets.setdefault(r["variant"], [0] * (len(BOUNDS) + 1))[bisect.bisect_left(BOUNDS, r["seconds"])] += 1
    return len(records)


def keep_feedback(said):
    response = said.get("response") if isinstance(said.get("response"), dict) else {}
    meta = response.get("meta") if isinstance(response.get("meta"), dict) else {}  # as Seldon Core 1 has it
    which = said.get("id") or response.get("id") or meta.get("puid")
    reward = said.get("reward")
    if not isinstance(which, str) or isinstance(reward, bool) or not isinstance(reward, (int, float)) or not abs(reward) < 1e9:
        raise Refused(400, "feedback is {response: {id}, reward: a number, truth: anything}")
    for wait in (0, 0.1, 0.2, 0.4, 0.8, 1.6):  # the variant may still be about to tell of it
        time.sleep(wait)
        with lock:
            about = db.execute("SELECT * FROM predictions WHERE id = ? ORDER BY n DESC", [which]).fetchone()
        if about:
            break
    else:
        raise Refused(404, "no prediction has this id")
    try:
        with lock, db:
            db.execute(
                "INSERT INTO feedback VALUES (NULL,?,?,?,?,?,?,?,?)",
                [about["n"], which, time.time(), about["variant"], about["model"], about["client"], reward]
                + [json.dumps(said["truth"]) if "truth" in said else None],
            )
    except sqlite3.IntegrityError:
        raise Refused(409, "this prediction has its feedback") from None
    counts["feedback_total", about["variant"], ""] += 1
    counts["reward_sum", about["variant"], ""] += reward
    return {"id": which, "variant": about["variant"], "model": about["model"]}


def ship(lake, kind):
    """Writes what is new as lines of JSON.  An object is named by its first row: writing it again changes nothing."""
    with lock:
        last = db.execute("SELECT n FROM shipped WHERE kind = ?", [kind]).fetchone()[0]
        rows = [dict(r) for r in db.execute(f"SELECT * FROM {kind} WHERE n > ? ORDER BY n LIMIT 5000", [last])]
    objects = {}
    for row in rows:
        last, day = row.pop("n"), time.strftime("%Y-%m-%d", time.gmtime(row["time"]))
        row.pop("prediction", None)
        for key in {"inputs", "outputs", "truth"} & row.keys():
            row[key] = row[key] and json.loads(row[key])
        objects.setdefault(day, (last, []))[1].append(json.dumps(row) + "\n")
    for day, (first, lines) in objects.items():
        body = gzip.compress("".join(lines).encode(), mtime=0)
        lake.put_object(Bucket=env["BUCKET"], Key=f"{kind}/date={day}/{first:012}.jsonl.gz", Body=body)
    with lock, db:
        db.execute("UPDATE shipped SET n = ? WHERE kind = ?", [last, kind])
        db.execute(f"DELETE FROM {kind} WHERE n <= ? AND time < ?", [last, time.time() - duration(env["KEEP"])])
    return len(rows)


def ship_always(ended):
    lake = boto3.client("s3")
    while True:
        last_time = ended.wait(duration(env["SHIP_EVERY"]))
        for kind in ("predictions", "feedback"):
            try:
                while number := ship(lake, kind):
                    counts["shipped_total", "", kind] += number
            except Exception as error:  # the lake is away: later
                counts["ship_errors_total", "", kind] += 1
                print(f"{kind} not written to the lake: {error}", flush=True)
        if last_time:
            return


def describe(variant, model, since):
    where = "WHERE variant = ? AND model = ? AND time > ?", [variant, model, since]
    with lock:
        seconds = sorted(r[0] for r in db.execute("SELECT seconds FROM predictions " + where[0], where[1]))
        errors = db.execute(f"SELECT count(*) FROM predictions {where[0]} AND status >= 400", where[1]).fetchone()[0]
        units = "SELECT avg(reward), count(*) FROM feedback {} GROUP BY coalesce(nullif(client, ''), id)".format(where[0])
        rewards = [tuple(r) for r in db.execute(units, where[1])]
    means = [r[0] for r in rewards]
    error = (statistics.variance(means) / len(means)) ** 0.5 if len(means) > 1 else None
    mean = statistics.fmean(means) if means else None
    return {
        "variant": variant,
        "model": model,
        "requests": len(seconds),
        "errors": errors,
        "latency_ms": {f"p{q}": round(seconds[min(len(seconds) - 1, len(seconds) * q // 100)] * 1000, 2) for q in (50, 95, 99) if seconds},
        "feedback": sum(r[1] for r in rewards),
        "clients": len(means),
        "reward": mean,
        "interval": error is not None and [mean - 1.96 * error, mean + 1.96 * error] or None,
        "error": error,
    }


def compare(since=0.0):
    """The models that the variants answered with last.  A client's answers hang together: a client counts once."""
    with lock:
        newest = "SELECT variant, model FROM predictions WHERE n IN (SELECT max(n) FROM predictions GROUP BY variant) ORDER BY variant"
        variants = [describe(v, m, since) for v, m in db.execute(newest).fetchall()]
    report = {"variants": variants, "difference": None, "verdict": "only one variant has answered so far"}
    if len(variants) == 2:
        a, b = variants
        report["verdict"] = f"too early: each variant needs feedback of {FEWEST} clients"
        if min(a["clients"], b["clients"]) >= FEWEST:
            by, error = b["reward"] - a["reward"], (a["error"] ** 2 + b["error"] ** 2) ** 0.5
            chance = 2 * (1 - statistics.NormalDist().cdf(abs(by) / error)) if error else float(by == 0)
            report["difference"] = {"reward": by, "interval": [by - 1.96 * error, by + 1.96 * error], "p": chance}
            report["verdict"] = "no difference is proven"
            if chance < 0.05:
                report["verdict"] = f"{'b' if by > 0 else 'a'} earns more (p = {chance:.2g})"
    return report


def page(report):
    def number(x, digits=3):
        return "–" if x is None else f"{x:.{digits}f}"

    def row(title, cells):
        return f"<tr><th>{title}</th>" + "".join(f"<td>{html.escape(str(c))}</td>" for c in cells) + "</tr>"

    v = report["variants"]
    rows = [row("", ["variant " + x["variant"] for x in v])] + [row(k, [x[k] for x in v]) for k in ("model", "requests", "errors")]
    rows += [row(f"latency {q}, ms", [x["latency_ms"].get(q, "–") for x in v]) for q in ("p50", "p95", "p99")]
    rows += [row(k, [x[k] for x in v]) for k in ("feedback", "clients")] + [row("mean reward", [number(x["reward"]) for x in v])]
    rows += [row("95 % between", [" and ".join(map(number, x["interval"])) if x["interval"] else "–" for x in v])]
    d = report["difference"]
    line = d and f"b earns {d['reward']:+.3f} a client, 95 % between {d['interval'][0]:+.3f} and {d['interval'][1]:+.3f}; p = {d['p']:.2g}"
    style = "body{font:16px sans-serif;margin:2em auto;max-width:50em}th{text-align:left}td,th{padding:.3em 1em .3em 0}"
    head = f"<!doctype html><html lang=en><meta charset=utf-8><title>Comparison</title><style>{style}</style>"
    return f"{head}<h1>{html.escape(report['verdict'])}</h1><table>{''.join(rows)}</table><p>{line or ''}<p><a href=report.json>as JSON</a>"


def metrics():
    kinds = {"requests_total": "counter", "feedback_total": "counter", "reward_sum": "gauge", "shipped_total": "counter"}
    lines = []
    with lock:
        for name, kind in [*kinds.items(), ("ship_errors_total", "counter")]:
            lines.append(f"# TYPE seldon_{name} {kind}")
            for (n, variant, more), value in sorted(counts.items()):
                if n == name:
                    labels = f'variant="{variant}"{more}' if variant else f'kind="{more}"'
                    lines.append(f"seldon_{name}{{{labels}}} {value}")
        lines.append("# TYPE seldon_request_seconds histogram")
        for variant, numbers in sorted(buckets.items()):
            for bound, i in [*zip(BOUNDS, range(1, 99)), ("+Inf", None)]:
                lines.append(f'seldon_request_seconds_bucket{{variant="{variant}",le="{bound}"}} {sum(numbers[:i])}')
            lines.append(f'seldon_request_seconds_sum{{variant="{variant}"}} {counts["request_seconds_sum", variant, ""]}')
            lines.append(f'seldon_request_seconds_count{{variant="{variant}"}} {sum(numbers)}')
        lines.append("# TYPE seldon_waiting gauge")
        for kind, n in db.execute("SELECT kind, n FROM shipped").fetchall():
            waiting = db.execute(f"SELECT count(*) FROM {kind} WHERE n > ?", [n]).fetchone()[0]
            lines.append(f'seldon_waiting{{kind="{kind}"}} {waiting}')
    return "\n".join(lines) + "\n"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version, timeout = "HTTP/1.1", 60

    def answer(self, status, body, kind="application/json"):
        body = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in (("Content-Type", kind), ("Content-Length", str(len(body))), ("Cache-Control", "no-store")):
            self.send_header(name, value)
        self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
        self.end_headers()
        self.wfile.write(body)

    def handle_any(self):
        length = self.headers.get("Content-Length", "0")
        body = self.rfile.read(int(length)) if length.isdigit() and int(length) <= LARGEST else None
        path, _, query = self.path.partition("?")
        if path == "/healthz":
            return self.answer(200, "ok\n", "text/plain")
        if not hmac.compare_digest(self.headers.get("Authorization", "").encode(), LOGIN.encode()):
            raise Refused(401, "log in")
        if self.command == "POST":
            if body is None or "json" not in self.headers.get("Content-Type", ""):  # no page of another site can send JSON
                raise Refused(415, "JSON is expected")
            said = json.loads(body)
            if path == "/records":
                return self.answer(200, {"kept": keep_records(said)})
            if path == "/api/v1.0/feedback" and isinstance(said, dict):
                return self.answer(200, keep_feedback(said))
        elif path == "/metrics":
            return self.answer(200, metrics(), "text/plain; version=0.0.4")
        elif path in ("/report", "/report.json"):
            hours = query.removeprefix("hours=") if query.startswith("hours=") else ""
            report = compare(time.time() - 3600 * float(hours) if hours else 0)
            return self.answer(200, report) if path.endswith("json") else self.answer(200, page(report), "text/html; charset=utf-8")
        raise Refused(404, "no such page")

    def do_GET(self):
        try:
            self.handle_any()
        except Refused as why:
            self.answer(why.status, {"error": str(why)})
        except ValueError as why:
            self.answer(400, {"error": str(why)})
        except (sqlite3.Error, KeyError, TypeError) as why:
            print(f"{self.command} {self.path}: {why!r}", flush=True)
            self.answer(500, {"error": type(why).__name__})

    do_POST = do_GET

    def log_message(self, *_):
        pass


ended = threading.Event()
server = http.server.ThreadingHTTPServer((env["HOST"], int(env["PORT"])), Handler)
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: (ended.set(), threading.Thread(target=server.shutdown).start()))
shipper = threading.Thread(target=ship_always, args=[ended])
shipper.start()
server.serve_forever()
ended.set()
shipper.join(15)
