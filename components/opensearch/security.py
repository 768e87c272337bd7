"""The node's certificate and the administrator's hashed password: made once, beside the rendered configuration."""

import datetime
import json
import os
import sys

import bcrypt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

ask = json.load(sys.stdin)
config = ask["services"]["server"]["dirs"]["config"]


def write(name, data):
    with open(os.open(os.path.join(config, name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)


if not os.path.exists(config + "/node.key"):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "data-mill"), x509.NameAttribute(x509.NameOID.COMMON_NAME, "node")]
    )
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=7300))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([x509.OID_SERVER_AUTH, x509.OID_CLIENT_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    write("node.pem", certificate.public_bytes(serialization.Encoding.PEM))
    write(
        "node.key",
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )

os.makedirs(config + "/opensearch-security", mode=0o700, exist_ok=True)
password = bcrypt.hashpw(ask["secrets"]["admin"].encode(), bcrypt.gensalt(12)).decode()
write(
    "opensearch-security/internal_users.yml",
    json.dumps(
        {
            "_meta": {"type": "internalusers", "config_version": 2},
            "admin": {"hash": password, "reserved": True, "backend_roles": ["admin"], "description": "of the platform"},
        }
    ).encode(),
)
json.dump({"message": "certificate and administrator"}, sys.stdout)
