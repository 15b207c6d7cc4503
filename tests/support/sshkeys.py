"""Key pairs of SSH that tests make."""

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

__all__ = ["Pair", "ecdsa_pair", "pair", "rsa_pair"]


@dataclass(frozen=True)
class Pair:
    """A key pair as OpenSSH's text."""

    private: str
    public: str


def pair(comment: str = "ada@laptop") -> Pair:
    return _written(Ed25519PrivateKey.generate(), comment)


def ecdsa_pair() -> Pair:
    return _written(ec.generate_private_key(ec.SECP256R1()), "")


def rsa_pair(bits: int) -> Pair:
    return _written(rsa.generate_private_key(65537, bits), "rsa")


def _written(key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, comment: str) -> Pair:
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return Pair(private=private, public=f"{public} {comment}".strip())
