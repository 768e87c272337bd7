"""Makes the plugins that the worker loads: libraries of the store, and our connectors (connectors/*.java), compiled.

Each has a list of what it offers, without which the worker would search every class of every jar when it starts.
"""

import glob
import json
import os
import shutil
import subprocess
import sys
import zipfile

PLUGINS = {
    "messages": {"org.apache.kafka.connect.source.SourceConnector": ["datamill.MqttSourceConnector", "datamill.AmqpSourceConnector"]},
    "registry": {
        "org.apache.kafka.connect.storage.Converter": [
            "io.apicurio.registry.utils.converter.AvroConverter",
            "io.apicurio.registry.utils.converter.ExtJsonConverter",
        ]
    },
    "file": {},  # it has one
}
ask = json.load(sys.stdin)
here, store = os.path.dirname(os.path.abspath(__file__)), ask["store"]
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
for plugin, services in PLUGINS.items():
    place = f"{ask['services']['worker']['dirs']['data']}/plugins/{plugin}"
    new = os.path.abspath(plugin)
    shutil.copytree(f"{store}/{plugin}", new)
    os.chmod(new, 0o755)
    if services:
        with zipfile.ZipFile(new + "/data-mill.jar", "w") as jar:
            for service, names in services.items():
                jar.writestr(f"META-INF/services/{service}", "\n".join(names) + "\n")
            for path in glob.glob(classes + "/**/*.class", recursive=True) if plugin == "messages" else []:
                jar.write(path, os.path.relpath(path, classes))
    shutil.rmtree(place, ignore_errors=True)
    shutil.move(new, place)
json.dump({"message": "compiled the MQTT and AMQP sources"}, sys.stdout)
