"""Flink SQL reads the topic with its registered schema: clean readings to one topic, hours of each sensor to another and to a table."""

import json
import os
import time

import story

facts = story.recall()
story.end_flink_jobs()
kafka = f"""'properties.bootstrap.servers' = '{os.environ["KAFKA_BOOTSTRAP_SERVERS"]}',
    'properties.security.protocol' = '{os.environ["KAFKA_SECURITY_PROTOCOL"]}', 'properties.sasl.mechanism' = '{os.environ["KAFKA_SASL_MECHANISM"]}'"""
table = "PGHOST" in os.environ
gateway = story.flink()
gateway.run(f"""CREATE TEMPORARY TABLE readings (`time` STRING, sensor STRING, temperature_c DOUBLE, humidity_pct DOUBLE, battery_v DOUBLE,
    anomaly INT, `partition` INT METADATA VIRTUAL, `offset` BIGINT METADATA VIRTUAL, seen AS PROCTIME()) WITH ('connector' = 'kafka', 'topic' = '{story.READINGS}',
    {kafka}, 'properties.group.id' = 'sensors-flink', 'scan.startup.mode' = 'earliest-offset',
    'format' = 'avro-confluent', 'avro-confluent.url' = '{os.environ["SCHEMA_REGISTRY_URL"]}')""")
gateway.run(f"""CREATE TEMPORARY TABLE clean (`time` STRING, sensor STRING, temperature_c DOUBLE, humidity_pct DOUBLE, battery_v DOUBLE, anomaly INT,
    origin STRING) WITH ('connector' = 'kafka', 'topic' = '{story.CLEAN}', {kafka}, 'format' = 'json')""")
gateway.run(f"""CREATE TEMPORARY TABLE hours (sensor STRING, `hour` STRING, n BIGINT, lowest DOUBLE, highest DOUBLE, average DOUBLE, anomalies BIGINT,
    PRIMARY KEY (sensor, `hour`) NOT ENFORCED) WITH ('connector' = 'upsert-kafka', 'topic' = '{story.HOURS}', {kafka},
    'key.format' = 'json', 'value.format' = 'json')""")
# what a broker delivered twice counts once: the first of each sensor and time
gateway.run("""CREATE TEMPORARY VIEW once AS SELECT * FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY sensor, `time` ORDER BY seen ASC) AS k
    FROM readings) WHERE k = 1""")
inserts = [
    "INSERT INTO clean SELECT `time`, sensor, temperature_c, humidity_pct, battery_v, anomaly, "
    "CAST(`partition` AS STRING) || '-' || CAST(`offset` AS STRING) FROM once",
    "INSERT INTO hours SELECT * FROM summed",
]
gateway.run("""CREATE TEMPORARY VIEW summed AS SELECT sensor, SUBSTRING(`time` FROM 1 FOR 13) AS `hour`, COUNT(*) AS n, MIN(temperature_c) AS lowest,
    MAX(temperature_c) AS highest, AVG(temperature_c) AS average, CAST(SUM(anomaly) AS BIGINT) AS anomalies
    FROM once GROUP BY sensor, SUBSTRING(`time` FROM 1 FOR 13)""")
if table:
    import psycopg2

    with psycopg2.connect("") as database, database.cursor() as cursor:
        cursor.execute("""DROP TABLE IF EXISTS sensors_hours CASCADE; CREATE TABLE sensors_hours (sensor text, hour text, n bigint, lowest float8,
            highest float8, average float8, anomalies bigint, PRIMARY KEY (sensor, hour))""")
    gateway.run(f"""CREATE TEMPORARY TABLE stored (sensor STRING, `hour` STRING, n BIGINT, lowest DOUBLE, highest DOUBLE, average DOUBLE, anomalies BIGINT,
        PRIMARY KEY (sensor, `hour`) NOT ENFORCED) WITH ('connector' = 'jdbc', 'table-name' = 'sensors_hours',
        'url' = 'jdbc:postgresql://{os.environ["PGHOST"]}:{os.environ["PGPORT"]}/{os.environ["PGDATABASE"]}',
        'username' = '{os.environ["PGUSER"]}', 'password' = '{os.environ["PGPASSWORD"]}')""")
    inserts.append("INSERT INTO stored SELECT * FROM summed")
gateway.run("SET 'pipeline.name' = 'sensors-hours'")
gateway.run("SET 'execution.checkpointing.interval' = '3s'")
job = gateway.run("EXECUTE STATEMENT SET BEGIN " + "; ".join(inserts) + "; END")[0][0]
gateway.close()


def last(messages):
    return {m.key(): json.loads(m.value()) for m in messages if m.value()}


hours = last(story.read_topic(story.HOURS, lambda got: sum(h["n"] for h in last(got).values()) >= facts["rows"], 120))
clean = {json.loads(m.value())["origin"] for m in story.read_topic(story.CLEAN, lambda got: len(got) >= facts["rows"], 60)}
summed = sum(h["n"] for h in hours.values())
state = story.flink_rest("GET", f"/jobs/{job}")["state"]
counts = {"rows": facts["rows"], "summed": summed, "clean": len(clean), "hours": len(hours)}
story.must(summed == facts["rows"] == len(clean), f"{facts['rows']} readings, {summed} in the sums, {len(clean)} clean ones; job {state}", **counts)
story.must(len(hours) == facts["hours"], f"{len(hours)} hours, not {facts['hours']}", **counts)
where = f"topic {story.HOURS}"
if table:
    until, stored = time.monotonic() + 60, (0, 0)
    while stored != (len(hours), facts["rows"]) and time.monotonic() < until:
        time.sleep(0.5)
        with psycopg2.connect("") as database, database.cursor() as cursor:
            cursor.execute("SELECT count(*), coalesce(sum(n), 0)::bigint FROM sensors_hours")
            stored = cursor.fetchone()
    story.must(stored == (len(hours), facts["rows"]), f"table sensors_hours has {stored[0]} hours of {stored[1]} readings", **counts)
    where += " and table sensors_hours"
story.remember(job=job)
story.done(f"{facts['rows']} readings in, {summed} counted in {len(hours)} hours of {where}; {len(clean)} clean readings passed on", **counts)
