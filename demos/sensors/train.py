"""Two models that tell broken readings from good ones, tracked and registered: champion and challenger."""

import logging
import os

import mlflow
import numpy as np
import pandas as pd
import sklearn
import story
from mlflow import MlflowClient
from mlflow.models import infer_signature
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split

logging.getLogger("mlflow").setLevel(logging.ERROR)
NAME, COLUMNS = "sensors", ["temperature_c", "humidity_pct", "jump", "spread"]
facts = story.recall()
os.environ["MILL_DATA_VERSION"] = facts["version"]  # every run is tagged with it
frame = pd.read_parquet(f"s3://{story.LAKE}/features")
x, y = frame[COLUMNS].to_numpy(float), frame["anomaly"].to_numpy(int)
x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.4, random_state=0, stratify=y)
candidates = {
    "champion": ("the temperature alone", LogisticRegression(C=1e-6, max_iter=200)),
    "challenger": ("a forest", RandomForestClassifier(40, random_state=0, class_weight="balanced")),
}
mlflow.set_experiment("sensors")
client, scores, versions = MlflowClient(), {}, {}
for alias, (title, model) in candidates.items():
    with mlflow.start_run(run_name=title):
        model.fit(x_train, y_train)
        scores[alias] = f1_score(y_test, model.predict(x_test), zero_division=0)
        mlflow.log_params({"model": type(model).__name__, "rows": len(frame)})
        mlflow.log_metrics({"f1": scores[alias], "accuracy": float((model.predict(x_test) == y_test).mean())})
        logged = mlflow.sklearn.log_model(
            model,
            name="model",
            signature=infer_signature(x_train, model.predict(x_train)),
            serialization_format="cloudpickle",
            pip_requirements=[f"scikit-learn=={sklearn.__version__}"],  # said, not guessed: guessing takes 15 s
        )
    version = mlflow.register_model(logged.model_uri, NAME)
    client.set_registered_model_alias(NAME, alias, version.version)
    versions[alias] = version.version
np.savez("test.npz", x=x_test, y=y_test)
tags = f"tags.`mill.data_version` = '{facts['version']}' and tags.`mill.environment_hash` = '{os.environ['MILL_ENVIRONMENT_HASH']}'"
runs = len(mlflow.search_runs(experiment_names=["sensors"], filter_string=tags))
story.must(runs >= 2, f"only {runs} runs are tracked with their data version and environment")
story.remember(models=versions)
story.done(f"{len(x_train)} rows trained two models (f1 {scores['champion']:.2f} and {scores['challenger']:.2f}), tracked with data version "
           f"{facts['version'][:10]}, registered as {NAME} {versions['champion']} and {versions['challenger']}",
           rows=len(frame), trained=len(x_train), tested=len(x_test))  # fmt: skip
