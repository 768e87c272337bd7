"""Topics for a consumer, and a user that may use only these.

topics: a comma list, or * for a user who may use and make any; partitions, retention_hours: of the topics made here.
Groups and transactions may be named after the user or begin with its name.
"""

import json
import sys

from confluent_kafka import KafkaException
from confluent_kafka.admin import ResourcePatternType, ResourceType
from confluent_kafka.cimpl import KafkaError, NewTopic

import broker

ask = json.load(sys.stdin)
request = ask["request"]
parameters, user = request["parameters"], request["credentials"]["user"]
topics = [t.strip() for t in parameters.get("topics", "").split(",") if t.strip()]
if not topics:
    print("a requirement of kafka needs `topics`: a comma list, or *", file=sys.stderr)
    sys.exit(1)

admin = broker.administrator(ask)
broker.make_user(admin, user, request["credentials"]["password"])
if topics == ["*"]:
    broker.allow_everything(admin, user)
else:
    config = {}
    if parameters.get("retention_hours"):
        config["retention.ms"] = str(int(parameters["retention_hours"]) * 3600000)
    count = int(parameters.get("partitions") or ask["settings"]["partitions"])
    for future in admin.create_topics([NewTopic(t, count, 1, config=config) for t in topics]).values():
        try:
            future.result(30)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
    for topic in topics:
        broker.allow(admin, user, ResourceType.TOPIC, topic)
    for kind in (ResourceType.GROUP, ResourceType.TRANSACTIONAL_ID):
        broker.allow(admin, user, kind, user, ResourcePatternType.PREFIXED)
broker.share_disk(ask, admin)
json.dump({"message": f"{', '.join(topics)} for {user}", "values": {"topics": ",".join(topics)}}, sys.stdout)
