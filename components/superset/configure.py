"""A connection to each of the platform's databases, and a sample dashboard."""

import json
import sys

import api
import psycopg2
from sqlalchemy.engine import make_url

ask = json.load(sys.stdin)
at = ask["provides"]["superset"]
superset = api.Superset(at["url"], at["user"], at["password"])
TABLE = "mill_sample_readings"
ids = {}
for database in ask["collected"]["databases"]:
    ids[database["name"]] = superset.ensure(
        "database",
        "database_name",
        {"database_name": database["name"], "sqlalchemy_uri": database["uri"], "expose_in_sqllab": True, "allow_ctas": True},
    )


def make_table(uri):
    """Four weeks of six sensors, hour by hour: a made-up factory."""
    url = make_url(uri)
    with psycopg2.connect(host=url.host, port=url.port, user=url.username, password=url.password, dbname=url.database) as db:
        cursor = db.cursor()
        cursor.execute(
            f"""CREATE TABLE IF NOT EXISTS {TABLE} AS
            SELECT 'sensor-' || s AS sensor, (ARRAY['hall A', 'hall B'])[1 + s % 2] AS hall, at,
                   round((20 + s + 5 * sin(extract(epoch FROM at) / 13751) + (hashtext(s || at::text) % 100) / 80.0)::numeric, 2) AS temperature,
                   round((45 + 10 * cos(extract(epoch FROM at) / 13751 + s))::numeric, 1) AS humidity
            FROM generate_series(1, 6) s, generate_series(timestamp '2026-01-01', timestamp '2026-01-28 23:00', interval '1 hour') at"""
        )


def metric(column, aggregate="AVG"):
    return {
        "expressionType": "SIMPLE",
        "column": {"column_name": column},
        "aggregate": aggregate,
        "label": f"{aggregate.lower()} {column}",
        "optionName": f"metric_{column}",
    }


def sample(database):
    dataset = superset.find("dataset", "table_name", TABLE) or superset(
        "POST", "/dataset/", {"database": database, "schema": "public", "table_name": TABLE}
    )["id"]
    charts = {
        "Temperature by sensor": {
            "viz_type": "echarts_timeseries_line",
            "x_axis": "at",
            "time_grain_sqla": "P1D",
            "metrics": [metric("temperature")],
            "groupby": ["sensor"],
            "row_limit": 10000,
            "show_legend": True,
            "x_axis_time_format": "smart_date",
            "y_axis_bounds": [None, None],
            "truncateYAxis": True,
        },
        "Humidity by hall": {
            "viz_type": "echarts_timeseries_bar",
            "x_axis": "hall",
            "metrics": [metric("humidity")],
            "groupby": [],
            "row_limit": 100,
        },
        "Readings": {"viz_type": "big_number_total", "metric": metric("sensor", "COUNT"), "subheader": "in four weeks"},
    }
    # dashboards keep ids of charts in their layout: the dashboard first, then its charts, then the layout
    dashboard = superset.ensure("dashboard", "slug", {"dashboard_title": "Sample: a factory's sensors", "slug": "mill-sample", "published": True})
    made = {
        name: superset.ensure(
            "chart",
            "slice_name",
            {
                "slice_name": name,
                "viz_type": form["viz_type"],
                "datasource_id": dataset,
                "datasource_type": "table",
                "params": json.dumps(form | {"datasource": f"{dataset}__table", "adhoc_filters": []}),
                "dashboards": [dashboard],
            },
        )
        for name, form in charts.items()
    }
    widths, position = {"Temperature by sensor": 12, "Humidity by hall": 8, "Readings": 4}, {
        "DASHBOARD_VERSION_KEY": "v2",
        "ROOT_ID": {"type": "ROOT", "id": "ROOT_ID", "children": ["GRID_ID"]},
        "GRID_ID": {"type": "GRID", "id": "GRID_ID", "children": ["ROW-1", "ROW-2"], "parents": ["ROOT_ID"]},
        "HEADER_ID": {"type": "HEADER", "id": "HEADER_ID", "meta": {"text": "Sample: a factory's sensors"}},
    }
    for row, names in (("ROW-1", ["Temperature by sensor"]), ("ROW-2", ["Humidity by hall", "Readings"])):
        parents = ["ROOT_ID", "GRID_ID"]
        position[row] = {
            "type": "ROW", "id": row, "children": [f"CHART-{made[n]}" for n in names], "parents": parents,
            "meta": {"background": "BACKGROUND_TRANSPARENT"},
        }  # fmt: skip
        for n in names:
            key = f"CHART-{made[n]}"
            position[key] = {
                "type": "CHART", "id": key, "children": [], "parents": [*parents, row],
                "meta": {"chartId": made[n], "sliceName": n, "width": widths[n], "height": 50},
            }  # fmt: skip
    superset("PUT", f"/dashboard/{dashboard}", {"position_json": json.dumps(position)})


message = f"{len(ids)} database connections"
if ask["settings"]["sample"] and "PostgreSQL" in ids:
    make_table(next(d["uri"] for d in ask["collected"]["databases"] if d["name"] == "PostgreSQL"))
    sample(ids["PostgreSQL"])
    message += ", a sample dashboard"
json.dump({"message": message}, sys.stdout)
