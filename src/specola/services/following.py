"""Following: one task as it changes, without ever asking again and again."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from specola.domain.errors import MissingError, UnauthenticatedError
from specola.domain.person import Actor
from specola.domain.task import Task, TaskState
from specola.services.tasks import Tasks
from specola.storage.changes import Change, Topic
from specola.storage.store import Store

__all__ = ["Following", "has_ended", "is_ready"]


def has_ended(task: Task) -> bool:
    """Tell whether a task has come to its end."""
    return not task.is_live


def is_ready(task: Task) -> bool:
    """Tell whether there is nothing more to wait for: every interface is ready, or the task is on its way out."""
    if task.state is TaskState.RUNNING:
        ready = {state.name for state in task.interfaces if state.ready}
        return all(interface.name in ready for interface in task.release.interfaces)
    return task.state not in {TaskState.QUEUED, TaskState.STARTING}


class Following:
    """Follows tasks by the feed of changes."""

    def __init__(self, *, store: Store, tasks: Tasks) -> None:
        self._store = store
        self._tasks = tasks

    async def follow(self, actor: Actor, name: str) -> AsyncGenerator[Task, None]:
        """Yield a task as it is, then after each change; ends when its record is removed.

        Raises
        ------
        MissingError
            There is no such task now.
        UnauthenticatedError
            What the actor came with was revoked meanwhile.
        """
        # 1. the number of the last change, 2. the task, 3. the changes after that number: none can fall between.
        async with self._store.read() as tx:
            newest = await tx.changes.newest()
        task = await self._tasks.get(actor, name)
        yield task
        async for batch in self._store.changes(newest):
            if any(_ends(change, actor) for change in batch):
                raise UnauthenticatedError
            if not any(_concerns(change, task) for change in batch):
                continue
            try:
                task = await self._tasks.get(actor, task.id)
            except MissingError:
                return
            yield task

    async def until(self, actor: Actor, name: str, done: Callable[[Task], bool], *, seconds: float) -> Task:
        """Return a task once it is `done`, or as it is after `seconds`. Raises MissingError."""
        task = None
        try:
            async with asyncio.timeout(seconds), aclosing(self.follow(actor, name)) as states:
                async for task in states:
                    if done(task):
                        break
        except TimeoutError:
            pass
        return task or await self._tasks.get(actor, name)


def _ends(change: Change, actor: Actor) -> bool:
    marks = {f"person:{actor.person.id}", f"session:{actor.session}", f"token:{actor.token}"}
    return change.topic == Topic.REVOKED and change.key in marks


def _concerns(change: Change, task: Task) -> bool:
    return change.topic == Topic.GAP or (change.topic == Topic.TASK and change.key == task.id)
