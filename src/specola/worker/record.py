"""What a worker reads and writes about the tasks of one computing, every write under its lease."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager

from specola.clock import Clock
from specola.domain.computing import ComputingState, Handle, Intake, Launch
from specola.domain.errors import MissingError
from specola.domain.task import Task, TaskId
from specola.secrets import Sealer
from specola.storage.store import Store, Transaction
from specola.worker.decisions import Note, Verdict
from specola.worker.launching import launch_of
from specola.worker.timing import Timing

__all__ = ["LeaseLostError", "Record"]


class LeaseLostError(Exception):
    """Another worker has the computing now; nothing more may be written or done."""


class Record:
    """The database as one computing's loop sees it.

    Each write renews the lease in its own transaction. So a worker that slept too long learns at its first write that
    another has taken over, and what it wanted to write is rolled back. Writes follow each other: they would anyway in
    the database, where each waits only for so long.
    """

    def __init__(
        self, *, store: Store, sealer: Sealer, clock: Clock, computing: str, holder: str, timing: Timing
    ) -> None:
        self._store = store
        self._sealer = sealer
        self._clock = clock
        self._computing = computing
        self._holder = holder
        self._timing = timing
        self._turn = asyncio.Lock()

    async def hold(self) -> bool:
        """Take the lease or renew it; False: another worker holds it."""
        async with self._store.write() as transaction:
            return await self._lease(transaction)

    async def release(self) -> None:
        """Give the lease back, so that another worker need not wait until it runs out."""
        async with self._store.write() as transaction:
            await transaction.computings.release(self._computing, holder=self._holder)

    async def wanted(self) -> Sequence[Task]:
        """Return every task of the computing for which something may be left to do."""
        async with self._store.read() as transaction:
            return await transaction.tasks.wanted(self._computing)

    async def known(self, tasks: Collection[TaskId]) -> Mapping[TaskId, Task]:
        """Return those of `tasks` that have a record."""
        async with self._store.read() as transaction:
            return await transaction.tasks.known(tasks)

    async def launch_of(self, task: Task) -> Launch:
        """Read what starting a task needs beyond its record: its credential and its owner's number."""
        async with self._store.read() as transaction:
            sealed = await transaction.tasks.credential(task.id)
            owner = await transaction.people.get(task.owner)
        credential = self._sealer.open(sealed, purpose=f"task {task.id}")
        return launch_of(task, credential=credential, number=owner.number)

    async def change(
        self, task: TaskId, judge: Callable[[Task], Verdict], *, progress: Sequence[Note] = ()
    ) -> Verdict | None:
        """Judge a task as it is now and write the verdict, in one transaction; None: its record is gone.

        Parameters
        ----------
        progress
            What is still to be told of the steps that led here; it is written first (see `note`).
        """
        async with self._writing() as transaction:
            try:
                before = await transaction.tasks.get(task)
            except MissingError:
                return None
            for note in progress:
                await self._note(transaction, task, note, replaces=True)
            verdict = judge(before)
            if verdict.task != before:
                await transaction.tasks.save(verdict.task)
                for note in verdict.notes:
                    await self._note(transaction, task, note, replaces=False)
            return verdict

    async def note(self, task: TaskId, notes: Sequence[Note]) -> None:
        """Write events each of which replaces earlier ones of its code: the newest progress of a step."""
        async with self._writing() as transaction:
            for note in notes:
                await self._note(transaction, task, note, replaces=True)

    async def erase(self, task: TaskId) -> None:
        """Remove a task's record."""
        async with self._writing() as transaction:
            await transaction.tasks.remove(task)

    async def save_state(self, state: ComputingState) -> None:
        """Write down how the computing is."""
        async with self._writing() as transaction:
            await transaction.computings.save_state(self._computing, state)

    async def stop_intake(self) -> None:
        """Let the computing take no new tasks until somebody opens it again."""
        async with self._writing() as transaction:
            await transaction.computings.set_intake(self._computing, Intake.STOPPED)

    async def save_orphans(self, orphans: Mapping[TaskId, Handle]) -> None:
        """Write down what carries our label there and has no record."""
        async with self._writing() as transaction:
            await transaction.computings.save_orphans(self._computing, orphans)

    async def orphans_to_remove(self) -> Sequence[TaskId]:
        """Return the orphans that an administrator wants removed."""
        async with self._store.read() as transaction:
            return await transaction.computings.orphans_to_remove(self._computing)

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[Transaction]:
        async with self._turn, self._store.write() as transaction:
            if not await self._lease(transaction):
                raise LeaseLostError(self._computing)
            yield transaction

    async def _lease(self, transaction: Transaction) -> bool:
        now = self._clock.now()
        return await transaction.computings.lease(
            self._computing, holder=self._holder, until=now + self._timing.lease, now=now
        )

    async def _note(self, transaction: Transaction, task: TaskId, note: Note, *, replaces: bool) -> None:
        await transaction.tasks.add_event(
            task,
            at=note.at or self._clock.now(),
            code=note.code,
            sentence=note.sentence,
            data=note.data,
            replaces=replaces,
        )
