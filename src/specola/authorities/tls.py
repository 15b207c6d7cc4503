"""The installation's own authority, which signs the certificates that programs show when they reach a task by TLS."""

import os
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from specola.domain.errors import InvalidError, KeyFileError
from specola.secrets import Sealer

__all__ = ["ClientKey", "TlsAuthority", "asked_key", "private_root"]

PURPOSE = "authority of client certificates"
LIFE = timedelta(days=20 * 365)
CLOCKS_APART = timedelta(minutes=5)
"""How far the clock of a gateway may be behind: a certificate is good from a little before it was made."""

ClientKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey


class TlsAuthority:
    """Signs client certificates with a key of its own (ECDSA on P-256).

    Parameters
    ----------
    key
        The private key.
    certificate
        The authority's own certificate, signed by itself.
    """

    def __init__(self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self._key = key
        self._certificate = certificate

    @property
    def certificate(self) -> str:
        """The authority's certificate in PEM, by which others are checked."""
        return self._certificate.public_bytes(Encoding.PEM).decode()

    @classmethod
    def read(cls, path: Path, sealer: Sealer) -> "TlsAuthority":
        """Return the authority in the sealed file `path`.

        Raises
        ------
        KeyFileError
            It is not there, or cannot be read.
        SealError
            It was sealed with another key.
        """
        try:
            text = sealer.open(path.read_bytes(), purpose=PURPOSE).encode()
        except OSError as error:
            raise KeyFileError(path, error.strerror or "it cannot be read") from error
        key = load_pem_private_key(text, password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise KeyFileError(path, "it holds a key of another kind")
        return cls(key, x509.load_pem_x509_certificate(text))

    @classmethod
    def make(cls, path: Path, sealer: Sealer, *, installation: str, now: datetime) -> "TlsAuthority":
        """Return the authority in the file `path`, which is made, with mode 0600, if it is not there.

        Two processes that make it at the same time get the same one: the file appears whole, or not at all.
        """
        if not path.exists():
            draft = path.with_name(f"{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
            file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                with os.fdopen(file, "wb") as out:
                    out.write(sealer.seal(cls.fresh(installation=installation, now=now).text(), purpose=PURPOSE))
                    out.flush()
                    os.fsync(out.fileno())
                # A link, unlike a rename, does not replace what another process made meanwhile.
                path.hardlink_to(draft)
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        return cls.read(path, sealer)

    @classmethod
    def fresh(cls, *, installation: str, now: datetime) -> "TlsAuthority":
        """Make an authority that nobody knows yet."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Specola {installation} client certificates")])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - CLOCKS_APART)
            .not_valid_after(now + LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls(key, certificate)

    def sign(self, key: ClientKey, *, name: str, now: datetime, expires: datetime) -> tuple[str, str]:
        """Sign a client's key; return the serial number in hex, and the certificate in PEM.

        Parameters
        ----------
        name
            Whom the certificate names; nothing is decided by it.
        expires
            Cut to whole seconds, as certificates have them.
        """
        serial = x509.random_serial_number()
        ours = self._certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        issuer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ours)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(self._certificate.subject)
            .public_key(key)
            .serial_number(serial)
            .not_valid_before(now - CLOCKS_APART)
            .not_valid_after(expires)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .add_extension(issuer, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return f"{serial:x}", certificate.public_bytes(Encoding.PEM).decode()

    def text(self) -> str:
        """Return key and certificate in PEM: what is kept, sealed."""
        key = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        return key + self.certificate


def asked_key(request: str) -> ClientKey:
    """Return the public key that a certificate signing request (PKCS #10, PEM) asks for; all else in it is ignored.

    Raises
    ------
    InvalidError
        It is no request, is not signed by its own key, or its key is weak or of another kind.
    """
    try:
        read = x509.load_pem_x509_csr(request.encode())
        signed, key = read.is_signature_valid, read.public_key()
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm) as error:
        raise _no_request("It is not a certificate signing request in PEM.") from error
    if not signed:
        raise _no_request("The request is not signed by its own key.")
    if isinstance(key, ec.EllipticCurvePublicKey):
        good = isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1)
    elif isinstance(key, rsa.RSAPublicKey):
        good = 2048 <= key.key_size <= 4096
    else:
        good = isinstance(key, ed25519.Ed25519PublicKey)
    if not good or not isinstance(key, ClientKey):
        raise _no_request("Keys are P-256, P-384, Ed25519, or RSA of 2048 to 4096 bits.")
    # What can be written can be signed; a point off its curve is found here.
    _ = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return key


def _no_request(sentence: str) -> InvalidError:
    return InvalidError(sentence, hint="Make it by: specola cert", field="request")


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def private_root(chain: Path) -> str | None:
    """Return the authority in PEM that signed a server's certificate, if the file has it.

    A public authority's own certificate is left out of such files, since clients have it; a private one, or a
    certificate that was signed by itself, comes last. A file that cannot be read has none.
    """
    try:
        last = x509.load_pem_x509_certificates(chain.read_bytes())[-1]
    except (OSError, ValueError):
        return None
    return last.public_bytes(Encoding.PEM).decode() if last.issuer == last.subject else None
