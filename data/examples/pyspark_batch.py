"""A batch job of Spark with executors of its own: CSV of the lake to Parquet, and a query by SQL. No address, secret or key.

    data-mill exec -- sh -c '"$PYSPARK_PYTHON" data/examples/pyspark_batch.py'
"""

import os

os.environ.pop("SPARK_REMOTE", None)  # with it, this would be a session of Spark Connect, and run as well

from pyspark.sql import SparkSession  # noqa: E402

spark = SparkSession.builder.appName("batch").getOrCreate()  # SPARK_CONF_DIR says the rest
spark.sparkContext.setLogLevel("ERROR")
schema = "time timestamp, sensor string, temperature_c double, humidity_pct double, battery_v double, anomaly int"  # to infer it reads all of it once more
readings = spark.read.csv("s3a://data/sensors/readings.csv", header=True, schema=schema)
target = "s3a://spark/examples/readings"
readings.repartition("sensor").write.mode("overwrite").partitionBy("sensor").parquet(target)
spark.read.parquet(target).createOrReplaceTempView("readings")
spark.sql("select sensor, count(*) as readings, round(avg(temperature_c), 2) as degrees, sum(anomaly) as bad from readings group by sensor order by sensor").show()
count, back = readings.count(), spark.table("readings").count()
assert count == back, (count, back)
print(count, "rows of CSV are", back, "rows of Parquet")
spark.stop()
