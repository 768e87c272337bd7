#!/bin/sh
# Compiles and runs the job beside it:
#
#     ./run.sh exec -- data/examples/kafka-streams/run.sh [READINGS-TOPIC [AVERAGES-TOPIC [IDLE-SECONDS]]]      (component kafka-streams)
#
# Readings to try it with: data/examples/mqtt_to_kafka.py. No address, user or password: the KAFKA_ variables say them.
set -eu
here=$(dirname "$0")
classes=$(mktemp -d)
trap 'rm -r "$classes"' EXIT
libraries=$(printf '%s:' "${KAFKA_STREAMS_HOME:?is the component kafka-streams in the flavour?}"/lib/*.jar)
"$KAFKA_STREAMS_JAVA" -Xmx256m -XX:TieredStopAtLevel=1 -jar "$KAFKA_STREAMS_HOME"/compiler/ecj-*.jar -17 -nowarn -proc:none -encoding UTF-8 -d "$classes" -cp "$libraries" "$here"/*.java
"$KAFKA_STREAMS_JAVA" -Xmx256m -XX:TieredStopAtLevel=1 -cp "$libraries:$classes" SensorAverages "$@"
