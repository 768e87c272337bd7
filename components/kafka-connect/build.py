"""Compiles our connectors (connectors/*.java) into a plugin beside the libraries that they use."""

import glob
import json
import os
import shutil
import subprocess
import sys
import zipfile

ask = json.load(sys.stdin)
here, store = os.path.dirname(os.path.abspath(__file__)), ask["store"]
place = ask["services"]["worker"]["dirs"]["data"] + "/plugins/messages"
new = place + ".new"
shutil.rmtree(new, ignore_errors=True)
os.makedirs(new)
for jar in glob.glob(store + "/messages/*.jar"):
    shutil.copy(jar, new)
classes = os.path.abspath("classes")
done = subprocess.run(
    [sys.argv[1] + "/bin/java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-jar", glob.glob(store + "/compiler/ecj-*.jar")[0]]
    + ["-17", "-nowarn", "-proc:none", "-encoding", "UTF-8", "-d", classes]
    + ["-cp", ":".join(glob.glob(store + "/lib/*.jar") + glob.glob(store + "/messages/*.jar"))]
    + sorted(glob.glob(here + "/connectors/*.java")),
    stdout=sys.stderr,
)
if done.returncode:
    sys.exit(1)
with zipfile.ZipFile(new + "/connectors.jar", "w") as jar:
    jar.writestr(
        "META-INF/services/org.apache.kafka.connect.source.SourceConnector",
        "datamill.MqttSourceConnector\ndatamill.AmqpSourceConnector\n",
    )
    for path in glob.glob(classes + "/**/*.class", recursive=True):
        jar.write(path, os.path.relpath(path, classes))
shutil.rmtree(place, ignore_errors=True)
os.rename(new, place)
json.dump({"message": "compiled the MQTT and AMQP sources"}, sys.stdout)
