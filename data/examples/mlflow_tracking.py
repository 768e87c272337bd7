"""Trains three models on digits from the lake, tracks them in MLflow, registers the best, and reads it back.

    data-mill notebook run mlflow_tracking.py --environment scipy        (component mlflow)

No address, user or password: MLFLOW_TRACKING_* and AWS_* say them.
"""

import logging

import mlflow
import pandas as pd
import sklearn
from mlflow import MlflowClient
from mlflow.models import infer_signature
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import train_test_split

logging.getLogger("mlflow").setLevel(logging.ERROR)
NAME = "digits"

data = pd.read_parquet("s3://data/digits/digits.parquet")
x, y = data.drop(columns="digit").to_numpy(float), data["digit"].to_numpy()
x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.3, random_state=0, stratify=y)

candidates = {
    "logistic C=1e-4": LogisticRegression(C=1e-4, max_iter=1000),
    "logistic C=1e-2": LogisticRegression(C=1e-2, max_iter=1000),
    "forest": RandomForestClassifier(60, random_state=0),
}
mlflow.set_experiment("digits")
runs = {}
for title, model in candidates.items():
    with mlflow.start_run(run_name=title) as run:
        model.fit(x_train, y_train)
        mlflow.log_params(model.get_params())
        mlflow.log_metric("accuracy", accuracy_score(y_test, model.predict(x_test)))
        mlflow.log_metric("log_loss", log_loss(y_test, model.predict_proba(x_test)))
        logged = mlflow.sklearn.log_model(
            model,
            name="model",
            signature=infer_signature(x_train, model.predict(x_train)),
            serialization_format="cloudpickle",
            pip_requirements=[f"scikit-learn=={sklearn.__version__}"],  # said, not guessed: guessing takes 15 s
        )
        runs[title] = run.info.run_id, logged.model_uri

client = MlflowClient()
found = mlflow.search_runs(experiment_names=["digits"], order_by=["metrics.accuracy DESC"], max_results=100)
found = found[found.run_id.isin([run for run, _ in runs.values()])]  # of today's
print(found[["tags.mlflow.runName", "metrics.accuracy", "metrics.log_loss"]].round(3).to_string(index=False))

tags = client.get_run(found.run_id.iloc[0]).data.tags  # in which environment, on which data: nobody had to say so
print("tagged:", ", ".join(f"{name[5:]} {value[:20]}" for name, value in sorted(tags.items()) if name.startswith("mill.")))

# the linear one is in service, the forest wants to be: an A/B test will tell (serving_ab_test.py)
for alias, title in (("champion", "logistic C=1e-4"), ("challenger", "forest")):
    version = mlflow.register_model(runs[title][1], NAME)
    client.set_registered_model_alias(NAME, alias, version.version)
    print(f"models:/{NAME}@{alias} is version {version.version}, {title}")

back = mlflow.sklearn.load_model(f"models:/{NAME}@challenger")
print("read back:", f"{accuracy_score(y_test, back.predict(x_test)):.3f}")
