"""Becomes a JVM with Spark's jars: launch.py JAVA ARGUMENT..., as spark-class, without its shell and its second JVM."""

import importlib.util
import os
import socket
import sys

home = os.path.dirname(importlib.util.find_spec("pyspark").origin)
os.environ.update(SPARK_HOME=home, SPARK_SCALA_VERSION="2.12")  # the worker starts executors by these
jars = f"{os.environ['SPARK_CONF_DIR']}:{sys.prefix}/jars/*:{home}/jars/*"  # ours first: a newer Arrow
opens = "lang lang.invoke lang.reflect io net nio util util.concurrent util.concurrent.atomic".split()
inside = [f"java.base/java.{p}" for p in opens]
inside += [f"java.base/{p}" for p in ("jdk.internal.ref", "sun.nio.ch", "sun.nio.cs", "sun.security.action", "sun.util.calendar")]
inside += ["java.security.jgss/sun.security.krb5"]
options = [f"--add-opens={p}=ALL-UNNAMED" for p in inside]
options += ["-Djava.io.tmpdir=" + os.environ["TMPDIR"]]
options += ["-XX:+IgnoreUnrecognizedVMOptions", "-Djdk.reflect.useDirectMethodHandle=false", "-Dio.netty.tryReflectionSetAccessible=true", "-Djava.awt.headless=true"]
if "org.apache.spark.deploy.worker.Worker" in sys.argv and "0.0.0.0" in sys.argv:
    # in a pod: drivers fetch what executors hold from the address that the worker tells
    sys.argv[sys.argv.index("0.0.0.0")] = socket.gethostbyname(socket.gethostname())
os.execv(sys.argv[1], [sys.argv[1], *options, "-cp", jars, *sys.argv[2:]])
