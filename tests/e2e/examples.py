"""The examples of data/examples: (file, components that it needs, arguments of data-mill that run it)."""


def in_environment(file, environment):
    return ["notebook", "run", f"data/examples/{file}", "--environment", environment]


def notebook(file, environment):
    return [*in_environment(file, environment), "--output", "{output}"]


def by_python_of(variable, file):
    return ["exec", "--", "sh", "-c", f'"${variable}" data/examples/{file}']


EXAMPLES = [
    ("read_lake.py", "minio", in_environment("read_lake.py", "base")),
    ("s3fs_lake.py", "minio", in_environment("s3fs_lake.py", "base")),
    ("boto3_lake.py", "minio", in_environment("boto3_lake.py", "base")),
    ("lake_pandas.ipynb", "minio", notebook("lake_pandas.ipynb", "scipy")),
    ("lake_r.ipynb", "minio", notebook("lake_r.ipynb", "r")),
    ("dvc_versions.sh", "minio, dvc", ["exec", "--", "data/examples/dvc_versions.sh"]),
    ("influxdb_series.py", "influxdb", ["exec", "--", "python3", "data/examples/influxdb_series.py"]),
    ("dask_lake.py", "minio, dask", by_python_of("DASK_PYTHON", "dask_lake.py")),
    ("mqtt_to_kafka.py", "rabbitmq, kafka-connect, schema-registry", ["exec", "-e", "python-env", "--", "python", "data/examples/mqtt_to_kafka.py"]),
    ("kafka-streams/run.sh", "kafka-streams", ["exec", "--", "data/examples/kafka-streams/run.sh", "sensor-readings", "sensor-averages", "5"]),
    ("flink_sql.py", "kafka, flink", ["exec", "--", "python3", "data/examples/flink_sql.py"]),
    ("pyspark_batch.py", "minio, spark", by_python_of("PYSPARK_PYTHON", "pyspark_batch.py")),
    ("pyspark_streaming.py", "minio, kafka, spark", by_python_of("PYSPARK_PYTHON", "pyspark_streaming.py")),
    ("superset_dashboard.py", "postgres, superset", ["exec", "--", "python3", "data/examples/superset_dashboard.py"]),
    ("mlflow_tracking.py", "minio, mlflow", in_environment("mlflow_tracking.py", "scipy")),
    ("serving_ab_test.py", "minio, seldon", in_environment("serving_ab_test.py", "scipy")),
    ("keras_denoise.ipynb", "minio, mlflow", notebook("keras_denoise.ipynb", "tensorflow")),
    ("kfp_pipeline.py", "minio, kfp", ["exec", "--", "sh", "-c", '"$KFP_PYTHON" data/examples/kfp_pipeline.py']),
]
