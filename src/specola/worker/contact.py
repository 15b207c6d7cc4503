"""What one computing last said: observations kept between looks, and whether it answers at all."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial

import structlog

from specola.clock import Clock
from specola.domain.budget import Budget
from specola.domain.computing import ComputingState, Handle, Observation, Phase
from specola.domain.errors import BudgetExhaustedError, ComputingUnreachableError, HostKeyChangedError, LaunchError
from specola.domain.task import Task, TaskId
from specola.ports.computing import Computing
from specola.worker.decisions import Look, Verdict, placed
from specola.worker.record import Record
from specola.worker.timing import Timing

__all__ = ["Contact"]


class Contact:
    """Asks one computing about many tasks at once, and remembers the answers.

    An answer goes out of date in two ways. One that is only old is still good enough to judge by until the next has
    come. One that is in doubt, since something is known to have happened to the task, is not.

    Parameters
    ----------
    wake
        Called when there is something new to judge by: answers, or that contact was lost or found again.
    """

    def __init__(
        self, *, computing: Computing, record: Record, clock: Clock, timing: Timing, wake: Callable[[], None]
    ) -> None:
        self._computing = computing
        self._record = record
        self._clock = clock
        self._timing = timing
        self._wake = wake
        self._logger = structlog.get_logger("specola.worker").bind(computing=computing.name)
        self._seen: dict[Handle, Observation] = {}
        self._old: set[Handle] = set()
        self._doubted: set[Handle] = set()
        self._sweep_due = True
        self._ask_due = True
        self._heard: datetime | None = None
        self._unseen_since: datetime | None = None
        self._error = ""
        self._orphans: Mapping[TaskId, Handle] | None = None
        self.found = asyncio.Event()
        """Set when a computing that did not answer does so again."""

    @property
    def is_lost(self) -> bool:
        """Whether the computing did not answer the last question."""
        return self._unseen_since is not None

    @property
    def orphans(self) -> Mapping[TaskId, Handle]:
        """What carries our label there and has no record, as of the last sweep."""
        return self._orphans or {}

    def look_of(self, task: Task) -> Look | None:
        """Return what is known of a task now; None: nothing to judge by until the computing has been asked."""
        if self._unseen_since is None:
            if self._heard is None or task.handle in self._doubted:
                return None
            if task.handle is not None and task.handle not in self._seen:
                return None
        seen = self._seen.get(task.handle) if task.handle is not None else None
        return Look(at=self._clock.now(), observation=seen, unseen_since=self._unseen_since)

    def doubt(self, handle: Handle) -> None:
        """Ask about one handle again, and judge by nothing that was said before."""
        self._old.add(handle)
        self._doubted.add(handle)

    def refresh(self, *, sweep: bool = False) -> None:
        """Ask about everything again at the next look, even if the computing did not answer the last time."""
        self._old.update(self._seen)
        self._ask_due = True
        self._sweep_due = self._sweep_due or sweep

    def keep(self, handles: Collection[Handle]) -> bool:
        """Forget all but these handles; tell whether there is something to ask."""
        wanted = set(handles)
        self._seen = {handle: seen for handle, seen in self._seen.items() if handle in wanted}
        self._old &= wanted
        self._doubted &= wanted
        if self.is_lost:
            return self._ask_due
        return self._sweep_due or bool(self._old or wanted - self._seen.keys())

    async def look(self, handles: Collection[Handle]) -> None:
        """Ask about those of `handles` whose answers are out of date, in one question."""
        asked = {handle for handle in handles if handle in self._old or handle not in self._seen}
        self._ask_due = False
        try:
            # What was lost is found again by a full search: containers may have come and gone meanwhile.
            if self._sweep_due or self.is_lost:
                await self._sweep()
            # Taken out before asking: what is doubted from now on may have happened after the answer.
            self._old -= asked
            async with self._asking():
                answers = await self._computing.observe(asked)
        except ComputingUnreachableError as error:
            self._old |= asked
            await self.lose(error)
            return
        self._seen.update(answers)
        self._doubted -= asked - self._old
        self._heard = self._clock.now()
        if self.is_lost:
            self._logger.info("computing_answers")
            self._unseen_since, self._error = None, ""
            self.found.set()
        self._wake()

    async def lose(self, error: ComputingUnreachableError) -> None:
        """Note that the computing did not answer; from now on every look says since when."""
        if isinstance(error, HostKeyChangedError):
            # Where it leads may be another machine now, so nothing new is sent there until somebody has looked.
            await self._record.stop_intake()
        if self.is_lost:
            return
        now = self._clock.now()
        self._unseen_since, self._error = self._heard or now, error.sentence
        self._logger.warning("computing_unreachable", error=error.sentence)
        self._wake()
        state = ComputingState(asked=now, unreachable_since=self._unseen_since, error=error.sentence)
        await self._record.save_state(state)

    async def probe(self) -> None:
        """Ask the computing what it is, and write that down."""
        try:
            probe = await self._computing.probe(Budget(self._timing.look, "Asking the computing what it is"))
        except ComputingUnreachableError as error:
            await self.lose(error)
        except (BudgetExhaustedError, LaunchError) as error:
            await self.lose(ComputingUnreachableError(self._computing.name, error.sentence))
        else:
            # One that says what it is may tell nothing of tasks all the same, for want of a right: that is no contact.
            now = self._clock.now()
            await self._record.save_state(
                ComputingState(asked=now, probe=probe, unreachable_since=self._unseen_since, error=self._error)
            )

    async def _sweep(self) -> None:
        """Find what the records do not speak of: what a crash left of ended tasks, and orphans.

        A container listed and not in the records is an orphan only if it is still there once the records have been
        read: a task may be removed between the two questions.
        """
        async with self._asking():
            found = await self._computing.discover()
        known = await self._record.known(found)
        for task, handle in found.items():
            record = known.get(task)
            if record is not None and not record.is_live and record.handle is None and record.may_be(handle):
                await self._record.change(task, partial(self._remnant, handle))
        strangers = {task: handle for task, handle in found.items() if task not in known}
        if strangers:
            async with self._asking():
                seen = await self._computing.observe(strangers.values())
            strangers = {task: one for task, one in strangers.items() if seen[one].phase is not Phase.FORGOTTEN}
        if strangers != self._orphans:
            self._orphans = strangers
            await self._record.save_orphans(strangers)
        self._sweep_due = False

    def _remnant(self, handle: Handle, task: Task) -> Verdict:
        """Give an ended task its container back, so that its log is kept and it is removed."""
        if task.is_live or task.handle is not None:
            return Verdict(task=task)
        return placed(task, handle, at=self._clock.now())

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[None]:
        """A computing that does not answer a short question, in time and without complaint, does not answer."""
        try:
            async with Budget(self._timing.look, "Asking the computing").spend():
                yield
        except BudgetExhaustedError as error:
            raise ComputingUnreachableError(self._computing.name, "it took too long") from error
        except LaunchError as error:
            # Looking starts nothing: a computing that refuses to be asked is in trouble itself.
            raise ComputingUnreachableError(self._computing.name, error.sentence.rstrip(".")) from error
