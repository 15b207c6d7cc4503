"""What the scheduler last said of all jobs of one account: one question for all, not more often than its interval."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeAlias

from specola.clock import Clock
from specola.computing.batch.scheduling import Entry
from specola.domain.errors import ComputingUnreachableError

__all__ = ["Board"]

Answers: TypeAlias = Mapping[str, Sequence[Entry]]
SHORTEST = 0.4
"""Seconds between two questions even where something is in doubt."""


class Board:
    """Answers are shared by all who ask within the interval.

    A question that failed is shared in the same way: a controller that does not answer is not asked more often than one
    that does.

    Parameters
    ----------
    ask
        Asks the scheduler.
    interval
        Seconds for which an answer is good.
    """

    def __init__(self, ask: Callable[[], Awaitable[Answers]], *, interval: float, clock: Clock) -> None:
        self._ask = ask
        self._interval = interval
        self._clock = clock
        self._alone = asyncio.Lock()
        self._answers: Answers = {}
        self._failure: ComputingUnreachableError | None = None
        self._begun: float | None = None
        self._doubted: float | None = None

    def doubt(self) -> None:
        """Let nothing count that was asked before now: one of ours was just started, or ended, or said so."""
        self._doubted = self._clock.monotonic()

    async def look(self) -> Answers:
        """Return the jobs of the account by their names.

        Raises
        ------
        ComputingUnreachableError
            The scheduler could not be asked.
        """
        async with self._alone:
            if not self._is_good():
                await self._refresh()
            if self._failure is not None:
                raise self._failure.with_traceback(None)
            return self._answers

    async def look_now(self) -> Answers:
        """Return the jobs as they are from now on: for verbs that act upon what they see.

        Raises
        ------
        ComputingUnreachableError
            The scheduler could not be asked.
        """
        called = self._clock.monotonic()
        async with self._alone:
            if self._begun is None or self._begun <= called:
                pause = min(SHORTEST, self._interval)
                if self._begun is not None and called - self._begun < pause:
                    await self._clock.sleep(pause - (called - self._begun))
                await self._refresh()
            if self._failure is not None:
                raise self._failure.with_traceback(None)
            return self._answers

    def _is_good(self) -> bool:
        if self._begun is None:
            return False
        age = self._clock.monotonic() - self._begun
        if self._doubted is not None and self._doubted >= self._begun:
            return age < min(SHORTEST, self._interval)
        return age < self._interval

    async def _refresh(self) -> None:
        begun = self._clock.monotonic()
        try:
            self._answers, self._failure = await self._ask(), None
        except ComputingUnreachableError as error:
            self._failure = error
        self._begun = begun
