"""Proves that runs, artifacts and models are kept, the artifacts in the lake, and that strangers are refused."""

import os
import tempfile
import uuid

import mill_hook

ask = mill_hook.ask()
mlflow_at, s3 = ask["provides"]["mlflow"], ask["requires"]["s3"]
os.environ |= {
    "MLFLOW_TRACKING_URI": mlflow_at["url"],
    "MLFLOW_TRACKING_USERNAME": mlflow_at["user"],
    "MLFLOW_TRACKING_PASSWORD": mlflow_at["password"],
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "GIT_PYTHON_REFRESH": "quiet",
}

import boto3  # noqa: E402
import requests  # noqa: E402
from mlflow import MlflowClient  # noqa: E402

check = mill_hook.Checks()


client, name = MlflowClient(), "smoke-" + uuid.uuid4().hex[:12]
lake = boto3.client(
    "s3",
    endpoint_url=s3["endpoint"],
    aws_access_key_id=s3["access_key"],
    aws_secret_access_key=s3["secret_key"],
    region_name=s3["region"],
)
experiment = client.create_experiment(name)
try:
    run = client.create_run(experiment)
    client.log_param(run.info.run_id, "alpha", 0.5)
    for step in range(3):
        client.log_metric(run.info.run_id, "loss", 1 / (step + 1), step=step)
    with tempfile.TemporaryDirectory() as folder:
        with open(folder + "/note.txt", "w") as file:
            file.write(name)
        client.log_artifact(run.info.run_id, folder + "/note.txt", "notes")
        back = client.download_artifacts(run.info.run_id, "notes/note.txt", folder)
        with open(back) as file:
            check("artifact comes back", file.read() == name)
    client.set_terminated(run.info.run_id)
    losses = [m.value for m in client.get_metric_history(run.info.run_id, "loss")]
    check("metrics come back", losses == [1, 1 / 2, 1 / 3], str(losses))
    found = lake.list_objects_v2(Bucket=s3["bucket"], Prefix=experiment + "/").get("Contents", [])
    check("artifact is in the lake", any(o["Key"].endswith("notes/note.txt") for o in found), s3["bucket"])
    client.create_registered_model(name)
    version = client.create_model_version(name, run.info.artifact_uri + "/notes", run.info.run_id)
    check("model is registered", version.version in (1, "1"), version.source)
    client.delete_registered_model(name)
finally:
    for o in lake.list_objects_v2(Bucket=s3["bucket"], Prefix=experiment + "/").get("Contents", []):
        lake.delete_object(Bucket=s3["bucket"], Key=o["Key"])
    client.delete_experiment(experiment)

search = mlflow_at["url"] + "/api/2.0/mlflow/experiments/search?max_results=1"
for user, password in ((None, None), (mlflow_at["user"], "wrong"), ("admin", "password1234"), ("admin", "password")):
    code = requests.get(search, auth=(user, password) if user else None, timeout=10).status_code
    check(f"{user or 'nobody'} is refused", code == 401, str(code))

check.end()
