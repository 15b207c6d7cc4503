"""Names: which interfaces of live tasks speak anything but HTTP, so that gateways can reach them by TLS name."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field

from specola.domain.task import Task, TaskId
from specola.storage.changes import Topic
from specola.storage.store import Store

__all__ = ["Named", "Names", "Start"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A task, and what its interfaces speak that are no HTTP; none: it is not reached by name, or not any more."""

    task: TaskId
    protocols: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, task: Task) -> "Named":
        """Return the names of a task."""
        there = task.release.interfaces if task.is_live and not task.is_deleted else ()
        spoken = {one.name: one.protocol.value for one in there if not one.protocol.opens_in_browser}
        return cls(task=task.id, protocols=spoken)


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What there is at one moment."""

    named: Sequence[Named]
    sequence: int


class Names:
    """What gateways learn before anybody connects: whether a certificate has to be asked for is no time to ask."""

    def __init__(self, *, store: Store) -> None:
        self._store = store

    async def snapshot(self) -> Start:
        """Return every live task that is reached by name."""
        async with self._store.read() as tx:
            tasks = [task for one in await tx.computings.all() for task in await tx.tasks.wanted(one.name)]
            named = [one for one in map(Named.of, tasks) if one.protocols]
            return Start(named=named, sequence=await tx.changes.newest())

    async def follow(self, start: Start) -> AsyncGenerator[Sequence[Named], None]:
        """Yield what changes after a snapshot, until changes were missed: then another snapshot has to be taken."""
        known = {one.task: one for one in start.named}
        async for batch in self._store.changes(start.sequence):
            if any(change.topic == Topic.GAP for change in batch):
                return
            ids = {change.key for change in batch if change.topic == Topic.TASK}
            if not ids:
                continue
            async with self._store.read() as tx:
                tasks = await tx.tasks.known(ids)
            told = []
            for id_ in sorted(ids):
                named = Named.of(tasks[id_]) if id_ in tasks else Named(task=id_)
                if named != known.get(id_, Named(task=id_)):
                    told.append(named)
                    known[id_] = named
                if not named.protocols:
                    known.pop(id_, None)
            if told:
                yield told
