"""Proves that a pipeline reads from the lake, hands artifacts from step to step, branches, fails loudly and writes to the lake."""

import json
import os
import sys
import uuid

import mill_hook

ask = mill_hook.ask()
s3 = ask["requires"]["s3"]
os.environ |= {
    "AWS_ENDPOINT_URL_S3": s3["endpoint"],
    "AWS_ACCESS_KEY_ID": s3["access_key"],
    "AWS_SECRET_ACCESS_KEY": s3["secret_key"],
    "AWS_DEFAULT_REGION": s3["region"],
}

import boto3  # noqa: E402
from kfp import dsl, local  # noqa: E402
from kfp.dsl import Dataset, Input, Metrics, Model, Output  # noqa: E402

step = dsl.component(base_image="python:3.12", install_kfp_package=False)


@step
def read(bucket: str, key: str, table: Output[Dataset]):
    import boto3

    boto3.client("s3").download_file(bucket, key, table.path)


@step
def train(table: Input[Dataset], model: Output[Model], metrics: Output[Metrics]) -> float:
    import joblib
    import pandas
    from sklearn.linear_model import LinearRegression

    data = pandas.read_csv(table.path)
    fitted = LinearRegression().fit(data[["x"]], data["y"])
    joblib.dump(fitted, model.path)
    metrics.log_metric("slope", float(fitted.coef_[0]))
    return fitted.score(data[["x"]], data["y"])


@step
def publish(bucket: str, key: str, score: float, model: Input[Model]):
    import json
    import os

    import boto3

    body = json.dumps({"score": score, "model_bytes": os.path.getsize(model.path)})
    boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=body.encode())


@dsl.pipeline(name="smoke")
def pipeline(bucket: str, folder: str, least: float = 0.9):
    data = read(bucket=bucket, key=f"{folder}/in.csv")
    fitted = train(table=data.outputs["table"])
    with dsl.If(fitted.outputs["Output"] > least, name="good"):
        publish(bucket=bucket, key=f"{folder}/out.json", score=fitted.outputs["Output"], model=fitted.outputs["model"])


check, folder, lake = mill_hook.Checks(), "smoke-" + uuid.uuid4().hex[:12], boto3.client("s3")


os.environ["PATH"] = os.path.dirname(sys.executable) + os.pathsep + os.environ.get("PATH", "")
local.init(runner=local.SubprocessRunner(use_venv=False), pipeline_root=os.path.join(os.getcwd(), "runs"))
try:
    rows = "x,y\n" + "".join(f"{i},{3 * i + 1}\n" for i in range(50))
    lake.put_object(Bucket=s3["bucket"], Key=folder + "/in.csv", Body=rows.encode())
    pipeline(bucket=s3["bucket"], folder=folder)
    made = json.loads(lake.get_object(Bucket=s3["bucket"], Key=folder + "/out.json")["Body"].read())
    check("a pipeline from the lake to the lake", made["score"] > 0.999 and made["model_bytes"] > 100, made)
    lake.delete_object(Bucket=s3["bucket"], Key=folder + "/out.json")
    pipeline(bucket=s3["bucket"], folder=folder, least=2.0)
    left = lake.list_objects_v2(Bucket=s3["bucket"], Prefix=folder + "/out").get("KeyCount", 0)
    check("a branch not taken does nothing", left == 0)
    try:
        pipeline(bucket=s3["bucket"], folder=folder + "-absent")
        check("a step that fails fails the pipeline", False)
    except Exception as error:
        check("a step that fails fails the pipeline", "read" in str(error), error)
finally:
    for o in lake.list_objects_v2(Bucket=s3["bucket"], Prefix=folder + "/").get("Contents", []):
        lake.delete_object(Bucket=s3["bucket"], Key=o["Key"])

check.end()
