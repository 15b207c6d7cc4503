"""The lines of one task's log, wherever they are: on the computing while it is live, in the archive afterwards."""

from collections.abc import AsyncIterator, Callable, Sequence

from specola.domain.computing import LogLine
from specola.domain.errors import MissingError
from specola.domain.task import Task
from specola.ports.connector import Connector
from specola.storage.logs import LogArchive
from specola.storage.store import Store

__all__ = ["lines"]


async def lines(
    task: Task, *, store: Store, connector: Connector, archive: LogArchive, follow: bool, tail: int | None
) -> AsyncIterator[LogLine]:
    """Yield the lines of a task, oldest first; see `Tasks.logs`."""
    if follow:
        task = await _begun(task, store)
    for source in _sources(task, connector, archive, follow=follow, tail=tail):
        told = False
        async for line in source():
            told = True
            yield line
        if told:
            return


def _sources(
    task: Task, connector: Connector, archive: LogArchive, *, follow: bool, tail: int | None
) -> Sequence[Callable[[], AsyncIterator[LogLine]]]:
    """Return where the log may be, in the order of asking; the first that has a line has them all.

    The worker archives an ended task's log, then removes the container. Both may happen between two questions:
    1. it is not in the archive yet; 2. the worker archives it and removes the container; 3. the computing does not know
    it any more. So the archive is asked again after the computing.
    """

    async def on_computing() -> AsyncIterator[LogLine]:
        try:
            async for line in connector.logs(task.id, follow=follow and task.is_live, tail=tail):
                yield line
        except MissingError:
            return

    def archived() -> AsyncIterator[LogLine]:
        return archive.lines(task.id, tail=tail)

    if task.handle is None:
        return [] if task.is_live else [archived]
    return [on_computing, archived] if task.is_live else [archived, on_computing, archived]


async def _begun(task: Task, store: Store) -> Task:
    """Return the task once it has something to write to a log, or has ended or been removed."""
    if task.handle is not None or not task.is_live:
        return task
    async with store.read() as tx:
        newest = await tx.changes.newest()
        task = (await tx.tasks.known([task.id])).get(task.id, task)
    if task.handle is not None or not task.is_live:
        return task
    async for changes in store.changes(newest):
        if not any(one.key == task.id or one.topic == "gap" for one in changes):
            continue
        async with store.read() as tx:
            found = (await tx.tasks.known([task.id])).get(task.id)
        if found is None or found.handle is not None or not found.is_live:
            return found or task
    return task
