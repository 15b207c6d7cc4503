"""Looks at many tasks of one account at once: their folders, the queue, and the books only for what is left."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Any

from specola.clock import Clock
from specola.computing.batch.accounts import Account
from specola.computing.batch.board import Board
from specola.computing.batch.folders import Folders
from specola.computing.batch.images import Shelf, newest, told_of
from specola.computing.batch.names import Names
from specola.computing.batch.observing import Seen, chosen, judge
from specola.computing.batch.scheduling import Entry, JobState, Scheduler
from specola.computing.batch.traces import Trace
from specola.domain.computing import Observation, Phase
from specola.domain.reasons import ENDS, EndReason, WaitReason
from specola.domain.task import TaskId

__all__ = ["Asking"]

MOST_FINAL = 4096
SOON = 1.0
"""Seconds between two questions to the books while they do not tell yet how something ended."""


class Asking:
    """All that is asked of one account, and what need not be asked again.

    Parameters
    ----------
    interval
        Seconds between two questions to the scheduler.
    patience
        How long scheduler and books have not to know a task until that counts.
    books
        Whether the scheduler keeps books.
    """

    def __init__(  # noqa: PLR0913 -- keyword-only: one part for each question
        self,
        *,
        account: Account,
        names: Names,
        scheduler: Scheduler,
        folders: Folders,
        clock: Clock,
        interval: float,
        patience: timedelta,
        books: bool,
    ) -> None:
        self.account = account
        self.board = Board(lambda: scheduler.ask(account.host, account.user), interval=interval, clock=clock)
        self._names = names
        self._scheduler = scheduler
        self._folders = folders
        self._clock = clock
        self._interval = interval
        self._patience = patience
        self._has_books = books
        self._final: dict[TaskId, Observation] = {}
        self._missing: dict[TaskId, float] = {}
        self._books: dict[str, Sequence[Entry]] = {}
        self._recalled = -interval
        self._pictures: dict[str, tuple[float, str]] = {}

    async def observe(self, tasks: Collection[TaskId]) -> Mapping[TaskId, Observation]:
        """Say how tasks are. Raises `ComputingUnreachableError` if folders, scheduler or books could not be asked."""
        traces = await self._folders.look(self.account, tasks)
        over = {task for task in tasks if task in self._final and traces[task].there}
        live = [task for task in tasks if task not in over]
        listed = await self.board.look() if live else {}
        found = {task: listed.get(self._names.job(task), ()) for task in live}
        await self._ask_books(found, traces)
        seen = {task: self._final[task] for task in over}
        for task in live:
            seen[task] = self._judge(task, traces[task], found[task])
        await self._tell_of_images(seen, traces)
        return seen

    def is_over(self, task: TaskId) -> bool:
        """Tell whether a task was seen to have ended."""
        return task in self._final

    def forget(self, task: TaskId) -> None:
        """Drop what is known of a task."""
        self._final.pop(task, None)
        self._missing.pop(task, None)
        self._books.pop(self._names.job(task), None)
        self.board.doubt()

    async def live(self) -> Collection[TaskId]:
        """Return the tasks that the scheduler has and that have not ended there."""
        listed = await self.board.look()
        named = ((self._names.task(name), entries) for name, entries in listed.items())
        return [task for task, entries in named if task and any(one.state is not JobState.ENDED for one in entries)]

    async def jobs(self, task: TaskId) -> Sequence[Entry]:
        """Return all jobs of a task's name that have not ended, asked now."""
        listed = (await self.board.look_now()).get(self._names.job(task), ())
        return [one for one in listed if one.state is not JobState.ENDED]

    def _judge(self, task: TaskId, trace: Trace, entries: Sequence[Entry]) -> Observation:
        now = self._clock.monotonic()
        entry = chosen(trace, entries)
        if entry is None or (entry.state is JobState.ENDED and entry.exit_code is None):
            since = self._missing.setdefault(task, now)
        else:
            since = now
            self._missing.pop(task, None)
        seen = Seen(
            trace=trace,
            entries=entries,
            missing=timedelta(seconds=now - since),
            patience=self._patience,
            books=self._has_books,
        )
        judgement = judge(seen, now=self._clock.now())
        if judgement.in_doubt:
            self.board.doubt()
        elif judgement.observation.phase is Phase.ENDED:
            if len(self._final) > MOST_FINAL:
                self._final.clear()
            self._final[task] = judgement.observation
        return judgement.observation

    async def _ask_books(self, found: dict[TaskId, Sequence[Entry]], traces: Mapping[TaskId, Trace]) -> None:
        """Add what the books know of jobs that the scheduler no longer has, or knows only the end of."""
        if not self._has_books:
            return
        now = self._clock.monotonic()
        wanted = {}
        for task, entries in found.items():
            name = self._names.job(task)
            if _is_enough(traces[task], entries):
                continue
            if name in self._books:
                found[task] = self._books[name]
            else:
                wanted[name] = task
        if not wanted or now - self._recalled < self._books_pause(wanted.values(), now):
            return
        self._recalled = now
        told = await self._scheduler.recall(self.account.host, self.account.user, list(wanted))
        for name, task in wanted.items():
            booked = [one for one in told.get(name, ()) if one.state is JobState.ENDED]
            if booked and not (found[task] and any(one.state is not JobState.ENDED for one in found[task])):
                self._books[name] = found[task] = _together(found[task], booked)
            else:
                # The books may still have as running what the controller already knows the end of, or has lost.
                found[task] = found[task] or told.get(name, ())

    def _books_pause(self, tasks: Collection[TaskId], now: float) -> float:
        """Return how long the books are left alone: shortly while an end is not explained yet, and then as the queue."""
        is_news = any(now - self._missing.get(task, now) < self._patience.total_seconds() for task in tasks)
        return min(self._interval, SOON) if is_news else self._interval

    async def _tell_of_images(self, seen: dict[TaskId, Observation], traces: Mapping[TaskId, Trace]) -> None:
        """Say of tasks that wait for their image how far that is, and of those that will never have it, why."""
        waiting = {WaitReason.DEPENDENCY, WaitReason.UNSATISFIABLE, EndReason.IMAGE_PULL}
        wanted = {
            task: folder
            for task, one in seen.items()
            if one.reason in waiting and (folder := str((traces[task].job or {}).get("image") or ""))
        }
        sentences = dict(
            zip(set(wanted.values()), await asyncio.gather(*map(self._picture, set(wanted.values()))), strict=True)
        )
        listed = await self.board.look() if wanted else {}
        for task, folder in wanted.items():
            one, sentence = seen[task], sentences[folder]
            job = newest(listed.get(self._names.image_job(PurePosixPath(folder).name), ()))
            if one.reason == WaitReason.DEPENDENCY and job is not None and job.state is JobState.WAITING:
                # What keeps the image's own job waiting keeps the task.
                seen[task] = replace(
                    one, reason=job.reason, sentence=job.sentence, raw=job.raw, forecast=job.forecast or one.forecast
                )
                continue
            reason = WaitReason.IMAGE if one.reason == WaitReason.DEPENDENCY else one.reason
            seen[task] = replace(one, reason=reason, sentence=sentence or one.sentence)
            if task in self._final:
                self._final[task] = seen[task]

    async def _picture(self, folder: str) -> str:
        """Return how far an image is, as its job told within the last interval."""
        now = self._clock.monotonic()
        at, sentence = self._pictures.get(folder, (-self._interval, ""))
        if now - at >= min(self._interval, 2.0):
            status: Mapping[str, Any] | None = await self._folders.read(
                self.account, Shelf(key="", folder=folder).status
            )
            sentence = told_of(status)
            self._pictures[folder] = (now, sentence)
        return sentence


def _is_enough(trace: Trace, entries: Sequence[Entry]) -> bool:
    """Tell whether folder and queue say all that can be known of a task."""
    if trace.known and not trace.there and all(one.state is JobState.ENDED for one in entries):
        return True
    entry = chosen(trace, entries)
    if entry is None:
        return trace.has_ended and trace.word("reason") in ENDS
    if entry.state is not JobState.ENDED:
        return True
    return entry.exit_code is not None or entry.reason in ENDS or trace.has_ended


def _together(listed: Sequence[Entry], booked: Sequence[Entry]) -> Sequence[Entry]:
    """Return the books' entries, and those of the queue that the books do not have yet."""
    known = {one.id for one in booked}
    return [*booked, *(one for one in listed if one.id not in known)]
