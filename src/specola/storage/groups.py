"""The collection of groups in one transaction."""

from collections.abc import Sequence

from sqlalchemy import Select, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from specola.domain.errors import MissingError
from specola.domain.group import Group
from specola.domain.person import PersonId
from specola.storage.changes import Changes, Topic
from specola.storage.documents import storable
from specola.storage.schema.groups import GroupRow, MemberRow

__all__ = ["Groups"]


class Groups:
    """Reads and writes groups. Whoever joins or leaves one is told of it as a change of their account."""

    def __init__(self, session: AsyncSession, changes: Changes) -> None:
        self._session = session
        self._changes = changes

    async def all(self) -> Sequence[Group]:
        """Return all groups, by name."""
        return await self._many(select(GroupRow))

    async def of(self, person: PersonId) -> Sequence[Group]:
        """Return the groups that a person belongs to, by name."""
        belonging = select(MemberRow.belongs_to).where(MemberRow.person == person)
        return await self._many(select(GroupRow).where(GroupRow.id.in_(belonging)))

    async def get(self, name: str) -> Group:
        """Return a group by name or id. Raises MissingError."""
        wanted = storable(name)
        found = await self._many(select(GroupRow).where((GroupRow.name == wanted) | (GroupRow.id == wanted)))
        if not found:
            raise MissingError("group", name)
        return next((one for one in found if one.name == name), found[0])

    async def add(self, group: Group) -> None:
        """Add a group without members."""
        self._session.add(GroupRow(id=group.id, name=group.name, title=group.title, created=group.created))
        await self._session.flush()
        self._changes.note(Topic.PERSON, group.id)

    async def retitle(self, group: Group, title: str) -> None:
        """Give a group another title."""
        await self._session.execute(update(GroupRow).where(GroupRow.id == group.id).values(title=title))
        self._changes.note(Topic.PERSON, group.id)

    async def join(self, group: Group, person: PersonId, *, manages: bool) -> None:
        """Make somebody a member, or write down that a member manages the group, or no longer does."""
        known = await self._session.get(MemberRow, (group.id, person))
        if known is None:
            self._session.add(MemberRow(belongs_to=group.id, person=person, manages=manages))
        else:
            known.manages = manages
        await self._session.flush()
        self._note(group, person)

    async def leave(self, group: Group, person: PersonId) -> None:
        """Take somebody out of a group; silent if they are not in it."""
        await self._session.execute(
            delete(MemberRow).where(MemberRow.belongs_to == group.id, MemberRow.person == person)
        )
        self._note(group, person)

    async def remove(self, group: Group) -> None:
        """Remove a group; its members lose what they had by it."""
        await self._session.execute(delete(GroupRow).where(GroupRow.id == group.id))
        self._changes.note(Topic.PERSON, group.id)
        for person in sorted(group.members):
            self._note(group, person)

    def _note(self, group: Group, person: PersonId) -> None:
        self._changes.note(Topic.PERSON, group.id)
        self._changes.note(Topic.PERSON, person, person)

    async def _many(self, query: Select[GroupRow]) -> Sequence[Group]:
        rows = (await self._session.scalars(query.order_by(GroupRow.name))).all()
        belonging = select(MemberRow).where(MemberRow.belongs_to.in_([row.id for row in rows]))
        members = (await self._session.scalars(belonging.execution_options(populate_existing=True))).all()
        return [
            Group(
                id=row.id,
                name=row.name,
                title=row.title,
                created=row.created,
                members=frozenset(one.person for one in members if one.belongs_to == row.id),
                managers=frozenset(one.person for one in members if one.belongs_to == row.id and one.manages),
            )
            for row in rows
        ]
