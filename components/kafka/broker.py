"""What the hooks share: the administrator's client, users, permissions, and each partition's part of the disk."""

from confluent_kafka.admin import (
    AclBinding, AclOperation, AclPermissionType, AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource,
    ResourcePatternType, ResourceType, ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion,
)  # fmt: skip


def settings(ask, user, password, mechanism="SCRAM-SHA-512"):
    broker = ask["services"]["broker"]
    return {
        "bootstrap.servers": f"{broker['host']}:{broker['ports']['client']}",
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": mechanism,
        "sasl.username": user,
        "sasl.password": password,
        "socket.timeout.ms": 20000,
        "log_level": 2,
    }


def administrator(ask):
    return AdminClient(settings(ask, "admin", ask["secrets"]["admin"], "PLAIN"))


def wait(futures):
    for future in futures.values():
        future.result(30)


def make_user(admin, user, password):
    info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
    wait(admin.alter_user_scram_credentials([UserScramCredentialUpsertion(user, info, password.encode())]))


def allow(admin, user, kind, name, pattern=ResourcePatternType.LITERAL, operation=AclOperation.ALL):
    acl = AclBinding(kind, name, pattern, f"User:{user}", "*", operation, AclPermissionType.ALLOW)
    wait(admin.create_acls([acl]))


def allow_everything(admin, user):
    """All topics and groups, but not the cluster's own configuration."""
    for kind in (ResourceType.TOPIC, ResourceType.GROUP, ResourceType.TRANSACTIONAL_ID):
        allow(admin, user, kind, "*")
    for operation in (AclOperation.DESCRIBE, AclOperation.DESCRIBE_CONFIGS, AclOperation.CREATE, AclOperation.IDEMPOTENT_WRITE):
        allow(admin, user, ResourceType.BROKER, "kafka-cluster", operation=operation)


def share_disk(ask, admin):
    """Kafka knows a retention by size for each partition only: a part of the whole for each."""
    whole = ask["services"]["broker"]["disk_bytes"]
    topics = admin.list_topics(timeout=30).topics
    partitions = sum(len(t.partitions) for name, t in topics.items() if not name.startswith("__"))
    each = max(whole // max(partitions, 8), 64 << 20)
    entry = ConfigEntry("log.retention.bytes", str(each), incremental_operation=AlterConfigOpType.SET)
    wait(admin.incremental_alter_configs([ConfigResource(ResourceType.BROKER, "1", incremental_configs=[entry])]))
    return each
