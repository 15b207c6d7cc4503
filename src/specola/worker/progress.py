"""A launch under way: its steps become events, a few each second at most, and each kind of step has its own budget."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import structlog

from specola.clock import Clock
from specola.domain.budget import Budget
from specola.domain.computing import Progress
from specola.domain.errors import BudgetExhaustedError, DatabaseUnavailableError, MissingError
from specola.domain.task import TaskId
from specola.worker.decisions import Note
from specola.worker.record import LeaseLostError, Record
from specola.worker.timing import Timing

__all__ = ["IMAGE_PULL", "LaunchProgress"]

IMAGE_PULL = "image_pull"
"""The code of the progress that computings report while an image is on its way."""


class LaunchProgress:
    """Follows one launch.

    Progress is written in the background, in order, all that has come up in one transaction: a start does not wait for
    the database. What is still unwritten at the end is taken (`take`) into the transaction that says how it ended.

    An image may take an hour on a slow line while a container that does not start within two minutes never will. So
    pulling and everything else have a budget each, and whichever is being spent is named when it runs out.
    """

    def __init__(self, record: Record, task: TaskId, *, clock: Clock, timing: Timing) -> None:
        self._record = record
        self._task = task
        self._clock = clock
        self._timing = timing
        self._left = {True: timing.pull, False: timing.start}
        self._pulling = False
        self._since = 0.0
        self._limit: asyncio.Timeout | None = None
        self._waiting: dict[str, Note] = {}
        self._arrived = asyncio.Event()
        self._turn = asyncio.Lock()
        self._failure: Exception | None = None
        self._logger = structlog.get_logger("specola.worker")

    @asynccontextmanager
    async def spend(self) -> AsyncIterator[Budget]:
        """Run a launch within its budgets; yields the outer bound to hand to the computing.

        Raises
        ------
        BudgetExhaustedError
            One of the two ran out; it names which.
        """
        writing = asyncio.create_task(self._write(), name=f"progress of {self._task}")
        try:
            async with self._bounded() as budget:
                yield budget
        except Exception:
            await self._turn.acquire()
            raise
        else:
            # What is being written just now is written to its end, and nothing after it; one that is given up waits
            # for nothing.
            await self._turn.acquire()
        finally:
            writing.cancel()

    @asynccontextmanager
    async def _bounded(self) -> AsyncIterator[Budget]:
        self._since = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout_at(self._since + self._left[False]) as self._limit:
                # The computing's own bound is wider than ours, so that ours is the one that speaks.
                yield Budget(self._timing.pull + self._timing.start + self._timing.look, "Starting the task")
        except TimeoutError as error:
            if self._limit is None or not self._limit.expired():
                raise
            if self._pulling:
                raise BudgetExhaustedError("Pulling the image", self._timing.pull) from error
            raise BudgetExhaustedError("Starting the container", self._timing.start) from error

    async def report(self, progress: Progress) -> None:
        """Take one step's progress from the computing.

        Raises
        ------
        LeaseLostError, MissingError
            Earlier progress could not be written: this launch is nobody's any more.
        """
        if self._failure is not None:
            raise self._failure
        self._switch(asyncio.get_running_loop().time(), pulling=progress.code == IMAGE_PULL)
        data = {name: value for name in ("done", "total") if (value := getattr(progress, name)) is not None}
        # Taken out first: the order is that of the newest report of each kind.
        self._waiting.pop(progress.code, None)
        self._waiting[progress.code] = Note(
            code=progress.code, sentence=progress.sentence, data=data, at=self._clock.now()
        )
        self._arrived.set()

    def take(self) -> Sequence[Note]:
        """Return what is not written yet, once the launch is over."""
        waiting, self._waiting = self._waiting, {}
        return tuple(waiting.values())

    def _switch(self, now: float, *, pulling: bool) -> None:
        """Charge the time since the last switch to the budget it was spent from, and go on with the other."""
        if pulling is self._pulling or self._limit is None:
            return
        self._left[self._pulling] -= now - self._since
        self._pulling, self._since = pulling, now
        self._limit.reschedule(now + self._left[pulling])

    async def _write(self) -> None:
        """Write what is waiting, again and again, until cancelled."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            async with self._turn:
                await self._write_waiting()
            await asyncio.sleep(self._timing.report)

    async def _write_waiting(self) -> None:
        notes = tuple(self._waiting.values())
        try:
            await self._record.note(self._task, notes)
        except DatabaseUnavailableError as error:
            # They stay waiting, for the next report or the end.
            self._logger.warning("progress_unwritten", task=self._task, error=error.sentence)
        except (LeaseLostError, MissingError) as error:
            self._failure = error
        except Exception:
            # A fault of ours, but no reason to give up a launch.
            self._logger.exception("progress_unwritten", task=self._task)
        else:
            for note in notes:
                if self._waiting.get(note.code) is note:
                    del self._waiting[note.code]
