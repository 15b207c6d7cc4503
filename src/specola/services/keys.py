"""Keys: the public keys of people, and the short-lived certificates that are issued for others."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from specola.authorities.ssh import SshAuthority
from specola.clock import Clock
from specola.domain.accounts import tidy
from specola.domain.errors import ConflictError, InvalidError, LimitError, MissingError, UnauthenticatedError
from specola.domain.keys import Certificate, PublicKey
from specola.domain.person import Actor, Scope
from specola.openssh import read_key
from specola.secrets import hashed
from specola.services.rights import by_hand, may
from specola.storage.store import Store

__all__ = ["Issued", "Keys"]

STANDARD_PORT = 22
MOST_KEYS = 50
LONGEST_TITLE = 100
LONGEST_HOURS = 24.0
REMEMBERED = timedelta(days=30)
"""How long a certificate that has expired is known, so that a session begun with it can go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A certificate as it is recorded, and its text."""

    value: Certificate
    text: str


class Keys:
    """Everything that is done with public keys and certificates. One key belongs to one person."""

    def __init__(self, *, store: Store, clock: Clock, authority: SshAuthority) -> None:
        self._store = store
        self._clock = clock
        self._authority = authority

    async def of(self, actor: Actor) -> Sequence[PublicKey]:
        """Return one's own keys, the latest first."""
        may(actor, Scope.READ)
        async with self._store.read() as transaction:
            return await transaction.keys.of(actor.person.id)

    async def add(self, actor: Actor, text: str, *, title: str = "") -> PublicKey:
        """Add a public key to one's account; a key that a token adds ends with that token.

        Parameters
        ----------
        text
            One line as OpenSSH writes it.
        title
            What to recognise it by; empty: the line's own comment.

        Raises
        ------
        InvalidError
            It is no public key, a weak one, or a private one.
        ConflictError
            It is on an account already.
        LimitError, DeniedError
            There are fifty; the token may not reach tasks.
        """
        may(actor, Scope.CONNECT)
        read = read_key(text)
        key = PublicKey(
            id=self._clock.new_id(16),
            person=actor.person.id,
            title=tidy(title, LONGEST_TITLE) or tidy(read.comment, LONGEST_TITLE) or read.algorithm,
            algorithm=read.algorithm,
            fingerprint=read.fingerprint,
            text=read.text,
            created=self._clock.now(),
            token=actor.token,
        )
        async with self._store.write() as transaction:
            known = await transaction.keys.by_fingerprint(read.fingerprint)
            if known is not None:
                raise _taken(mine=known[1].id == actor.person.id, title=known[0].title)
            held = len(await transaction.keys.of(actor.person.id))
            if held >= MOST_KEYS:
                raise LimitError("keys", str(held + 1), str(MOST_KEYS), hint="Remove those you do not use.")
            await transaction.keys.add(key)
        return key

    async def remove(self, actor: Actor, name: str) -> None:
        """Remove one of one's own keys, by id, fingerprint or title, and close what is open by it.

        Raises
        ------
        MissingError
            There is none.
        ConflictError
            Several have that title.
        DeniedError
            A token came, for a key that it did not add.
        """
        async with self._store.write() as transaction:
            held = await transaction.keys.of(actor.person.id)
            exact = [key for key in held if name in {key.id, key.fingerprint}]
            found = exact or [key for key in held if key.title == name]
            if not found:
                raise MissingError("key", name)
            if len(found) > 1:
                raise ConflictError(f"Several keys are called “{name}”.", hint="Name it by its fingerprint.")
            if actor.token is None or found[0].token != actor.token:
                by_hand(actor, "remove a key that it did not add")
            await transaction.keys.remove(found[0])

    async def certify(self, actor: Actor, text: str, *, hours: float = 8.0) -> Issued:
        """Issue a certificate by which the holder of a key is known as the actor, for up to 24 hours.

        It is as good as what asked for it, and no longer: it ends with the session or the token.

        Raises
        ------
        InvalidError
            It is no key that can be certified, or not more than 0 and up to 24 hours.
        UnauthenticatedError, DeniedError
            There is nothing the certificate could hang on; the token may not reach tasks.
        """
        may(actor, Scope.CONNECT)
        if not 0 < hours <= LONGEST_HOURS:
            raise InvalidError(f"A certificate lasts up to {LONGEST_HOURS:g} hours.", field="hours")
        if actor.session is None and actor.token is None:
            raise UnauthenticatedError
        read, now = read_key(text), self._clock.now()
        certificate = Certificate(
            # 60 random bits: a number that is positive in every database.
            serial=int(hashed(self._clock.new_secret())[:15], 16),
            person=actor.person.id,
            fingerprint=read.fingerprint,
            created=now,
            expires=now + timedelta(hours=hours),
            session=actor.session,
            token=actor.token,
        )
        signed = self._authority.certify_user(
            read, name=actor.person.name, serial=certificate.serial, created=now, expires=certificate.expires
        )
        async with self._store.write() as transaction:
            await transaction.keys.forget_certificates(before=now - REMEMBERED)
            await transaction.keys.add_certificate(certificate)
        return Issued(value=certificate, text=signed)

    def known_hosts(self, names: Sequence[str], port: int) -> str:
        """Return the line of a `known_hosts` file that makes the front door known under some names."""
        hosts = ",".join(name if port == STANDARD_PORT else f"[{name}]:{port}" for name in names)
        return f"@cert-authority {hosts} {self._authority.hosts} specola"


def _taken(*, mine: bool, title: str) -> ConflictError:
    if mine:
        return ConflictError(f"That key is on your account already, as “{title}”.")
    return ConflictError("That key belongs to another account.", hint="Make a pair of your own: ssh-keygen -t ed25519")
