"""The collection of sessions and tokens in one transaction: what a request can come with."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from specola.domain.person import Person, Scope, Session, Token
from specola.storage.changes import Changes, Topic
from specola.storage.people import person_of
from specola.storage.schema.people import PersonRow, SessionRow, TokenRow

__all__ = ["Sessions"]


class Sessions:
    """Reads and writes sessions and tokens. Secrets come and are looked for as hashes only.

    Whatever ends one also tells the gateways, by its mark.
    """

    def __init__(self, session: AsyncSession, changes: Changes) -> None:
        self._session = session
        self._changes = changes

    # -- sessions ---------------------------------------------------------------------------------------------------

    async def add(self, session: Session, *, secret: str) -> None:
        """Add a session."""
        self._session.add(
            SessionRow(
                id=session.id,
                person=session.person,
                secret=secret,
                created=session.created,
                last_seen=session.last_seen,
                expires=session.expires,
                client=session.client,
                address=session.address,
            )
        )
        await self._session.flush()
        self._note(session.person)

    async def by_secret(self, secret: str) -> tuple[Session, Person] | None:
        """Return the session of that secret, expired or not, and whose it is."""
        return await self._one(SessionRow.secret == secret)

    async def get(self, session: str) -> tuple[Session, Person] | None:
        """Return the session of that id, expired or not, and whose it is."""
        return await self._one(SessionRow.id == session)

    async def of(self, person: str, *, now: datetime) -> Sequence[Session]:
        """Return a person's sessions that have not expired, the most recently used first."""
        rows = await self._session.scalars(
            select(SessionRow)
            .where(SessionRow.person == person, SessionRow.expires > now)
            .order_by(SessionRow.last_seen.desc(), SessionRow.id)
        )
        return [_session_of(row) for row in rows]

    async def touch(self, session: str, *, last_seen: datetime, expires: datetime) -> None:
        """Write down that a session was used; not worth telling anybody."""
        await self._session.execute(
            update(SessionRow).where(SessionRow.id == session).values(last_seen=last_seen, expires=expires)
        )

    async def end(self, person: str, session: str) -> bool:
        """End one session of a person; tell whether there was one."""
        return bool(await self._end(person, SessionRow.id == session))

    async def end_all(self, person: str, *, but: str | None = None) -> None:
        """End all sessions of a person, save one."""
        await self._end(person, *([SessionRow.id != but] if but else []))

    async def forget_expired(self, *, now: datetime) -> None:
        """Remove the sessions and tokens that have expired: they let nobody in any more."""
        await self._session.execute(delete(SessionRow).where(SessionRow.expires <= now))
        await self._session.execute(delete(TokenRow).where(TokenRow.expires <= now))

    # -- tokens -----------------------------------------------------------------------------------------------------

    async def add_token(self, token: Token, *, secret: str) -> None:
        """Add a token."""
        self._session.add(
            TokenRow(
                id=token.id,
                person=token.person,
                name=token.name,
                secret=secret,
                scopes=sorted(token.scopes),
                created=token.created,
                expires=token.expires,
                last_used=token.last_used,
            )
        )
        await self._session.flush()
        self._note(token.person)

    async def token_by_secret(self, secret: str) -> tuple[Token, Person] | None:
        """Return the token of that secret, expired or not, and whose it is."""
        return await self._token(TokenRow.secret == secret)

    async def token(self, token: str) -> tuple[Token, Person] | None:
        """Return the token of that id, expired or not, and whose it is."""
        return await self._token(TokenRow.id == token)

    async def tokens_of(self, person: str) -> Sequence[Token]:
        """Return a person's tokens, the latest first, those that have expired too until they are cleared away."""
        rows = await self._session.scalars(
            select(TokenRow).where(TokenRow.person == person).order_by(TokenRow.created.desc(), TokenRow.id)
        )
        return [_token_of(row) for row in rows]

    async def touch_token(self, token: str, *, last_used: datetime) -> None:
        """Write down that a token was used; not worth telling anybody."""
        await self._session.execute(update(TokenRow).where(TokenRow.id == token).values(last_used=last_used))

    async def end_token(self, person: str, token: str) -> None:
        """End one token of a person."""
        await self._end_tokens(person, TokenRow.id == token)

    async def end_tokens(self, person: str) -> None:
        """End all tokens of a person."""
        await self._end_tokens(person)

    # ---------------------------------------------------------------------------------------------------------------

    async def _one(self, condition: ColumnElement[bool]) -> tuple[Session, Person] | None:
        found = await self._session.execute(
            select(SessionRow, PersonRow).join(PersonRow, PersonRow.id == SessionRow.person).where(condition)
        )
        row = found.one_or_none()
        return (_session_of(row[0]), person_of(row[1])) if row else None

    async def _token(self, condition: ColumnElement[bool]) -> tuple[Token, Person] | None:
        found = await self._session.execute(
            select(TokenRow, PersonRow).join(PersonRow, PersonRow.id == TokenRow.person).where(condition)
        )
        row = found.one_or_none()
        return (_token_of(row[0]), person_of(row[1])) if row else None

    async def _end(self, person: str, *conditions: ColumnElement[bool]) -> Sequence[str]:
        ended = delete(SessionRow).where(SessionRow.person == person, *conditions).returning(SessionRow.id)
        ids = (await self._session.scalars(ended)).all()
        for one in ids:
            self._changes.revoke(f"session:{one}")
        self._note(person)
        return ids

    async def _end_tokens(self, person: str, *conditions: ColumnElement[bool]) -> None:
        ended = delete(TokenRow).where(TokenRow.person == person, *conditions).returning(TokenRow.id)
        for one in await self._session.scalars(ended):
            self._changes.revoke(f"token:{one}")
        self._note(person)

    def _note(self, person: str) -> None:
        self._changes.note(Topic.PERSON, person, person)


def _session_of(row: SessionRow) -> Session:
    return Session(
        id=row.id,
        person=row.person,
        created=row.created,
        last_seen=row.last_seen,
        expires=row.expires,
        client=row.client,
        address=row.address,
    )


def _token_of(row: TokenRow) -> Token:
    return Token(
        id=row.id,
        person=row.person,
        name=row.name,
        scopes=frozenset(Scope(scope) for scope in row.scopes),
        created=row.created,
        expires=row.expires,
        last_used=row.last_used,
    )
