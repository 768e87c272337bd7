"""Becomes one of Flink's processes: divides its memory, makes its key, writes what Flink reads.

launch.py JAVA MEMORY_MIB, with ROLE, CONFIG, RUN, TMP and METRICS in the environment. Every service makes the same key
and certificate from one secret, so no file is shared. Who has that key may talk to Flink; nobody else.
"""

import datetime
import glob
import hashlib
import os
import shutil
import sys
import sysconfig

JAVA, MEMORY = sys.argv[1] + "/bin/java", int(sys.argv[2])
ROLE, CONFIG, RUN = os.environ["ROLE"], os.environ["CONFIG"], os.environ["RUN"]
STORE = os.path.dirname(os.path.dirname(os.path.abspath(sys.executable)))
FLINK = sysconfig.get_paths()["purelib"] + "/pyflink"
MAIN = {
    "coordinator": "org.apache.flink.shaded.zookeeper3.org.apache.zookeeper.server.ZooKeeperServerMain",
    "jobmanager": "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint",
    "taskmanager": "org.apache.flink.runtime.taskexecutor.TaskManagerRunner",
    "gateway": "org.apache.flink.table.gateway.SqlGateway",
}
OPENS = """java.base/sun.net.util java.base/java.lang java.base/java.net java.base/java.io java.base/java.nio
java.base/sun.nio.ch java.base/java.lang.reflect java.base/java.text java.base/java.time java.base/java.util
java.base/java.util.concurrent java.base/java.util.concurrent.atomic java.base/java.util.concurrent.locks""".split()
EXPORTS = "java.base/sun.net.util java.management/sun.management java.security.jgss/sun.security.krb5".split()


def write(name, content):
    path = f"{RUN}/{name}"
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
    return path


def read(name):
    with open(f"{CONFIG}/{name}") as file:
        return file.read()


