"""A dashboard over the table that Flink keeps up to date, and its numbers asked for as a page would."""

import json
import os
import sys

import story

sys.path.append(os.environ["DEMO_DIR"] + "/../../components/superset")
import api  # noqa: E402

facts, TABLE, SLUG = story.recall(), "sensors_hours", "sensors"
superset = api.Superset(os.environ["SUPERSET_URL"], os.environ["SUPERSET_USER"], os.environ["SUPERSET_PASSWORD"])
database = superset.find("database", "database_name", "PostgreSQL")
story.must(database, "Superset has no connection to PostgreSQL")
dataset = superset.find("dataset", "table_name", TABLE) or superset("POST", "/dataset/", {"database": database, "schema": "public", "table_name": TABLE})["id"]
superset("PUT", f"/dataset/{dataset}/refresh")


def metric(column, aggregate):
    return {"expressionType": "SIMPLE", "column": {"column_name": column}, "aggregate": aggregate, "label": f"{aggregate.lower()} {column}",
            "optionName": f"metric_{aggregate}_{column}"}  # fmt: skip


charts = {
    "Temperature of each sensor": {"viz_type": "echarts_timeseries_line", "x_axis": "hour", "metrics": [metric("average", "AVG")],
                                   "groupby": ["sensor"], "row_limit": 10000, "x_axis_sort_asc": True},
    "Broken readings": {"viz_type": "echarts_timeseries_bar", "x_axis": "sensor", "metrics": [metric("anomalies", "SUM")], "groupby": [], "row_limit": 100},
    "Readings": {"viz_type": "big_number_total", "metric": metric("n", "SUM"), "subheader": "through MQTT, AMQP, Kafka and Flink"},
}  # fmt: skip
dashboard = superset.ensure("dashboard", "slug", {"dashboard_title": "Sensors", "slug": SLUG, "published": True})
position = {
    "DASHBOARD_VERSION_KEY": "v2",
    "ROOT_ID": {"type": "ROOT", "id": "ROOT_ID", "children": ["GRID_ID"]},
    "GRID_ID": {"type": "GRID", "id": "GRID_ID", "children": ["ROW-1", "ROW-2"], "parents": ["ROOT_ID"]},
    "HEADER_ID": {"type": "HEADER", "id": "HEADER_ID", "meta": {"text": "Sensors"}},
}
for row, names in (("ROW-1", ["Temperature of each sensor"]), ("ROW-2", ["Broken readings", "Readings"])):
    position[row] = {"type": "ROW", "id": row, "children": [], "parents": ["ROOT_ID", "GRID_ID"], "meta": {"background": "BACKGROUND_TRANSPARENT"}}
    for name in names:
        form = charts[name]
        made = superset.ensure("chart", "slice_name", {
            "slice_name": name, "viz_type": form["viz_type"], "datasource_id": dataset, "datasource_type": "table", "dashboards": [dashboard],
            "params": json.dumps(form | {"datasource": f"{dataset}__table", "adhoc_filters": []}),
        })  # fmt: skip
        key = f"CHART-{made}"
        position[row]["children"].append(key)
        position[key] = {"type": "CHART", "id": key, "children": [], "parents": ["ROOT_ID", "GRID_ID", row],
                         "meta": {"chartId": made, "sliceName": name, "width": 12 // len(names), "height": 50}}  # fmt: skip
superset("PUT", f"/dashboard/{dashboard}", {"position_json": json.dumps(position)})

query = {"datasource": {"id": dataset, "type": "table"}, "force": True, "result_format": "json", "result_type": "full",
         "queries": [{"columns": [], "metrics": [metric("n", "SUM"), metric("hour", "COUNT")], "row_limit": 10}]}  # fmt: skip
row = superset("POST", "/chart/data", query)["result"][0]["data"][0]
readings, hours = int(row["sum n"]), int(row["count hour"])
shown = len(superset("GET", f"/dashboard/{SLUG}/charts")["result"])
counts = {"rows": facts["rows"], "shown": readings, "hours": hours, "charts": shown}
story.must((readings, hours, shown) == (facts["rows"], facts["hours"], len(charts)), f"{facts['rows']} readings, the dashboard shows {readings}", **counts)
story.done(f"{readings} readings of {hours} hours in {shown} charts: {os.environ['SUPERSET_URL']}/superset/dashboard/{SLUG}/", **counts)
