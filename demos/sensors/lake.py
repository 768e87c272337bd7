"""Spark reads the clean readings from the topic and writes them to the lake as Parquet, a folder a sensor."""

import os
import sys

import story

python = os.environ["PYSPARK_PYTHON"]  # has Spark's client
if sys.executable != python and "DEMO_AGAIN" not in os.environ:
    import boto3

    lake = boto3.client("s3")
    if story.LAKE not in [b["Name"] for b in lake.list_buckets()["Buckets"]]:
        lake.create_bucket(Bucket=story.LAKE)
    os.environ["DEMO_AGAIN"] = "1"
    os.environ.pop("PYTHONPATH", None)
    os.execv(python, [python, *sys.argv])

from pyspark.sql import SparkSession  # noqa: E402
from pyspark.sql import functions as f  # noqa: E402

facts, place = story.recall(), f"s3a://{story.LAKE}/readings"
spark = SparkSession.builder.appName("sensors").getOrCreate()
kafka = story.kafka()
login = f'org.apache.kafka.common.security.scram.ScramLoginModule required username="{kafka["sasl.username"]}" password="{kafka["sasl.password"]}";'
stream = spark.read.format("kafka").options(**{
    "kafka.bootstrap.servers": kafka["bootstrap.servers"], "kafka.security.protocol": kafka["security.protocol"],
    "kafka.sasl.mechanism": kafka["sasl.mechanism"], "kafka.sasl.jaas.config": login,
    "subscribe": story.CLEAN, "startingOffsets": "earliest", "endingOffsets": "latest",
}).load()  # fmt: skip
schema = "time string, sensor string, temperature_c double, humidity_pct double, battery_v double, anomaly int, origin string"
rows = stream.select(f.from_json(f.col("value").cast("string"), schema).alias("r")).select("r.*")
read = rows.count()
# after a fault, Flink may say something again: `origin` tells
rows.dropDuplicates(["origin"]).drop("origin").repartition("sensor").sortWithinPartitions("time").write.mode("overwrite").partitionBy("sensor").parquet(place)
back = spark.read.parquet(place)
written, sensors = back.count(), back.select("sensor").distinct().count()
counts = {"rows": facts["rows"], "read": read, "in_lake": written}
story.must(written == facts["rows"], f"{facts['rows']} readings, {written} in the lake", **counts)
story.done(f"{read} readings in, {written} of {sensors} sensors in Parquet files of s3://{story.LAKE}/readings", **counts)
