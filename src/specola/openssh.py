"""OpenSSH's public keys as text: read, checked, named by their fingerprint."""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_public_key,
)

from specola.domain.errors import InvalidError

__all__ = ["ReadKey", "certifiable", "fingerprint_of", "new_pair", "read_key"]

LONGEST = 16 * 1024
SHORTEST_RSA = 3072
ALGORITHMS = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
)
HOW = "Paste the one line of a file that ends in .pub, such as ~/.ssh/id_ed25519.pub."

Certifiable: TypeAlias = ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey | rsa.RSAPublicKey


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadKey:
    """A public key: `text` is its algorithm and base64; `comment` is what stood behind them."""

    algorithm: str
    text: str
    comment: str
    fingerprint: str


def read_key(text: str) -> ReadKey:
    """Return the public key that one line of OpenSSH's text holds.

    Raises
    ------
    InvalidError
        It is a private key, a certificate, several lines, of an algorithm that is not taken, an RSA key of less than
        3072 bits, or no key at all. What was pasted is never part of the message.
    """
    line = text.strip()
    if "PRIVATE KEY" in line or line.startswith("PuTTY-User-Key-File"):
        raise InvalidError(
            "That is a private key. It was not kept; nobody but you should ever have it.",
            hint=f"{HOW} If others may have seen the private key, make another pair: ssh-keygen -t ed25519",
            field="key",
        )
    words = line.split(None, 2)
    if len(line) > LONGEST or "\n" in line or len(words) < 2:
        raise InvalidError("That is not one public key.", hint=HOW, field="key")
    algorithm, encoded = words[0], words[1]
    if algorithm.endswith("-cert-v01@openssh.com"):
        raise InvalidError("That is a certificate, not a public key.", hint=HOW, field="key")
    if algorithm not in ALGORITHMS:
        raise InvalidError(
            "That kind of key is not taken." if algorithm.startswith(("ssh-", "ecdsa-", "sk-")) else "That is no key.",
            hint="Ed25519, ECDSA, RSA of 3072 bits or more, and security keys are taken: ssh-keygen -t ed25519",
            field="key",
        )
    try:
        blob = base64.b64decode(encoded, validate=True)
        known = load_ssh_public_key(f"{algorithm} {encoded}".encode())
    except (ValueError, binascii.Error, UnsupportedAlgorithm) as error:
        raise InvalidError("That public key is damaged.", hint=f"Copy all of it. {HOW}", field="key") from error
    if isinstance(known, rsa.RSAPublicKey) and known.key_size < SHORTEST_RSA:
        raise InvalidError(
            f"That RSA key has {known.key_size} bits; at least {SHORTEST_RSA} are asked for.",
            hint="Make another pair: ssh-keygen -t ed25519",
            field="key",
        )
    return ReadKey(
        algorithm=algorithm,
        text=f"{algorithm} {base64.b64encode(blob).decode()}",
        comment=words[2] if len(words) > 2 else "",
        fingerprint=fingerprint_of(blob),
    )


def fingerprint_of(blob: bytes) -> str:
    """Return the fingerprint of a public key in its binary form, as `ssh-keygen -l` prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def certifiable(key: ReadKey) -> Certifiable:
    """Return a key as it can be certified. Raises InvalidError: the key of a security key cannot."""
    known = load_ssh_public_key(key.text.encode())
    if key.algorithm.startswith("sk-") or isinstance(known, dsa.DSAPublicKey):
        raise InvalidError("A security key cannot be certified here.", hint="Add it to your account instead.")
    return known


def new_pair() -> tuple[str, str]:
    """Make an Ed25519 key; return its private half and its public half, both as OpenSSH's text."""
    key = ed25519.Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return private.decode(), public.decode()
