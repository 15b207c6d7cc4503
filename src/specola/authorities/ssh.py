"""The platform's SSH certificate authorities: one for people, one for its own host key."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    SSHCertificateBuilder,
    SSHCertificateType,
    load_ssh_private_key,
)

from specola.domain.errors import KeyFileError
from specola.openssh import ReadKey, certifiable
from specola.secrets import Sealer

__all__ = ["HOST_LIFE", "HostKey", "SshAuthority"]

USERS, HOSTS, HOST = "ssh_user_authority", "ssh_host_authority", "ssh_host_key"
HOST_LIFE = timedelta(days=30)
"""How long a certificate of the host key lasts; the front door renews it long before."""

# A clock that is a little behind ours must not take a new certificate for one of the future.
EARLIER = timedelta(minutes=5)
PERMITTED = (b"permit-port-forwarding", b"permit-pty")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostKey:
    """What the front door shows to clients: its private key and the certificate for it, as OpenSSH's text."""

    private: str = field(repr=False)
    certificate: str


class SshAuthority:
    """Ed25519 keys in sealed files of the secrets folder, read when they are first needed.

    Parameters
    ----------
    folder
        `<data>/secrets`.
    """

    def __init__(self, folder: Path, sealer: Sealer) -> None:
        self._folder = folder
        self._sealer = sealer

    def make(self) -> None:
        """Make the keys that are not there yet, each in a file of mode 0600."""
        for name in (USERS, HOSTS, HOST):
            path = self._folder / name
            if path.exists():
                continue
            text = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
            draft = path.with_name(f"{name}.{os.getpid()}")
            draft.unlink(missing_ok=True)
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                out.write(self._sealer.seal(text.decode(), purpose=_purpose(name)))
                out.flush()
                os.fsync(out.fileno())
            draft.rename(path)

    @property
    def users(self) -> str:
        """The public key that certifies people, as OpenSSH's text. Raises KeyFileError, SealError."""
        return _public(self._users)

    @property
    def hosts(self) -> str:
        """The public key that certifies the front door. Raises KeyFileError, SealError."""
        return _public(self._hosts)

    def certify_user(self, key: ReadKey, *, name: str, serial: int, created: datetime, expires: datetime) -> str:
        """Return a certificate by which the holder of `key` is the person called `name`.

        Raises
        ------
        InvalidError
            That kind of key cannot be certified.
        """
        builder = (
            SSHCertificateBuilder()
            .public_key(certifiable(key))
            .type(SSHCertificateType.USER)
            .serial(serial)
            .key_id(f"{name} {serial}".encode())
            .valid_principals([name.encode()])
            .valid_after(int((created - EARLIER).timestamp()))
            .valid_before(int(expires.timestamp()))
        )
        for permission in PERMITTED:
            builder = builder.add_extension(permission, b"")
        return builder.sign(self._users).public_bytes().decode()

    def host_key(self, names: Sequence[str], *, now: datetime) -> HostKey:
        """Return the front door's key with a fresh certificate for some host names and addresses."""
        private = self._read(HOST)
        certificate = (
            SSHCertificateBuilder()
            .public_key(private.public_key())
            .type(SSHCertificateType.HOST)
            .serial(int(now.timestamp()))
            .key_id(b"specola front door")
            .valid_principals([name.encode() for name in names])
            .valid_after(int((now - EARLIER).timestamp()))
            .valid_before(int((now + HOST_LIFE).timestamp()))
            .sign(self._hosts)
        )
        text = private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
        return HostKey(private=text.decode(), certificate=certificate.public_bytes().decode())

    @cached_property
    def _users(self) -> Ed25519PrivateKey:
        return self._read(USERS)

    @cached_property
    def _hosts(self) -> Ed25519PrivateKey:
        return self._read(HOSTS)

    def _read(self, name: str) -> Ed25519PrivateKey:
        path = self._folder / name
        try:
            sealed = path.read_bytes()
        except OSError as error:
            raise KeyFileError(path, error.strerror or "it cannot be read") from error
        key = load_ssh_private_key(self._sealer.open(sealed, purpose=_purpose(name)).encode(), None)
        if not isinstance(key, Ed25519PrivateKey):
            raise KeyFileError(path, "it holds another kind of key")
        return key


def _purpose(name: str) -> str:
    return name.replace("_", " ")


def _public(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
