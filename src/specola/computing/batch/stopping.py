"""The end of a task, as somebody wants it: asked for, waited for, and forced."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from specola.clock import Clock
from specola.computing.batch.asking import Asking
from specola.computing.batch.scheduling import Entry, JobState, Scheduler
from specola.computing.batch.session import Session
from specola.domain.errors import ComputingUnreachableError
from specola.domain.task import TaskId

__all__ = ["Stopper"]

FIRST, LAST = 0.2, 2.0
CLEANING = timedelta(seconds=30)
"""What the agent has beyond the grace to clean up and to say good-bye: on a busy node, an image takes a while to remove."""
FORCED = timedelta(seconds=60)
"""How long the scheduler may take to end what it was told to end."""


@dataclass(frozen=True, slots=True)
class Stopper:
    """Ends tasks of one computing."""

    computing: str
    scheduler: Scheduler
    clock: Clock

    async def stop(
        self,
        asking: Asking,
        task: TaskId,
        *,
        grace: timedelta,
        last: timedelta,
        session: Callable[[], Awaitable[Session | None]],
    ) -> None:
        """Ask a task to end, wait, then have the scheduler end it; return once it has ended.

        Its last command has `last` before the grace begins.

        1. A job that waits is taken from the queue: there is nobody to ask.
        2. The agent is asked through its session where one can be had, else by a signal to the batch process alone.
        3. What is still there after the grace is cancelled, with all its steps.
        """
        jobs = await asking.jobs(task)
        if not jobs:
            return
        running = [one for one in jobs if one.state is not JobState.WAITING]
        for one in jobs:
            if one not in running:
                await self._cancel(asking, one, gently=False)
        if running:
            await self._ask(asking, running, grace=grace, session=session)
            if await self._ended(asking, task, within=last + grace + CLEANING):
                return
            for one in running:
                await self._cancel(asking, one, gently=False)
        if not await self._ended(asking, task, within=FORCED):
            raise ComputingUnreachableError(self.computing, "the task was told to end and has not ended yet")

    async def end(self, asking: Asking, task: TaskId) -> None:
        """Have the scheduler end whatever is left of a task; return once it has ended.

        An agent that is asked puts its container away in less time than a scheduler takes to kill them both.
        """
        jobs = await asking.jobs(task)
        for one in jobs:
            if one.state is not JobState.ENDING:
                await self._cancel(asking, one, gently=one.state is JobState.RUNNING)
        if not jobs or await self._ended(asking, task, within=CLEANING):
            return
        for one in jobs:
            await self._cancel(asking, one, gently=False)
        if not await self._ended(asking, task, within=FORCED):
            raise ComputingUnreachableError(self.computing, "the task was told to end and has not ended yet")

    async def _ask(
        self,
        asking: Asking,
        jobs: Sequence[Entry],
        *,
        grace: timedelta,
        session: Callable[[], Awaitable[Session | None]],
    ) -> None:
        with contextlib.suppress(OSError):
            if (open_one := await session()) is not None:
                await open_one.stop(grace)
                return
        for one in jobs:
            if one.state is JobState.RUNNING:
                await self._cancel(asking, one, gently=True)

    async def _cancel(self, asking: Asking, entry: Entry, *, gently: bool) -> None:
        await self.scheduler.cancel(asking.account.host, entry.id, gently=gently)
        asking.board.doubt()

    async def _ended(self, asking: Asking, task: TaskId, *, within: timedelta) -> bool:
        """Wait until no job of a task lives; tell whether it came to that."""
        end, pause = self.clock.monotonic() + within.total_seconds(), FIRST
        while await asking.jobs(task):
            if self.clock.monotonic() >= end:
                return False
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, LAST)
        return True
