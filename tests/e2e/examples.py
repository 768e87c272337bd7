"""The examples of data/examples: (file, components that it needs, arguments of data-mill that run it)."""


def in_environment(file, environment):
    return ["notebook", "run", f"data/examples/{file}", "--environment", environment]


EXAMPLES = [
    ("read_lake.py", "minio", in_environment("read_lake.py", "base")),
    ("mlflow_tracking.py", "minio, mlflow", in_environment("mlflow_tracking.py", "scipy")),
    ("serving_ab_test.py", "minio, seldon", in_environment("serving_ab_test.py", "scipy")),
    ("keras_denoise.ipynb", "minio, mlflow", [*in_environment("keras_denoise.ipynb", "tensorflow"), "--output", "{output}"]),
    ("kfp_pipeline.py", "minio, kfp", ["exec", "--", "sh", "-c", '"$KFP_PYTHON" data/examples/kfp_pipeline.py']),
]
