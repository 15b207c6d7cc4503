"""Public keys and short-lived certificates by which a person is known to the SSH front door."""

from dataclasses import dataclass
from datetime import datetime

from specola.domain.person import PersonId

__all__ = ["Certificate", "PublicKey"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """A public key on a person's account.

    `text` is its algorithm and its base64, as OpenSSH writes them; `fingerprint` is `SHA256:…`, which no two accounts
    share. A key that was added by a token ends with that token.
    """

    id: str
    person: PersonId
    title: str
    algorithm: str
    fingerprint: str
    text: str
    created: datetime
    last_used: datetime | None = None
    token: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A user certificate that was issued; it ends with the session or the token that asked for it."""

    serial: int
    person: PersonId
    fingerprint: str
    created: datetime
    expires: datetime
    session: str | None = None
    token: str | None = None
