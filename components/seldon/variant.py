"""One variant: MLServer with one model, behind a password, that tells the recorder what it answered.

The model comes from the lake (s3://), from MLflow (models:/, runs:/) or is a sample that is trained here.
"""

import asyncio
import base64
import collections
import hmac
import json
import os
import shutil
import time
import urllib.request
from pathlib import Path

from mlserver import MLServer, ModelSettings, Settings
from mlserver.metrics.prometheus import PrometheusEndpoint
from mlserver.settings import ModelParameters

env = os.environ
LOGIN = b"Basic " + base64.b64encode(f"{env['SERVING_USER']}:{env['SERVING_PASSWORD']}".encode())
WAITING = 20000  # records kept while the recorder is away
LARGEST = 64 << 10  # of what is recorded of a question or an answer


def sample(kind, file):
    """Digits of 8 x 8 pixels: a linear model that saw few of them, or a forest that saw more."""
    import joblib
    from sklearn.datasets import load_digits
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression

    x, y = load_digits(return_X_y=True)
    if kind == "logistic":
        model = LogisticRegression(max_iter=500, C=0.01).fit(x[:150], y[:150])
    else:
        model = RandomForestClassifier(60, random_state=1).fit(x[:1000], y[:1000])
    joblib.dump(model, file)


def from_lake(uri, folder):
    import boto3

    bucket, _, key = uri.removeprefix("s3://").partition("/")
    lake, found = boto3.client("s3"), 0
    for page in lake.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key):
        for item in page.get("Contents", []):
            rest = item["Key"][len(key) :] if key.endswith("/") or item["Key"] != key else "/" + key.rsplit("/", 1)[-1]
            if not (rest.startswith("/") or key.endswith("/")) or rest.endswith("/"):
                continue  # models/ab is not in models/a
            place = (folder / rest.lstrip("/")).resolve()
            if not place.is_relative_to(folder):
                raise SystemExit(f"{item['Key']}: a name that leaves its folder")
            place.parent.mkdir(parents=True, exist_ok=True)
            lake.download_file(bucket, item["Key"], str(place))
            found += 1
    if not found:
        raise SystemExit(f"{uri}: nothing is there")


def fetch(uri):
    """The model in a folder of ours, as settings of MLServer, and the version that it turned out to be."""
    folder = Path(env["FOLDER"]).resolve() / "model"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    if uri.startswith("sample:"):
        sample(uri.removeprefix("sample:"), folder / "model.joblib")
    elif uri.startswith("s3://"):
        from_lake(uri, folder)
    else:
        if not env.get("MLFLOW_TRACKING_URI"):
            raise SystemExit(f"{uri}: needs the component mlflow, which is not in the flavour")
        import mlflow

        if uri.startswith("models:/") and ("@" in uri or uri.endswith("/latest")):
            name = uri.removeprefix("models:/")
            if "@" in name:
                name, alias = name.split("@", 1)
                version = mlflow.MlflowClient().get_model_version_by_alias(name, alias).version
            else:
                name = name.removesuffix("/latest")
                version = max(int(v.version) for v in mlflow.MlflowClient().search_model_versions(f"name='{name}'"))
            uri = f"models:/{name}/{version}"
        mlflow.artifacts.download_artifacts(uri, dst_path=str(folder))
    described = next(folder.rglob("MLmodel"), None)
    if described:
        return "mlserver_mlflow.MLflowRuntime", described.parent, uri
    files = [f for f in folder.rglob("*") if f.suffix in (".joblib", ".pickle", ".pkl")]
    if len(files) != 1:
        raise SystemExit(f"{uri}: neither a model of MLflow nor one file .joblib or .pkl")
    return "mlserver_sklearn.SKLearnModel", files[0], uri


class Gate:
    """Refuses who does not log in, records what is asked and answered."""

    records = collections.deque(maxlen=WAITING)
    model = ""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http" or scope["path"].startswith("/v2/health/"):
            return await self.app(scope, receive, send)
        headers = dict(scope["headers"])
        if not hmac.compare_digest(headers.get(b"authorization", b""), LOGIN):
            await send({"type": "http.response.start", "status": 401, "headers": [(b"content-length", b"0")]})
            return await send({"type": "http.response.body"})
        question, answer, status, start = [], [], 500, time.perf_counter()

        async def hear():
            message = await receive()
            question.append(message.get("body", b""))
            return message

        async def say(message):
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), (b"x-variant", env["VARIANT"].encode())]
            answer.append(message.get("body", b""))
            await send(message)

        part_of_test = scope["path"] == f"/v2/models/{env['MODEL']}/infer"
        try:
            await self.app(scope, hear if part_of_test else receive, say)
        finally:
            if part_of_test:
                self.record(headers, question, answer, status, time.perf_counter() - start)

    def record(self, headers, question, answer, status, seconds):
        try:
            said = json.loads(b"".join(answer) or b"{}")
        except ValueError:
            said = {}
        record = {
            "id": said.get("id"),
            "time": time.time(),
            "variant": env["VARIANT"],
            "model": self.model,
            "client": headers.get(b"x-client-id", b"").decode("latin-1")[:200],
            "status": status,
            "seconds": round(seconds, 6),
            "outputs": said.get("outputs", said.get("error")),
        }
        question = b"".join(question)
        if env["RECORD_INPUTS"] == "true" and len(question) <= LARGEST and status < 400:
            record["inputs"] = json.loads(question).get("inputs")
        if len(json.dumps(record["outputs"])) > LARGEST:
            record["outputs"] = None
        self.records.append(record)


def deliver(records):
    request = urllib.request.Request(
        env["RECORDER"] + "/records",
        json.dumps(records).encode(),
        {"Authorization": LOGIN.decode(), "Content-Type": "application/json"},
    )
    urllib.request.urlopen(request, timeout=10).close()


async def tell():
    """Every moment what there is to the recorder; what it did not take is told again."""
    while True:
        await asyncio.sleep(0.1)
        some = [Gate.records.popleft() for _ in range(min(500, len(Gate.records)))]
        try:
            if some:
                await asyncio.to_thread(deliver, some)
        except Exception as error:
            print(f"the recorder did not take {len(some)} records: {error}", flush=True)
            Gate.records.extendleft(reversed(some))
            await asyncio.sleep(2)


class Nothing:
    """In the place of the gRPC server, which knows no password."""

    async def start(self):
        pass

    async def stop(self, sig=None):
        pass


class Server(MLServer):
    def _create_servers(self):
        super()._create_servers()
        self._grpc_server, self._metrics_server = Nothing(), None
        app = self._rest_server._app
        app.add_route("/metrics", PrometheusEndpoint(self._settings).handle_metrics)
        app.add_middleware(Gate)


async def main():
    implementation, place, Gate.model = fetch(env["MODEL_URI"])
    settings = Settings(
        debug=False, host=env["HOST"], http_port=int(env["PORT"]), parallel_workers=0, gzip_enabled=False, use_structured_logging=False
    )
    server = Server(settings)
    model = ModelSettings(
        name=env["MODEL"], implementation=implementation, parameters=ModelParameters(uri=str(place), version=env["VARIANT"])
    )
    print(f"variant {env['VARIANT']} serves {Gate.model}", flush=True)
    telling = asyncio.create_task(tell())
    await server.start([model])
    telling.cancel()
    if Gate.records:
        await asyncio.to_thread(deliver, list(Gate.records))


asyncio.run(main())
