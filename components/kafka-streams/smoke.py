"""Compiles a job that counts words, runs it, and compares its counts with what was written."""

import collections
import glob
import os
import subprocess
import sys
import time
import uuid

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

import mill_hook

COUNT = 300
ask = mill_hook.ask()
here, store, java = os.path.dirname(os.path.abspath(__file__)), ask["store"], sys.argv[1] + "/bin/java"
kafka, name = ask["requires"]["kafka"], "smoke-" + uuid.uuid4().hex[:12]
client = {
    "bootstrap.servers": kafka["bootstrap"],
    "security.protocol": kafka["protocol"],
    "sasl.mechanism": kafka["mechanism"],
    "sasl.username": kafka["user"],
    "sasl.password": kafka["password"],
    "log_level": 2,
}
login = f'org.apache.kafka.common.security.scram.ScramLoginModule required username="{kafka["user"]}" password="{kafka["password"]}";'
job = {
    "application.id": name,
    "bootstrap.servers": kafka["bootstrap"],
    "security.protocol": kafka["protocol"],
    "sasl.mechanism": kafka["mechanism"],
    "sasl.jaas.config": login,
    "auto.offset.reset": "earliest",
    "commit.interval.ms": "200",
    "state.dir": os.path.abspath("state"),
}
check = mill_hook.Checks()


libraries = ":".join(glob.glob(store + "/lib/*.jar"))
compiler = glob.glob(store + "/compiler/ecj-*.jar")[0]
done = subprocess.run(
    [java, "-Xmx256m", "-XX:TieredStopAtLevel=1", "-jar", compiler, "-17", "-nowarn", "-proc:none", "-d", "classes", "-cp", libraries]
    + [here + "/Counts.java"],
    stdout=sys.stderr,
)
check("compiles", done.returncode == 0)

admin = AdminClient(client)
topics = [f"{name}-words", f"{name}-counts"]
for future in admin.create_topics([NewTopic(t, 2, 1) for t in topics]).values():
    future.result(30)
words = [f"word{i % 7}" for i in range(COUNT)]
producer = Producer(client)
for word in words:
    producer.produce(topics[0], value=word)
producer.flush(30)
run = subprocess.Popen(
    [java, "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", libraries + ":classes", "Counts", *topics],
    stdin=subprocess.PIPE,
    stdout=sys.stderr,
    text=True,
)
try:
    run.stdin.write("\n".join(f"{k}={v}" for k, v in job.items()))
    run.stdin.close()
    consumer = Consumer(client | {"group.id": name + "-check", "auto.offset.reset": "earliest"})
    consumer.subscribe(topics[1:])
    want, got, until = dict(collections.Counter(words)), {}, time.monotonic() + 75
    while got != want and time.monotonic() < until and run.poll() is None:
        got |= {m.key().decode(): int(m.value()) for m in consumer.consume(100, 0.5) if not m.error()}
    consumer.close()
    check("counts every record", got == want, f"{sum(got.values())} of {COUNT}")
finally:
    run.terminate()
    run.wait(30)
    left = [t for t in admin.list_topics(timeout=30).topics if t.startswith(name)]
    for future in admin.delete_topics(left).values():
        future.result(30)

check.end()
