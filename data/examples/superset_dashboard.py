"""A dashboard by Superset's REST API: a data set in SQL, two charts, their place on a page, and the numbers asked for as the page asks.

    data-mill exec -- python3 superset_dashboard.py [--remove]        (components superset, postgres; the standard library only)

SUPERSET_* say where Superset is and who we are. Its connection to PostgreSQL is there already: the platform made it.
Again, it brings the same dashboard up to date; `--remove` takes everything away.
"""

import http.cookiejar
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request

URL, SLUG, NAME = os.environ["SUPERSET_URL"], "example-shops", "example_shops"
SQL = """SELECT 'shop ' || shop AS shop, day, (100 + 20 * shop + 30 * sin(extract(doy FROM day) / 8 + shop))::int AS sold
FROM generate_series(1, 3) shop, generate_series(timestamp '2026-01-01', timestamp '2026-03-31', interval '1 day') day"""

web = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))  # the CSRF token belongs to a session
headers = {"Content-Type": "application/json", "Referer": URL}


def call(method, path, body=None):
    request = urllib.request.Request(f"{URL}/api/v1{path}", json.dumps(body).encode() if body else None, headers, method=method)
    try:
        with web.open(request, timeout=120) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise SystemExit(f"{method} {path}: {error.code} {error.read().decode()[:300]}") from None


def find(kind, column, value):
    query = json.dumps({"filters": [{"col": column, "opr": "eq", "value": value}]})
    found = call("GET", f"/{kind}/?q={urllib.parse.quote(query)}")["result"]
    return found[0]["id"] if found else None


def save(kind, column, body, fixed=()):
    """Makes it or changes it; `fixed` is what only the making may say."""
    known = find(kind, column, body[column])
    if known is None:
        return call("POST", f"/{kind}/", body)["id"]
    call("PUT", f"/{kind}/{known}", {k: v for k, v in body.items() if k not in fixed})
    return known


login = {"username": os.environ["SUPERSET_USER"], "password": os.environ["SUPERSET_PASSWORD"], "provider": "db"}
headers["Authorization"] = "Bearer " + call("POST", "/security/login", login)["access_token"]
headers["X-CSRFToken"] = call("GET", "/security/csrf_token/")["result"]

sold = {"expressionType": "SIMPLE", "column": {"column_name": "sold"}, "aggregate": "SUM", "label": "sold"}
charts = {
    "Example: sold a week": {"viz_type": "echarts_timeseries_line", "x_axis": "day", "time_grain_sqla": "P1W", "metrics": [sold], "groupby": ["shop"]},
    "Example: sold by shop": {"viz_type": "pie", "metric": sold, "groupby": ["shop"]},
}
if "--remove" in sys.argv:
    things = [("dashboard", "slug", SLUG), *(("chart", "slice_name", name) for name in charts), ("dataset", "table_name", NAME)]
    for kind, column, value in things:
        if (known := find(kind, column, value)) is not None:
            call("DELETE", f"/{kind}/{known}")
            print("removed", kind, value)
    sys.exit()

database = find("database", "database_name", "PostgreSQL")
dataset = save("dataset", "table_name", {"database": database, "schema": "public", "table_name": NAME, "sql": SQL}, ["database", "schema", "table_name"])
call("PUT", f"/dataset/{dataset}/refresh")  # its columns
dashboard = save("dashboard", "slug", {"dashboard_title": "Example: three shops", "slug": SLUG, "published": True})

row = {"type": "ROW", "id": "ROW", "children": [], "parents": ["ROOT_ID", "GRID_ID"], "meta": {"background": "BACKGROUND_TRANSPARENT"}}
layout = {
    "DASHBOARD_VERSION_KEY": "v2",
    "ROOT_ID": {"type": "ROOT", "id": "ROOT_ID", "children": ["GRID_ID"]},
    "GRID_ID": {"type": "GRID", "id": "GRID_ID", "children": ["ROW"], "parents": ["ROOT_ID"]},
    "ROW": row,
}
for (name, form), width in zip(charts.items(), (8, 4)):
    form |= {"datasource": f"{dataset}__table", "row_limit": 1000, "adhoc_filters": []}
    body = {"slice_name": name, "viz_type": form["viz_type"], "params": json.dumps(form), "dashboards": [dashboard]}
    chart = save("chart", "slice_name", body | {"datasource_id": dataset, "datasource_type": "table"})
    row["children"].append(f"CHART-{chart}")
    place = {"chartId": chart, "sliceName": name, "width": width, "height": 50}
    layout[f"CHART-{chart}"] = {"type": "CHART", "id": f"CHART-{chart}", "children": [], "parents": [*row["parents"], "ROW"], "meta": place}
call("PUT", f"/dashboard/{dashboard}", {"position_json": json.dumps(layout)})

query = {"columns": ["shop"], "metrics": [sold], "orderby": [["shop", True]], "row_limit": 10}
answer = call("POST", "/chart/data", {"datasource": {"id": dataset, "type": "table"}, "queries": [query], "result_format": "json", "result_type": "full"})
rows = answer["result"][0]["data"]
for shop in rows:
    print(shop["shop"], shop["sold"])
shown = len(call("GET", f"/dashboard/{SLUG}/charts")["result"])
assert len(rows) == 3 and shown == len(charts), (rows, shown)
print(f"{shown} charts: {URL}/superset/dashboard/{SLUG}/")
