"""A pipeline over the lake: reads a CSV, trains a model, and writes model and score to the lake if the score is good enough.

    data-mill exec -- sh -c '$KFP_PYTHON kfp_pipeline.py'             (component kfp, or kubeflow)
    $KFP_PYTHON kfp_pipeline.py --compile pipeline.yaml               (the same, for Kubeflow on Kubernetes)
"""

import argparse
import json
import os
import tempfile

import boto3
from kfp import compiler, dsl, local
from kfp.dsl import Dataset, Input, Metrics, Model, Output

# a step's own imports: its source is what runs, in a process or a container of its own
step = dsl.component(base_image="python:3.12", install_kfp_package=False)


@step
def read(bucket: str, key: str, table: Output[Dataset]):
    import boto3

    boto3.client("s3").download_file(bucket, key, table.path)


@step
def train(table: Input[Dataset], trees: int, model: Output[Model], metrics: Output[Metrics]) -> float:
    import joblib
    import pandas as pd
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import cross_val_score

    data = pd.read_csv(table.path)
    x, y = data.drop(columns="species"), data["species"]
    forest = RandomForestClassifier(trees, random_state=0)
    accuracy = float(cross_val_score(forest, x, y, cv=5).mean())
    metrics.log_metric("accuracy", accuracy)
    joblib.dump(forest.fit(x, y), model.path)
    return accuracy


@step
def publish(bucket: str, accuracy: float, model: Input[Model]):
    import json

    import boto3

    lake = boto3.client("s3")
    lake.upload_file(model.path, bucket, "iris/model.joblib")
    lake.put_object(Bucket=bucket, Key="iris/metrics.json", Body=json.dumps({"accuracy": round(accuracy, 4)}).encode())


@dsl.pipeline(name="iris")
def iris(bucket: str, trees: int = 30, enough: float = 0.9):
    data = read(bucket="data", key="iris/iris.csv")
    fitted = train(table=data.outputs["table"], trees=trees)
    with dsl.If(fitted.outputs["Output"] >= enough, name="good enough"):
        publish(bucket=bucket, accuracy=fitted.outputs["Output"], model=fitted.outputs["model"])


if __name__ == "__main__":
    options = argparse.ArgumentParser(description="a pipeline over the lake")
    options.add_argument("--compile", metavar="FILE", help="only write it for Kubeflow")
    options.add_argument("--trees", type=int, default=30)
    options = options.parse_args()
    if options.compile:
        compiler.Compiler().compile(iris, options.compile)
        raise SystemExit
    bucket = os.environ["KFP_BUCKET"]
    with tempfile.TemporaryDirectory() as runs:
        local.init(runner=local.SubprocessRunner(use_venv=False), pipeline_root=runs)
        iris(bucket=bucket, trees=options.trees)
    found = boto3.client("s3").get_object(Bucket=bucket, Key="iris/metrics.json")["Body"].read()
    print("in the lake:", json.loads(found))
