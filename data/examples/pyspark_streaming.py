"""Structured streaming: readings from Kafka to Parquet in the lake, each exactly once. No address, user or password.

    data-mill exec -- sh -c '"$PYSPARK_PYTHON" data/examples/pyspark_streaming.py'        (components kafka, spark)
"""

import os
import uuid

os.environ.pop("SPARK_REMOTE", None)

from pyspark.sql import SparkSession, functions as f  # noqa: E402

e = os.environ
module = "scram.ScramLoginModule" if e["KAFKA_SASL_MECHANISM"].startswith("SCRAM") else "plain.PlainLoginModule"
kafka = {
    "kafka.bootstrap.servers": e["KAFKA_BOOTSTRAP_SERVERS"],
    "kafka.security.protocol": e["KAFKA_SECURITY_PROTOCOL"],
    "kafka.sasl.mechanism": e["KAFKA_SASL_MECHANISM"],
    "kafka.sasl.jaas.config": f"org.apache.kafka.common.security.{module} required "
    f'username="{e["KAFKA_SASL_USERNAME"]}" password="{e["KAFKA_SASL_PASSWORD"]}";',
}
topic = "example-" + uuid.uuid4().hex[:8]
target = f"s3a://spark/examples/{topic}"

spark = SparkSession.builder.appName("streaming").getOrCreate()
spark.sparkContext.setLogLevel("ERROR")
schema = "time timestamp, sensor string, temperature_c double, humidity_pct double, battery_v double, anomaly int"
readings = spark.read.csv("s3a://data/sensors/readings.csv", header=True, schema=schema).limit(1000).cache()
readings.select(f.col("sensor").alias("key"), f.to_json(f.struct("*")).alias("value")).write.format("kafka").options(**kafka).option("topic", topic).save()
print(readings.count(), "readings in topic", topic)

stream = spark.readStream.format("kafka").options(**kafka).options(subscribe=topic, startingOffsets="earliest", maxOffsetsPerTrigger=500).load()
rows = stream.select(f.from_json(f.col("value").cast("string"), schema).alias("r")).select("r.*")
query = rows.writeStream.format("parquet").option("path", target).option("checkpointLocation", target + "-checkpoint").trigger(availableNow=True).start()
query.awaitTermination()
print(sum(1 for p in query.recentProgress if p["numInputRows"]), "batches")
rows, different = spark.read.parquet(target).agg(f.count("*"), f.count_distinct(f.struct("time", "sensor"))).first()
assert rows == different == 1000, (rows, different)
print(rows, "rows of Parquet")

files = spark._jvm.org.apache.hadoop.fs.Path(target)
system = files.getFileSystem(spark._jsc.hadoopConfiguration())
for path in (target, target + "-checkpoint"):
    system.delete(spark._jvm.org.apache.hadoop.fs.Path(path), True)
spark.stop()
