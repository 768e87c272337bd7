"""Makes the certificate and the key of a service (argv: its name), signed by the platform's authority.

The authority's key comes from the secret `authority`, so that services need no folder in common.
"""

import datetime
import ipaddress
import json
import os
import sys
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of the curve P-256
BEGIN = datetime.datetime(2024, 1, 1)
END = datetime.datetime(2049, 1, 1)

ask = json.load(sys.stdin)
service = ask["services"][sys.argv[1]]
folder = Path(service["dirs"]["data"]) / "tls"


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certificate(subject, key, serial, *extensions):
    """Signed by the authority."""
    made = x509.CertificateBuilder(name("data-mill dask authority"), name(subject), key, serial, BEGIN, END)
    for extension, critical in extensions:
        made = made.add_extension(extension, critical)
    return made.sign(authority, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def private(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def write(file, content):
    """0600 from the beginning, whole or not at all."""
    new = folder / (file + ".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as f:
        f.write(content)
    new.replace(folder / file)


authority = ec.derive_private_key(int(ask["secrets"]["authority"], 16) % (ORDER - 1) + 1, ec.SECP256R1())
key = ec.generate_private_key(ec.SECP256R1())
folder.mkdir(mode=0o700, exist_ok=True)
alone = x509.BasicConstraints(ca=False, path_length=None)
host = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(service["host"]))])
write("ca.pem", certificate("data-mill dask authority", authority.public_key(), 1, (x509.BasicConstraints(True, 0), True)))
write("cert.pem", certificate(sys.argv[1], key.public_key(), x509.random_serial_number(), (alone, True), (host, False)))
write("key.pem", private(key))
json.dump({"message": f"certificate of the {sys.argv[1]} until {END:%Y}"}, sys.stdout)
