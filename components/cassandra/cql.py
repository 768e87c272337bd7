"""Sessions, roles and keyspaces, shared by the hooks."""

import time

from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import Cluster, NoHostAvailable
from cassandra.policies import DCAwareRoundRobinPolicy


def connect(ask, user="admin", password=None):
    """(cluster, session); the caller shuts the cluster down."""
    server = ask["services"]["server"]
    cluster = Cluster(
        [server["host"]],
        port=server["ports"]["cql"],
        auth_provider=PlainTextAuthProvider(user, password or ask["secrets"]["admin"]),
        load_balancing_policy=DCAwareRoundRobinPolicy("datacenter1"),
        protocol_version=5,
        connect_timeout=20,
    )
    try:
        session = cluster.connect()
    except NoHostAvailable:
        cluster.shutdown()
        raise
    session.default_timeout = 30
    return cluster, session


def administrator(ask):
    """As `admin`, who takes the place of the superuser that Cassandra ships with."""
    try:
        return connect(ask)
    except NoHostAvailable:
        pass
    until = time.monotonic() + 90
    while True:  # the shipped one is made a moment after the first start
        try:
            cluster, session = connect(ask, "cassandra", "cassandra")
            break
        except NoHostAvailable:
            if time.monotonic() > until:
                raise
            time.sleep(1)
    session.execute(f"CREATE ROLE IF NOT EXISTS admin WITH SUPERUSER = true AND LOGIN = true AND PASSWORD = '{ask['secrets']['admin']}'")
    cluster.shutdown()
    cluster, session = connect(ask)
    session.execute("DROP ROLE IF EXISTS cassandra")
    return cluster, session


def owner(session, user, password, keyspace):
    session.execute(f"CREATE ROLE IF NOT EXISTS \"{user}\" WITH LOGIN = true AND PASSWORD = '{password}'")
    session.execute(f"ALTER ROLE \"{user}\" WITH PASSWORD = '{password}'")
    session.execute(
        f'CREATE KEYSPACE IF NOT EXISTS "{keyspace}" WITH replication = ' "{'class': 'SimpleStrategy', 'replication_factor': 1}"
    )
    session.execute(f'GRANT ALL PERMISSIONS ON KEYSPACE "{keyspace}" TO "{user}"')
