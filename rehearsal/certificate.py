"""A certificate for AWS's names, made anew for each rehearsal and trusted by nobody else."""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from local_aws.secret_files import write_private

VALID = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Certificate:
    """A certificate's two files."""

    public: Path
    key: Path


def make_certificate(directory: Path, names: Iterable[str]) -> Certificate:
    """Make a certificate for `names` that signs itself: who trusts this file trusts those names."""
    made = Certificate(directory / "certificate.pem", directory / "certificate.key")
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "A rehearsal of AWS")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - VALID)
        .not_valid_after(now + VALID)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .sign(key, hashes.SHA256())
    )
    made.public.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_private(made.key, private.decode())
    return made
