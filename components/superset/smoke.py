"""Proves that it asks the platform's database, that the sample dashboard is there, and that strangers are refused."""

import api
import mill_hook
import requests

ask = mill_hook.ask()
at = ask["provides"]["superset"]
check = mill_hook.Checks()


superset = api.Superset(at["url"], at["user"], at["password"])
for database in ask["collected"]["databases"]:
    known = superset.find("database", "database_name", database["name"])
    check(f"a connection to {database['name']}", known)
if ask["settings"]["sample"]:
    dataset = superset.find("dataset", "table_name", "mill_sample_readings")
    query = {
        "datasource": {"id": dataset, "type": "table"},
        "force": True,
        "queries": [{"columns": ["hall"], "metrics": ["count"], "orderby": [["hall", True]], "row_limit": 10}],
        "result_format": "json",
        "result_type": "full",
    }
    rows = superset("POST", "/chart/data", query)["result"][0]["data"]
    check("a chart's data", rows == [{"hall": "hall A", "count": 2016}, {"hall": "hall B", "count": 2016}], rows)
    charts = superset("GET", "/dashboard/mill-sample/charts")["result"]
    check("the sample dashboard", len(charts) == 3, f"{len(charts)} charts")
for user, password in ((at["user"], "wrong"), ("admin", "admin")):
    code = requests.post(
        at["url"] + "/api/v1/security/login", json={"username": user, "password": password, "provider": "db"}, timeout=30
    ).status_code
    check(f"{user} with a wrong password is refused", code == 401, code)
code = requests.get(at["url"] + "/api/v1/database/", timeout=30).status_code
check("nobody is refused", code == 401, code)

check.end()
