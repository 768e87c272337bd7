"""A client of Flink's SQL gateway."""

import json
import time
import urllib.error
import urllib.request
from base64 import b64encode


class Gateway:
    def __init__(self, url, user, password, **properties):
        self.url = url + "/v1"
        self.login = "Basic " + b64encode(f"{user}:{password}".encode()).decode()
        self.session = self.call("POST", "/sessions", {"properties": properties})["sessionHandle"]

    def call(self, method, path, body=None):
        data = json.dumps(body).encode() if body is not None else None
        headers = {"Authorization": self.login, "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise RuntimeError(reason(error.read().decode(errors="replace"))) from None

    def run(self, statement, timeout=120):
        """The rows of a statement; of an INSERT the id of its job."""
        path = f"/sessions/{self.session}"
        operation = self.call("POST", path + "/statements", {"statement": statement})["operationHandle"]
        rows, page, until = [], 0, time.monotonic() + timeout
        while time.monotonic() < until:
            answer = self.call("GET", f"{path}/operations/{operation}/result/{page}?rowFormat=JSON")
            if answer["resultType"] == "NOT_READY":
                time.sleep(0.2)
                continue
            new = [row["fields"] for row in answer["results"]["data"]]
            rows += new
            if answer["resultType"] == "EOS":
                return rows
            page = int(answer["nextResultUri"].split("/result/")[1].split("?")[0])
            if not new:
                time.sleep(0.2)
        raise TimeoutError(f"no end after {timeout} s: {statement[:60]}")

    def close(self):
        self.call("DELETE", f"/sessions/{self.session}")


def reason(text):
    """The last cause in Flink's stack of exceptions."""
    lines = [line.strip() for line in text.replace("\\n", "\n").replace("\\t", " ").splitlines()]
    causes = [line for line in lines if line.startswith("Caused by:")]
    return (causes or [text])[-1][:500]
