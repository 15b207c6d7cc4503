"""The collection of connections in one transaction."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import and_, delete, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from specola.domain.connection import Connection, ConnectionId, ConnectionKind
from specola.domain.task import TaskId
from specola.storage.schema.connections import ConnectionRow
from specola.storage.schema.people import PersonRow
from specola.storage.schema.tasks import TaskRow

__all__ = ["Connections"]


class Connections:
    """Reads and writes the record of connections."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def note(self, reports: Sequence[Connection]) -> set[TaskId]:
        """Add connections to the record, or bring what it says of them up to date.

        Returns
        -------
        set[TaskId]
            The tasks that got another line. Reports of tasks without a record are passed over.

        Notes
        -----
        Reports may come twice, or late: bytes only grow, and what has ended stays ended. A report never moves a
        connection to another task.
        """
        wanted = {one.task for one in reports}
        known = set(await self._session.scalars(select(TaskRow.id).where(TaskRow.id.in_(wanted))))
        query = select(ConnectionRow).where(ConnectionRow.id.in_({one.id for one in reports}))
        rows = {row.id: row for row in await self._session.scalars(query)}
        grown: set[TaskId] = set()
        for one in reports:
            if one.task not in known:
                continue
            row = rows.get(one.id)
            if row is None:
                row = rows[one.id] = _row(one)
                self._session.add(row)
                grown.add(one.task)
            elif row.task == one.task:
                _update(row, one)
        await self._session.flush()
        return grown

    async def forget(self, *, before: datetime) -> None:
        """Forget connections that were last heard of before a moment."""
        await self._session.execute(delete(ConnectionRow).where(ConnectionRow.heard < before))

    async def forget_beyond(self, tasks: Iterable[TaskId], *, carried: int, refused: int) -> None:
        """Forget the oldest of tasks that have more: so many that were let in, so many refused.

        They are counted apart, so that whoever is refused again and again pushes no connection out.
        """
        for task in sorted(tasks):
            for most, kind in ((carried, ConnectionRow.refused == ""), (refused, ConnectionRow.refused != "")):
                beyond = (
                    select(ConnectionRow.id)
                    .where(ConnectionRow.task == task, kind)
                    .order_by(ConnectionRow.began.desc(), ConnectionRow.id.desc())
                    .offset(most)
                )
                too_many = list(await self._session.scalars(beyond))
                if too_many:
                    await self._session.execute(delete(ConnectionRow).where(ConnectionRow.id.in_(too_many)))

    async def of(
        self, task: TaskId, *, before: tuple[datetime, ConnectionId] | None = None, most: int = 50
    ) -> Sequence[Connection]:
        """Return a task's connections, the latest first, with the names of those who still have an account.

        Parameters
        ----------
        before
            Beginning and id of the last connection of the page before; the page goes on after it.
        most
            How many at most.
        """
        query = (
            select(ConnectionRow, PersonRow.name)
            .outerjoin(PersonRow, PersonRow.id == ConnectionRow.person)
            .where(ConnectionRow.task == task)
            .order_by(ConnectionRow.began.desc(), ConnectionRow.id.desc())
            .limit(most)
        )
        if before is not None:
            began, last = before
            earlier = and_(ConnectionRow.began == began, ConnectionRow.id < last)
            query = query.where(or_(ConnectionRow.began < began, earlier))
        return [_connection(row, name or "") for row, name in await self._session.execute(query)]


def _row(one: Connection) -> ConnectionRow:
    return ConnectionRow(
        id=one.id,
        task=one.task,
        interface=one.interface,
        kind=one.kind.value,
        person=one.person,
        address=one.address,
        began=one.began,
        ended=one.ended,
        heard=one.heard,
        received=one.received,
        sent=one.sent,
        refused=one.refused,
        times=one.times,
    )


def _update(row: ConnectionRow, one: Connection) -> None:
    row.received = max(row.received, one.received)
    row.sent = max(row.sent, one.sent)
    row.times = max(row.times, one.times)
    row.ended = max(row.ended, one.ended) if row.ended and one.ended else one.ended or row.ended
    row.heard = one.heard
    row.refused = one.refused or row.refused


def _connection(row: ConnectionRow, name: str) -> Connection:
    return Connection(
        id=row.id,
        task=row.task,
        interface=row.interface,
        kind=ConnectionKind(row.kind),
        person=row.person,
        name=name,
        address=row.address,
        began=row.began,
        ended=row.ended,
        heard=row.heard,
        received=row.received,
        sent=row.sent,
        refused=row.refused,
        times=row.times,
    )
