"""What the hooks share: the worker's REST interface, and connectors as people write them."""

import time

import requests
import yaml

BROKERS = {"Mqtt": "MQTT", "Amqp": "AMQP"}
FORMATS = {
    "json": {"value.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter.schemas.enable": "false"},
    "text": {"value.converter": "org.apache.kafka.connect.storage.StringConverter"},
    "bytes": {"value.converter": "org.apache.kafka.connect.converters.ByteArrayConverter"},
    "avro": {
        "value.converter": "io.apicurio.registry.utils.converter.AvroConverter",
        "value.converter.apicurio.registry.auto-register": "true",
        "value.converter.apicurio.registry.find-latest": "false",
        "value.converter.apicurio.registry.as-confluent": "true",
        "value.converter.apicurio.registry.headers.enabled": "false",
        "value.converter.apicurio.registry.use-id": "contentId",
        "value.converter.apicurio.registry.artifact-resolver-strategy": "io.apicurio.registry.serde.strategy.TopicIdStrategy",
    },
}


class Worker:
    def __init__(self, ask, user=None, password=None):
        self.ask, mine = ask, ask["provides"]["kafka-connect"]
        self.url, self.session = mine["url"], requests.Session()
        self.session.auth = (user or mine["user"], password or mine["password"])

    def call(self, method, path, body=None):
        for _ in range(30):
            answer = self.session.request(method, self.url + path, json=body, timeout=60)
            if answer.status_code not in (409, 503):  # a rebalance is under way
                break
            time.sleep(1)
        if not answer.ok:
            raise ValueError(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer.json() if answer.content else None

    def complete(self, config):
        """What a connector does not say: the broker and its credentials, the format, where bad records go."""
        config = {k: ",".join(map(str, v)) if isinstance(v, list) else v for k, v in config.items()}
        config = {k: str(v).lower() if isinstance(v, bool) else str(v) for k, v in config.items()}
        name, kind = config.pop("name", None), config.get("connector.class", "").split(".")[-1]
        if not name or not kind:
            raise ValueError("a connector needs `name` and `connector.class`")
        given = {"tasks.max": "1"}
        prefix = next((v for k, v in BROKERS.items() if kind.startswith(k)), None)
        if prefix:
            for key, variable in (("host", "HOST"), ("port", "PORT"), ("user", "USERNAME"), ("password", "PASSWORD")):
                given[key] = f"${{env:{prefix}_{variable}}}"
            if prefix == "AMQP":
                given["vhost"] = "${env:AMQP_VHOST}"
            given["dead.letter.topic"] = self.ask["settings"]["dead_letters"]
        if "topics" in config or "topics.regex" in config:  # a sink
            given |= {
                "errors.tolerance": "all",
                "errors.deadletterqueue.topic.name": self.ask["settings"]["dead_letters"],
                "errors.deadletterqueue.topic.replication.factor": "1",
                "errors.deadletterqueue.context.headers.enable": "true",
            }
        form = config.pop("format", None)
        if form:
            if form not in FORMATS:
                raise ValueError(f"format: {form} is none of {', '.join(FORMATS)}")
            given |= FORMATS[form]
        if form == "avro":
            registry = self.ask["requires"].get("schema-registry")
            if not registry:
                raise ValueError("format: avro needs the schema-registry in the flavour")
            given["value.converter.apicurio.registry.url"] = registry["url"].replace("/apis/ccompat/v7", "/apis/registry/v2")
        return name, given | config

    def keep(self, config):
        """Makes the connector, or brings it into step."""
        name, config = self.complete(config)
        self.call("PUT", f"/connectors/{name}/config", config)
        self.call("PUT", f"/connectors/{name}/resume")
        return name

    def running(self, name, seconds=60):
        """Waits until the connector and its tasks run; a failure is an error with its reason."""
        until = time.monotonic() + seconds
        while True:
            answer = self.session.get(f"{self.url}/connectors/{name}/status", timeout=30)
            status = answer.json() if answer.ok else {"connector": {"state": "none yet"}, "tasks": []}
            parts = [status["connector"], *status["tasks"]]
            failed = [p.get("trace", "").splitlines() for p in parts if p["state"] == "FAILED"]
            if failed:
                raise ValueError(f"connector {name}: " + "; ".join(line for lines in failed for line in lines if "rror" in line or "xception" in line)[:600])
            if status["tasks"] and all(p["state"] == "RUNNING" for p in parts):
                return
            if time.monotonic() > until:
                raise TimeoutError(f"connector {name} does not run after {seconds} s")
            time.sleep(0.3)


def read(text):
    config = yaml.safe_load(text)
    if not isinstance(config, dict):
        raise ValueError(f"a connector is a map, as YAML or JSON: {text[:60]}")
    return config
