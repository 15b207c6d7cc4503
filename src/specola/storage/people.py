"""The collection of accounts in one transaction, with their sign-in links and invitations."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from specola.domain.errors import MissingError
from specola.domain.person import Invitation, Person, Role
from specola.storage.changes import Changes, Topic
from specola.storage.schema.people import InvitationRow, LinkRow, PersonRow

__all__ = ["FIRST_NUMBER", "People", "person_of"]

FIRST_NUMBER = 100_000
"""The lowest numeric owner of files: above the users of the host and of images."""


class People:
    """Reads and writes accounts. Secrets come and are looked for as hashes only."""

    def __init__(self, session: AsyncSession, changes: Changes) -> None:
        self._session = session
        self._changes = changes

    # -- accounts ---------------------------------------------------------------------------------------------------

    async def get(self, person: str) -> Person:
        """Return an account by id. Raises MissingError."""
        return person_of(await self._row(person))

    async def named(self, name: str) -> Person | None:
        """Return the account of that name."""
        row = await self._session.scalar(select(PersonRow).where(PersonRow.name == name))
        return person_of(row) if row else None

    async def all(self) -> Sequence[Person]:
        """Return everybody, by name."""
        return [person_of(row) for row in await self._session.scalars(select(PersonRow).order_by(PersonRow.name))]

    async def next_number(self) -> int:
        """Return the numeric owner of the next account. Accounts are never removed, so none is given twice."""
        highest = select(func.coalesce(func.max(PersonRow.number), FIRST_NUMBER - 1))
        return (await self._session.execute(highest)).scalar_one() + 1

    async def add(self, person: Person) -> None:
        """Add an account without a password."""
        self._session.add(
            PersonRow(
                id=person.id,
                name=person.name,
                full_name=person.full_name,
                role=person.role,
                number=person.number,
                password=None,
                created=person.created,
                disabled=person.disabled,
                last_seen=person.last_seen,
            )
        )
        await self._session.flush()
        self._note(person.id)

    async def save(self, person: Person) -> None:
        """Write down full name, role and whether the account is disabled."""
        row = await self._row(person.id)
        row.full_name, row.role, row.disabled = person.full_name, person.role, person.disabled
        await self._session.flush()
        self._note(person.id)

    async def see(self, person: str, at: datetime) -> None:
        """Write down when somebody was last seen; not worth telling anybody."""
        await self._session.execute(update(PersonRow).where(PersonRow.id == person).values(last_seen=at))

    async def password(self, person: str) -> str | None:
        """Return what is kept of a person's password. Raises MissingError."""
        return (await self._row(person)).password

    async def set_password(self, person: str, kept: str) -> None:
        """Keep another password."""
        (await self._row(person)).password = kept
        await self._session.flush()
        self._note(person)

    async def administrators(self) -> int:
        """Count the administrators that are enabled."""
        enabled = select(func.count()).where(PersonRow.role == Role.ADMINISTRATOR, PersonRow.disabled.is_(None))
        return (await self._session.execute(enabled)).scalar_one()

    async def anybody_seen(self) -> bool:
        """Tell whether anybody has ever signed in."""
        seen = select(exists().where(PersonRow.last_seen.is_not(None)))
        return (await self._session.execute(seen)).scalar_one()

    # -- sign-in links ----------------------------------------------------------------------------------------------

    async def set_link(self, person: str, *, secret: str, expires: datetime) -> None:
        """Keep a person's sign-in link, in place of the one before."""
        await self.drop_link(person)
        self._session.add(LinkRow(person=person, secret=secret, expires=expires))
        await self._session.flush()

    async def drop_link(self, person: str) -> None:
        """Forget a person's sign-in link; silent if there is none."""
        await self._session.execute(delete(LinkRow).where(LinkRow.person == person))

    async def spend_link(self, secret: str, *, now: datetime) -> Person | None:
        """Return whose link it is and forget it; None: unknown, spent or late."""
        spent = delete(LinkRow).where(LinkRow.secret == secret, LinkRow.expires > now).returning(LinkRow.person)
        person = (await self._session.execute(spent)).scalar_one_or_none()
        return await self.get(person) if person else None

    # -- invitations ------------------------------------------------------------------------------------------------

    async def add_invitation(self, invitation: Invitation, *, secret: str) -> None:
        """Add an invitation."""
        self._session.add(
            InvitationRow(
                id=invitation.id,
                secret=secret,
                role=invitation.role,
                note=invitation.note,
                invited_by=invitation.invited_by,
                created=invitation.created,
                expires=invitation.expires,
                accepted_by=None,
            )
        )
        await self._session.flush()
        self._note(invitation.id, owner=invitation.invited_by)

    async def open_invitations(self, *, now: datetime) -> Sequence[Invitation]:
        """Return the invitations that can still be accepted, the latest first."""
        rows = await self._session.scalars(
            select(InvitationRow)
            .where(InvitationRow.accepted_by.is_(None), InvitationRow.expires > now)
            .order_by(InvitationRow.created.desc(), InvitationRow.id)
        )
        return [_invitation_of(row) for row in rows]

    async def open_invitation(self, secret: str, *, now: datetime) -> Invitation | None:
        """Return the invitation of that secret, if it can still be accepted."""
        row = await self._session.scalar(
            select(InvitationRow).where(
                InvitationRow.secret == secret, InvitationRow.accepted_by.is_(None), InvitationRow.expires > now
            )
        )
        return _invitation_of(row) if row else None

    async def accept_invitation(self, invitation: Invitation, *, person: str) -> None:
        """Write down who accepted an invitation."""
        await self._session.execute(
            update(InvitationRow).where(InvitationRow.id == invitation.id).values(accepted_by=person)
        )
        self._note(invitation.id, owner=invitation.invited_by)

    async def remove_invitation(self, invitation: Invitation) -> None:
        """Remove an invitation."""
        await self._session.execute(delete(InvitationRow).where(InvitationRow.id == invitation.id))
        self._note(invitation.id, owner=invitation.invited_by)

    async def _row(self, person: str) -> PersonRow:
        row = await self._session.get(PersonRow, person)
        if row is None:
            raise MissingError("person", person)
        return row

    def _note(self, key: str, *, owner: str | None = None) -> None:
        self._changes.note(Topic.PERSON, key, owner or key)


def person_of(row: PersonRow) -> Person:
    """Return the account that a row says."""
    return Person(
        id=row.id,
        name=row.name,
        full_name=row.full_name,
        role=Role(row.role),
        number=row.number,
        created=row.created,
        disabled=row.disabled,
        has_password=row.password is not None,
        last_seen=row.last_seen,
    )


def _invitation_of(row: InvitationRow) -> Invitation:
    return Invitation(
        id=row.id,
        role=Role(row.role),
        note=row.note,
        invited_by=row.invited_by,
        created=row.created,
        expires=row.expires,
        accepted_by=row.accepted_by,
    )
