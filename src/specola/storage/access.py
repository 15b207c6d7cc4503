"""The collection of codes and entries in one transaction, by which browsers come to tasks' origins, and of traffic."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from specola.domain.link import LinkId
from specola.domain.task import TaskId
from specola.domain.use import Carried
from specola.storage.changes import Changes
from specola.storage.schema.access import CodeRow, EntryRow, TrafficRow
from specola.storage.schema.people import PersonRow
from specola.storage.schema.tasks import TaskRow

__all__ = ["Access", "Code", "Entrance"]

MOST_GUESTS = 100
"""How many browsers one link keeps let in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrance:
    """Where somebody was let in, one interface of one task, and what by: a session, or a link."""

    session: str | None = None
    link: LinkId | None = None
    task: TaskId
    interface: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """What a hand-over code is bound to."""

    entrance: Entrance
    nonce: str = field(repr=False)
    origin: str
    path: str
    expires: datetime


class Access:
    """Reads and writes codes, entries and traffic. Codes and cookies come and are looked for as hashes only."""

    def __init__(self, session: AsyncSession, changes: Changes) -> None:
        self._session = session
        self._changes = changes

    async def add_code(self, code: Code, *, secret: str, now: datetime) -> None:
        """Keep a code, and forget those that are too old."""
        await self._session.execute(delete(CodeRow).where(CodeRow.expires <= now))
        self._session.add(
            CodeRow(
                secret=secret,
                session=code.entrance.session,
                link=code.entrance.link,
                task=code.entrance.task,
                interface=code.entrance.interface,
                nonce=code.nonce,
                origin=code.origin,
                path=code.path,
                expires=code.expires,
            )
        )
        await self._session.flush()

    async def spend_code(self, secret: str) -> Code | None:
        """Return a code, too old or not, and forget it; None: unknown, or spent by somebody who was faster."""
        row = (await self._session.scalars(select(CodeRow).where(CodeRow.secret == secret))).one_or_none()
        if row is None:
            return None
        await self._session.delete(row)
        await self._session.flush()
        return Code(
            entrance=_entrance_of(row),
            nonce=row.nonce,
            origin=row.origin,
            path=row.path,
            expires=row.expires,
        )

    async def add_entry(self, entrance: Entrance, *, cookie: str, at: datetime, superseded: datetime) -> None:
        """Keep an entry; earlier ones of the same session, from before `superseded`, go: its browser has another cookie.

        By a link come many browsers, of which the latest are kept.
        """
        if entrance.link is None:
            await self._session.execute(
                delete(EntryRow).where(
                    EntryRow.session == entrance.session,
                    EntryRow.task == entrance.task,
                    EntryRow.interface == entrance.interface,
                    EntryRow.created < superseded,
                )
            )
        else:
            guests = select(EntryRow.cookie).where(EntryRow.link == entrance.link).order_by(EntryRow.created.desc())
            too_many = (await self._session.scalars(guests.offset(MOST_GUESTS - 1))).all()
            await self._session.execute(delete(EntryRow).where(EntryRow.cookie.in_(too_many)))
        self._session.add(
            EntryRow(
                cookie=cookie,
                session=entrance.session,
                link=entrance.link,
                task=entrance.task,
                interface=entrance.interface,
                created=at,
            )
        )
        await self._session.flush()

    async def entry(self, cookie: str) -> Entrance | None:
        """Return what the cookie of a task's origin stands for; it is gone as soon as its session or its link is."""
        row = await self._session.get(EntryRow, cookie)
        return _entrance_of(row) if row else None

    async def add_traffic(self, carried: Sequence[Carried]) -> None:
        """Add bytes to the counters of those tasks that still have a record."""
        wanted = {one.task for one in carried}
        known = set(await self._session.scalars(select(TaskRow.id).where(TaskRow.id.in_(wanted))))
        rows = {
            (row.task, row.interface, row.person): row
            for row in await self._session.scalars(select(TrafficRow).where(TrafficRow.task.in_(known)))
        }
        for one in carried:
            if one.task not in known:
                continue
            key = (one.task, one.interface, one.person)
            row = rows.get(key)
            if row is None:
                row = TrafficRow(task=one.task, interface=one.interface, person=one.person, received=0, sent=0)
                rows[key] = row
                self._session.add(row)
            row.received += one.received
            row.sent += one.sent
            row.last_used = one.last_used or row.last_used
        await self._session.flush()

    async def carried(self, task: TaskId) -> Sequence[Carried]:
        """Return what was carried for a task, by interface and person, with the names of those who have an account."""
        query = (
            select(TrafficRow, PersonRow.name)
            .outerjoin(PersonRow, PersonRow.id == TrafficRow.person)
            .where(TrafficRow.task == task)
            .order_by(TrafficRow.interface, TrafficRow.person)
        )
        return [
            Carried(
                task=row.task,
                interface=row.interface,
                person=row.person,
                name=name or "",
                received=row.received,
                sent=row.sent,
                last_used=row.last_used,
            )
            for row, name in await self._session.execute(query)
        ]


def _entrance_of(row: CodeRow | EntryRow) -> Entrance:
    return Entrance(session=row.session, link=row.link, task=row.task, interface=row.interface)