def make_key(secret):
    """The same key and certificate wherever they are made: Ed25519 signs without chance, the dates are fixed."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization as s
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import pkcs12

    key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"flink key " + secret.encode()).digest())
    password = hashlib.sha256(b"flink keystore " + secret.encode()).hexdigest()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "flink")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(datetime.datetime(2020, 1, 1))
        .not_valid_after(datetime.datetime(2120, 1, 1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("flink")]), critical=False)
        .sign(key, None)
    )
    write("tls.crt", certificate.public_bytes(s.Encoding.PEM))
    if ROLE == "proxy":
        write("tls.key", key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()))
        return {}
    sealed = s.BestAvailableEncryption(password.encode())
    mine = write("key.p12", pkcs12.serialize_key_and_certificates(b"flink", key, certificate, None, sealed))
    trusted = write("trust.p12", pkcs12.serialize_java_truststore([pkcs12.PKCS12Certificate(certificate, b"flink")], sealed))
    options = {}
    for scope in ("internal", "rest"):
        options |= {
            f"security.ssl.{scope}.keystore": mine,
            f"security.ssl.{scope}.keystore-password": password,
            f"security.ssl.{scope}.key-password": password,
            f"security.ssl.{scope}.truststore": trusted,
            f"security.ssl.{scope}.truststore-password": password,
        }
    return options


def divide_memory():
    """Flags of the JVM and Flink's options: together they are what the service may take."""
    if ROLE == "coordinator":
        return ["-Xmx32m", "-Xss512k", "-XX:ReservedCodeCacheSize=24m", "-XX:MaxMetaspaceSize=48m"], {}
    if ROLE == "jobmanager":
        metaspace, native = 160, 112
        return [f"-Xmx{MEMORY - metaspace - native}m", f"-XX:MaxMetaspaceSize={metaspace}m"], {}
    if ROLE == "gateway":
        metaspace, native = 224, 112
        return [f"-Xmx{MEMORY - metaspace - native}m", f"-XX:MaxMetaspaceSize={metaspace}m"], {}
    metaspace, native = 192, 128
    rest = MEMORY - metaspace - native
    network, managed, direct = max(32, rest // 10), max(64, rest // 6), 96
    heap = rest - network - managed - direct
    sizes = {
        "framework.heap.size": 64,
        "task.heap.size": heap - 64,
        "framework.off-heap.size": direct,
        "framework.off-heap.batch-shuffle.size": 32,
        "task.off-heap.size": 0,
        "network.min": network,
        "network.max": network,
        "managed.size": managed,
        "jvm-metaspace.size": metaspace,
        "jvm-overhead.min": native,
        "jvm-overhead.max": native,
    }
    flags = [f"-Xmx{heap}m", f"-XX:MaxDirectMemorySize={network + direct}m", f"-XX:MaxMetaspaceSize={metaspace}m"]
    return flags, {f"taskmanager.memory.{k}": f"{v}m" for k, v in sizes.items()} | {"taskmanager.cpu.cores": os.cpu_count()}


os.umask(0o077)
if ROLE == "proxy":
    secret = [line.split(":", 1)[1].strip().strip('"') for line in read("flink.yaml").splitlines() if line.startswith("mill.key:")]
    make_key(secret[0])
    nginx = os.environ["PROGRAM"]
    os.execv(nginx, [nginx, "-p", RUN, "-c", CONFIG + "/nginx.conf", "-e", "stderr"])

flags, options = divide_memory()
login = read("login.conf") + (read("kafka.conf") if os.path.exists(CONFIG + "/kafka.conf") else "")
command = [JAVA, *flags, "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError", "-Djava.awt.headless=true"]
command += ["-Dlog4j2.configurationFile=" + CONFIG + "/log4j2.xml", "-Djava.security.auth.login.config=" + write("login.conf", login)]
classes = [FLINK + "/lib/*"]
arguments = []
if ROLE == "coordinator":
    arguments = [CONFIG + "/zookeeper.properties"]
    command += ["-XX:TieredStopAtLevel=1"]
else:
    kept, secret = [], None
    for line in read("flink.yaml").splitlines():
        if line.startswith("mill.key:"):
            secret = line.split(":", 1)[1].strip().strip('"')
        else:
            kept.append(line)
    options |= make_key(secret) | {k: os.environ["TMP"] for k in ("io.tmp.dirs", "web.upload.dir", "s3.buffer.dir")}
    os.makedirs(RUN + "/conf", exist_ok=True)
    write("conf/config.yaml", "\n".join(kept + [f"{k}: {v}" for k, v in options.items()]) + "\n")
    shutil.rmtree(RUN + "/plugins", ignore_errors=True)
    os.makedirs(RUN + "/plugins")
    os.symlink(STORE + "/s3", RUN + "/plugins/s3")
    os.symlink(FLINK + "/plugins/metrics-jmx", RUN + "/plugins/metrics-jmx")
    os.environ |= {
        "FLINK_CONF_DIR": RUN + "/conf",
        "FLINK_LIB_DIR": FLINK + "/lib",
        "FLINK_OPT_DIR": FLINK + "/opt",
        "FLINK_BIN_DIR": FLINK + "/bin",
        "FLINK_PLUGINS_DIR": RUN + "/plugins",
    }
    command += [f"--add-opens={m}=ALL-UNNAMED" for m in OPENS] + [f"--add-exports={m}=ALL-UNNAMED" for m in EXPORTS]
    command += ["-Djava.io.tmpdir=" + os.environ["TMP"]]
    if os.environ.get("METRICS"):
        command += [f"-javaagent:{glob.glob(STORE + '/agent/jmx_prometheus_javaagent-*.jar')[0]}={os.environ['METRICS']}:{CONFIG}/jmx.yml"]
    classes += [STORE + "/lib/*"] + ([STORE + "/gateway/*"] if ROLE == "gateway" else [])
    if ROLE != "gateway":
        arguments = ["--configDir", RUN + "/conf"] + (["--executionMode", "cluster"] if ROLE == "jobmanager" else [])
os.execv(JAVA, command + ["-cp", ":".join(classes), MAIN[ROLE], *arguments])
