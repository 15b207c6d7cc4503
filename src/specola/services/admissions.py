"""Admissions: who a session or a token stands for, and until when."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from typing_extensions import override

from specola.clock import Clock
from specola.domain.accounts import tidy
from specola.domain.errors import AccountDisabledError, UnauthenticatedError
from specola.domain.person import Actor, Person, Scope, Session, Token
from specola.secrets import hashed
from specola.storage.store import Store, Transaction

__all__ = ["LONGEST_SESSION", "Admission", "Admissions", "Client", "Shown", "is_stale", "scopes_of"]

T = TypeVar("T")

LONGEST_SESSION = timedelta(days=90)
"""When a session ends at the latest, however much it is used."""

MOST_SESSIONS = 50
"""How many browsers one person can be signed in with; the one that was not used for longest makes room."""

SEEN_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Where a request came from, for the list of sessions and the limit on attempts."""

    address: str = ""
    agent: str = ""


@dataclass(frozen=True, slots=True)
class Shown(Generic[T]):
    """Something whose secret is shown this once and never again."""

    value: T
    secret: str

    @override
    def __repr__(self) -> str:
        return f"Shown({self.value!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """Somebody who was let in; `expires` None: for as long as nobody takes it back."""

    actor: Actor
    expires: datetime | None


class Admissions:
    """Opens sessions, and tells whom a session or a token stands for.

    A session lasts `session_life` from its last use, and 90 days at most.
    """

    def __init__(self, *, store: Store, clock: Clock, session_life: timedelta) -> None:
        self._store = store
        self._clock = clock
        self._life = session_life

    async def open(self, transaction: Transaction, person: Person, client: Client) -> Shown[Session]:
        """Open a session for a person who has shown who they are. Raises AccountDisabledError."""
        if person.disabled:
            raise AccountDisabledError
        now = self._clock.now()
        secret = self._clock.new_secret()
        session = Session(
            id=self._clock.new_id(16),
            person=person.id,
            created=now,
            last_seen=now,
            expires=self._expiry(now, now),
            client=tidy(client.agent, 200),
            address=tidy(client.address, 64),
        )
        await transaction.sessions.forget_expired(now=now)
        for longest_unused in (await transaction.sessions.of(person.id, now=now))[MOST_SESSIONS - 1 :]:
            await transaction.sessions.end(person.id, longest_unused.id)
        await transaction.sessions.add(session, secret=hashed(secret))
        await transaction.people.see(person.id, now)
        return Shown(session, secret)

    async def of_session(self, secret: str) -> Admission:
        """Return whom the secret of a session stands for. Raises UnauthenticatedError."""
        async with self._store.read() as transaction:
            found = await transaction.sessions.by_secret(hashed(secret))
        return await self._by_session(found)

    async def of_session_id(self, session: str) -> Admission:
        """Return whom a session stands for that is known by its id. Raises UnauthenticatedError."""
        async with self._store.read() as transaction:
            found = await transaction.sessions.get(session)
        return await self._by_session(found)

    async def of_token(self, secret: str) -> Admission:
        """Return whom the secret of a token stands for. Raises UnauthenticatedError."""
        async with self._store.read() as transaction:
            found = await transaction.sessions.token_by_secret(hashed(secret))
        return await self._by_token(found)

    async def of_token_id(self, token: str) -> Admission:
        """Return whom a token stands for that is known by its id. Raises UnauthenticatedError."""
        async with self._store.read() as transaction:
            found = await transaction.sessions.token(token)
        return await self._by_token(found)

    async def _by_token(self, found: tuple[Token, Person] | None) -> Admission:
        now = self._clock.now()
        if found is None:
            raise UnauthenticatedError("That token is unknown or revoked.", hint="Make one on your account's page.")
        token, person = found
        if token.expires is not None and token.expires <= now:
            raise UnauthenticatedError("That token has expired.", hint="Make another one on your account's page.")
        if person.disabled:
            raise AccountDisabledError
        if token.last_used is None or is_stale(token.last_used, now):
            async with self._store.write() as transaction:
                await transaction.sessions.touch_token(token.id, last_used=now)
                await transaction.people.see(person.id, now)
        return Admission(
            actor=Actor(person=person, scopes=token.scopes & scopes_of(person), token=token.id), expires=token.expires
        )

    async def _by_session(self, found: tuple[Session, Person] | None) -> Admission:
        now = self._clock.now()
        if found is None or found[0].expires <= now:
            raise UnauthenticatedError("Your session has ended.", hint="Sign in again.")
        session, person = found
        if person.disabled:
            raise AccountDisabledError
        expires = session.expires
        if is_stale(session.last_seen, now):
            expires = self._expiry(session.created, now)
            async with self._store.write() as transaction:
                await transaction.sessions.touch(session.id, last_seen=now, expires=expires)
                await transaction.people.see(person.id, now)
        return Admission(actor=Actor(person=person, scopes=scopes_of(person), session=session.id), expires=expires)

    def _expiry(self, created: datetime, now: datetime) -> datetime:
        return min(now + self._life, created + LONGEST_SESSION)


def scopes_of(person: Person) -> frozenset[Scope]:
    """Return all that a person may do, as scopes; a token never gives more than its person has at the moment."""
    return frozenset(Scope) if person.is_administrator else frozenset(Scope) - {Scope.ADMINISTRATION}


def is_stale(seen: datetime, now: datetime) -> bool:
    """Tell whether it is a minute or more since something was last seen, so that it is worth writing down again."""
    # Either way: a clock that was set back leaves a time in the future, which has to be put right as well.
    return abs(now - seen) >= SEEN_EVERY
