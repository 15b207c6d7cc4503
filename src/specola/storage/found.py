"""The collection of ports found in running tasks, in one transaction."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from specola.domain.found import FoundPort
from specola.domain.software import Protocol
from specola.domain.task import Task, TaskId
from specola.storage.changes import Changes, Topic
from specola.storage.documents import storable
from specola.storage.schema.found import FoundPortRow

__all__ = ["Found"]


class Found:
    """Reads and writes found ports; that one came, changed or went is told as a change of its task."""

    def __init__(self, session: AsyncSession, changes: Changes) -> None:
        self._session = session
        self._changes = changes

    async def of(self, tasks: Collection[TaskId]) -> Mapping[TaskId, Sequence[FoundPort]]:
        """Return the ports of many tasks, the lowest first; tasks without any are left out."""
        query = select(FoundPortRow).where(FoundPortRow.task.in_([storable(task) for task in tasks]))
        found: defaultdict[TaskId, list[FoundPort]] = defaultdict(list)
        # A row read before in this transaction may have been written since, by a statement and not by the session.
        rows = query.order_by(FoundPortRow.task, FoundPortRow.port).execution_options(populate_existing=True)
        for row in await self._session.scalars(rows):
            found[row.task].append(_port(row))
        return found

    async def set(self, task: Task, ports: Sequence[FoundPort], *, at: datetime) -> bool:
        """Write down all ports found in a task; tell whether anything changed.

        Parameters
        ----------
        ports
            Each of another number. What stays the same keeps its `since`.
        at
            Since when the others are as they are.
        """
        known = {one.port: one for one in (await self.of([task.id])).get(task.id, ())}
        wanted = {one.port: replace(one, since=at) for one in ports}
        wanted |= {port: one for port, one in known.items() if _is_same(one, wanted.get(port))}
        if wanted == known:
            return False
        await self._session.execute(delete(FoundPortRow).where(FoundPortRow.task == task.id))
        rows = [
            {
                "task": task.id,
                "port": one.port,
                "protocol": one.protocol.value,
                "loopback": one.loopback,
                "since": one.since,
            }
            for one in wanted.values()
        ]
        if rows:
            await self._session.execute(insert(FoundPortRow), rows)
        self._changes.note(Topic.TASK, task.id, task.owner)
        return True


def _is_same(one: FoundPort, other: FoundPort | None) -> bool:
    return other is not None and (one.protocol, one.loopback) == (other.protocol, other.loopback)


def _port(row: FoundPortRow) -> FoundPort:
    return FoundPort(port=row.port, protocol=Protocol(row.protocol), loopback=row.loopback, since=row.since)
