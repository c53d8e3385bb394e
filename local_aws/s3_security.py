"""Closes the inner ports of SeaweedFS, which by themselves serve whoever knocks.

Its parts (master, volume, filer …) talk to each other over gRPC and HTTP ports of this machine. A `security.toml` in
its working directory makes gRPC take only who shows this start's certificate, and HTTP only who bears a token signed
with this start's keys. All are random, and made anew at every start.
"""

import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from local_aws.secret_files import write_private

SPEAKERS = ("master", "volume", "filer", "s3", "admin", "worker", "client")  # over gRPC
SIGNERS = ("jwt.signing", "jwt.signing.read", "jwt.filer_signing", "jwt.filer_signing.read")
LIFETIME = timedelta(days=3650)  # longer than any start


def close_inner_ports(directory: Path) -> None:
    """Write `security.toml`, certificate and key into SeaweedFS's working directory."""
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    private = ec.generate_private_key(ec.SECP256R1())
    write_private(key, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())
    write_private(certificate, _signed_by_itself(private).public_bytes(Encoding.PEM).decode())
    lines = [f'[{signer}]\nkey = "{secrets.token_hex(32)}"' for signer in SIGNERS]
    lines += [f'[grpc]\nca = "{certificate}"']
    lines += [f'[grpc.{speaker}]\ncert = "{certificate}"\nkey = "{key}"' for speaker in SPEAKERS]
    write_private(directory / "security.toml", "\n".join(lines) + "\n")


def _signed_by_itself(private: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "local")])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(private, hashes.SHA256())
    )
