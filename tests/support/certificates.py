"""Certificates for tests: of servers, signed by nobody but themselves, and of clients."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from specola.authorities.tls import TlsAuthority

__all__ = ["ClientFiles", "client_files", "make_certificate"]


def make_certificate(folder: Path, *names: str) -> tuple[Path, Path]:
    """Write a certificate for `names`, and its key; return both paths."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "public.crt", folder / "public.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    encoding = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    paths[1].write_bytes(key.private_bytes(*encoding))
    return paths


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientFiles:
    """A client's certificate and its key, as `specola cert` leaves them."""

    serial: str
    certificate: Path
    key: Path


def client_files(
    folder: Path, authority: TlsAuthority, *, name: str = "ada", life: timedelta = timedelta(hours=1)
) -> ClientFiles:
    """Write a certificate that an authority signed for a client, and its key; a negative `life` has ended already."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    serial, text = authority.sign(key.public_key(), name=name, now=min(now, now + life), expires=now + life)
    made = ClientFiles(serial=serial, certificate=folder / f"{serial}.crt", key=folder / f"{serial}.key")
    made.certificate.write_text(text)
    made.key.touch(mode=0o600)
    encoding = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    made.key.write_bytes(key.private_bytes(*encoding))
    return made
