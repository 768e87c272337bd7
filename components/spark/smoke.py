"""Proves a batch job on the master (CSV of the lake to Parquet), a session of Spark Connect, and that strangers are refused."""

import base64
import os
import socket
import struct
import sys
import urllib.error
import urllib.request
import uuid

import mill_hook

ask = mill_hook.ask()
spark, services, requires = ask["provides"]["spark"], ask["services"], ask["requires"]


def driver_in_a_pod():
    """The master's files are in its own pod: what a driver of this pod needs of them, and where executors find it."""
    s3, folder = requires["s3"], os.getcwd() + "/conf"
    mine = {
        "master": spark["master"],
        "authenticate": "true",
        "authenticate.secret": ask["secrets"]["secret"],
        "driver.bindAddress": "0.0.0.0",
        "driver.host": socket.gethostbyname(socket.gethostname()),
        "driver.memory": "512m",
        "driver.extraClassPath": ask["store"] + "/jars/*",
        "executor.extraClassPath": ask["store"] + "/jars/*",
        "executor.memory": f"{ask['settings']['executor_memory']}b",
        "executor.cores": ask["settings"]["executor_cores"],
        "cores.max": ask["settings"]["executor_cores"],
        "sql.shuffle.partitions": ask["settings"]["shuffle_partitions"],
        "hadoop.fs.s3a.endpoint": s3["endpoint"],
        "hadoop.fs.s3a.endpoint.region": s3["region"],
        "hadoop.fs.s3a.access.key": s3["access_key"],
        "hadoop.fs.s3a.secret.key": s3["secret_key"],
        "hadoop.fs.s3a.path.style.access": "true",
        "hadoop.fs.s3a.connection.ssl.enabled": "false",
        "hadoop.fs.s3a.aws.credentials.provider": "org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider",
    }
    os.makedirs(folder, mode=0o700, exist_ok=True)
    with open(os.open(folder + "/spark-defaults.conf", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.writelines(f"spark.{name} {value}\n" for name, value in mine.items())
    return folder, mine["driver.host"]


conf, address = spark["conf"], services["master"]["host"]
if not os.path.exists(conf + "/spark-defaults.conf"):
    conf, address = driver_in_a_pod()
os.environ.update(JAVA_HOME=sys.argv[1], SPARK_CONF_DIR=conf, SPARK_LOCAL_IP=address, PYSPARK_PYTHON=sys.executable)
from pyspark.sql import SparkSession, functions  # noqa: E402
from pyspark.sql.connect.session import SparkSession as Remote  # noqa: E402

ROWS = 7_000
check = mill_hook.Checks()
folder = f"s3a://{ask['settings']['bucket']}/smoke-{uuid.uuid4().hex[:12]}"


def status(service, path, login=""):
    at = services[service]
    request = urllib.request.Request(f"http://{at['host']}:{at['ports']['http']}{path}")
    if login:
        request.add_header("Authorization", "Basic " + base64.b64encode(login.encode()).decode())
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as refused:
        return refused.code, ""


def knock(service):
    """What Spark's own protocol answers to who does not log in."""
    at, body = services[service], b"let me in"
    with socket.create_connection((at["host"], at["ports"]["rpc"]), timeout=20) as s:
        s.sendall(struct.pack(">qbqi", 8 + 1 + 8 + 4 + len(body), 3, 1, len(body)) + body)
        return s.recv(4096).decode(errors="replace")


def remove(session):
    jvm = session.sparkContext._jvm
    path = jvm.org.apache.hadoop.fs.Path(folder)
    path.getFileSystem(session.sparkContext._jsc.hadoopConfiguration()).delete(path, True)


quick = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"  # a short life is not worth an optimizer
settings = {f"spark.{who}.extraJavaOptions": quick for who in ("driver", "executor")}
settings |= {"spark.ui.enabled": "false", "spark.eventLog.enabled": "false"}
session = SparkSession.builder.appName("smoke").config(map=settings).getOrCreate()
try:
    on = session.sparkContext.master
    check("on the master", on == spark["master"], on)
    numbers = session.range(ROWS).select("id", (functions.col("id") % 7).alias("group"))
    numbers.write.csv(f"{folder}/csv", header=True)
    rows = session.read.csv(f"{folder}/csv", header=True, inferSchema=True)
    rows.repartition(1).write.parquet(f"{folder}/parquet")
    python = functions.udf(lambda n: n + 1, "long")
    sums = {r[0]: r[1] for r in session.read.parquet(f"{folder}/parquet").groupBy("group").agg(functions.sum(python("id"))).collect()}
    want = {g: sum(n + 1 for n in range(g, ROWS, 7)) for g in range(7)}
    check("CSV to Parquet in the lake", sums == want, f"{ROWS} rows, a function in Python")

    if ask["settings"]["connect"]:
        remote = Remote.builder.remote(f"{spark['connect']}/;x-spark-token={spark['token']}").create()
        count = remote.read.parquet(f"{folder}/parquet").where("group = 3").count()
        check("Connect", count == len(range(3, ROWS, 7)), f"{count} rows")
        remote.stop()
        for name, end in (("without a token", ""), ("with a wrong token", "/;x-spark-token=wrong")):
            try:
                Remote.builder.remote(spark["connect"] + end).create().range(1).count()
                check(f"a client {name} is refused", False)
            except Exception as refused:
                check(f"a client {name} is refused", "UNAUTHENTICATED" in str(refused), type(refused).__name__)
finally:
    remove(session)
    session.stop()

for service in ("master", "worker"):
    said = knock(service)
    check(f"the {service} asks who calls", "Sasl" in said or "uthent" in said, said[21:120].split("\n")[0])
login = f"{spark['user']}:{spark['password']}"
pages = {"master": "/json/", "worker": "/json/"}
pages |= {"connect": "/jobs/"} if ask["settings"]["connect"] else {}
pages |= {"history": "/api/v1/applications"} if ask["settings"]["history"] else {}
for service, path in pages.items():
    codes = [status(service, path, who)[0] for who in ("", f"{spark['user']}:wrong", "admin:admin", login)]
    check(f"the pages of {service} ask for a password", codes == [401, 401, 401, 200], ", ".join(map(str, codes)))
for service, path in (("master", "/metrics/master/prometheus/"), ("worker", "/metrics/prometheus/")):
    code, text = status(service, path, login)
    check(f"metrics of {service}", code == 200 and "metrics_" in text)

check.end()
