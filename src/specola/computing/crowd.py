"""Questions to many accounts at once, of which one that is slow, or says nonsense, holds up no other."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import TypeAlias, TypeVar

import structlog

from specola.clock import Clock
from specola.domain.errors import ComputingUnreachableError, SpecolaError

__all__ = ["Answers", "Crowd", "heard"]

AnswerT = TypeVar("AnswerT")
Answers: TypeAlias = Mapping[str, AnswerT | ComputingUnreachableError]
"""What each account answered, or why it did not."""

WIDTH = 16
PATIENCE = 12.0
"""Seconds that one of several accounts has. It is less than the worker waits for all: what an account starts at each login is
up to whoever has it."""
SLOW, QUIET = 5.0, 60.0
"""Seconds after which a failure is told late, and for which such an account is not asked again while others answer."""


class Crowd:
    """The accounts of one computing as those who are asked.

    Parameters
    ----------
    computing
        The computing's name, as errors call it.
    patience
        Seconds that one of several accounts has.
    """

    def __init__(self, computing: str, *, clock: Clock, patience: float = PATIENCE) -> None:
        self._computing = computing
        self._clock = clock
        self._patience = patience
        self._quiet: dict[str, float] = {}
        self._width = asyncio.Semaphore(WIDTH)
        self._logger = structlog.stdlib.get_logger("specola.computing").bind(computing=computing)

    async def ask(
        self,
        accounts: Collection[str],
        question: Callable[[str], Awaitable[AnswerT]],
        *,
        patience: float | None = None,
    ) -> Answers[AnswerT]:
        """Ask each account, and return all answers.

        Parameters
        ----------
        patience
            Seconds that one of several accounts has for this question; None: the usual ones.

        Raises
        ------
        ComputingUnreachableError
            None of them answered, so nothing was learned.
        """
        limit = (patience or self._patience) if len(accounts) > 1 else None
        names = list(dict.fromkeys(accounts))
        answers = await asyncio.gather(*(self._ask(name, question, limit) for name in names))
        failures = [one for one in answers if isinstance(one, ComputingUnreachableError)]
        if failures and len(failures) == len(answers):
            # It is the way to all of them that is broken.
            self._quiet.clear()
            raise failures[0]
        return dict(zip(names, answers, strict=True))

    async def _ask(
        self, account: str, question: Callable[[str], Awaitable[AnswerT]], limit: float | None
    ) -> AnswerT | ComputingUnreachableError:
        async with self._width:
            began = self._clock.monotonic()
            if limit is not None and began < self._quiet.get(account, 0.0):
                return self._failure(f"“{account}” was slow to answer, and is asked again a little later")
            try:
                async with asyncio.timeout(limit):
                    return await question(account)
            except ComputingUnreachableError as error:
                failure = error
            except SpecolaError as error:
                failure = self._failure(error.sentence.rstrip("."))
            except TimeoutError:
                failure = self._failure(f"“{account}” does not answer in time")
            except Exception:
                # Whoever has an account decides what answers there.
                self._logger.exception("account_not_understood", account=account)
                failure = self._failure(f"what “{account}” answers cannot be understood")
            if self._clock.monotonic() - began > SLOW:
                self._quiet[account] = self._clock.monotonic() + QUIET
            return failure

    def _failure(self, why: str) -> ComputingUnreachableError:
        return ComputingUnreachableError(self._computing, why)


def heard(answers: Answers[AnswerT]) -> Mapping[str, AnswerT]:
    """Return what those answered who did."""
    return {name: one for name, one in answers.items() if not isinstance(one, ComputingUnreachableError)}
