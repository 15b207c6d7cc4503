"""The certificate authority for accounts on hosts, which lies with the signer alone."""

import os
from dataclasses import dataclass, field
from datetime import timedelta
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

from specola.domain.account_link import Grant
from specola.domain.errors import KeyFileError
from specola.openssh import certifiable, read_key
from specola.secrets import Sealer

__all__ = ["AccountAuthority", "make_authority", "trusted_line"]

PURPOSE = "account authority"
FOLDER, PRIVATE, PUBLIC = "signer", "authority", "account_authority.pub"
# A host whose clock is a little behind ours must not take a new certificate for one of the future.
EARLIER = timedelta(minutes=2)
FORWARDING = b"permit-port-forwarding"


@dataclass(frozen=True, slots=True)
class AccountAuthority:
    """Signs certificates by which the platform enters accounts, each for one account and some minutes."""

    _key: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def read(cls, data: Path, sealer: Sealer) -> "AccountAuthority":
        """Read it from the data folder. Raises KeyFileError, SealError."""
        path = data / FOLDER / PRIVATE
        try:
            sealed = path.read_bytes()
        except OSError as error:
            raise KeyFileError(path, error.strerror or "it cannot be read") from error
        key = load_ssh_private_key(sealer.open(sealed, purpose=PURPOSE).encode(), None)
        if not isinstance(key, Ed25519PrivateKey):
            raise KeyFileError(path, "it holds another kind of key")
        return cls(key)

    def certify(self, public_key: str, grant: Grant) -> str:
        """Return a certificate for a public key, as OpenSSH's text.

        Raises
        ------
        InvalidError
            It is no key that can be certified.

        Notes
        -----
        Extensions give rights, critical options take some away (PROTOCOL.certkeys of OpenSSH). Of the five usual extensions
        only forwarding stands in a certificate for work: neither terminals nor agents nor X11 nor `~/.ssh/rc` are needed.
        """
        builder = (
            SSHCertificateBuilder()
            .public_key(certifiable(read_key(public_key)))
            .type(SSHCertificateType.USER)
            .serial(grant.serial)
            .key_id(grant.key_id.encode())
            .valid_principals([grant.account.encode()])
            .valid_after(int((grant.created - EARLIER).timestamp()))
            .valid_before(int(grant.expires.timestamp()))
        )
        if grant.command:
            builder = builder.add_critical_option(b"force-command", grant.command.encode())
        else:
            builder = builder.add_extension(FORWARDING, b"")
        if grant.sources:
            builder = builder.add_critical_option(b"source-address", ",".join(grant.sources).encode())
        return builder.sign(self._key).public_bytes().decode()


def make_authority(data: Path, sealer: Sealer) -> None:
    """Make the authority's key, if it is not there, in a folder of its own, and put its public half beside that folder.

    What `web` and `gateway` run as reads neither the folder nor the file: both stay with whoever started the platform.
    """
    folder = data / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / PRIVATE
    if not path.exists():
        text = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
        _write(path, sealer.seal(text.decode(), purpose=PURPOSE), mode=0o600)
    key = AccountAuthority.read(data, sealer)._key  # noqa: SLF001 - of this module
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    _write(data / PUBLIC, public + b"\n", mode=0o644)


def trusted_line(data: Path) -> str:
    """Return the line for a host's file of `TrustedUserCAKeys`. Raises KeyFileError."""
    path = data / PUBLIC
    try:
        return f"{path.read_text(encoding='utf-8').strip()} specola accounts"
    except OSError as error:
        raise KeyFileError(path, error.strerror or "it cannot be read") from error


def _write(path: Path, content: bytes, *, mode: int) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as out:
        os.fchmod(out.fileno(), mode)
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    draft.rename(path)
