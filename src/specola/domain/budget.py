"""A time limit as one object: made once, handed down, and named in the error when it runs out."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from specola.domain.errors import BudgetExhaustedError

__all__ = ["Budget"]


class Budget:
    """How long one operation may take, all its steps together.

    Parameters
    ----------
    seconds
        The whole time allowed.
    operation
        What is being done, as it reads in an error: "Starting the container".
    monotonic
        The source of time, in seconds.
    """

    def __init__(self, seconds: float, operation: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self.operation = operation
        self._monotonic = monotonic
        self._end = monotonic() + seconds

    def left(self) -> float:
        """Return the seconds that are left, never less than 0."""
        return max(0.0, self._end - self._monotonic())

    @asynccontextmanager
    async def spend(self) -> AsyncIterator[None]:
        """Run the body within what is left.

        Raises
        ------
        BudgetExhaustedError
            The time ran out before the body ended.
        """
        limit = asyncio.timeout(self.left())
        try:
            async with limit:
                yield
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise BudgetExhaustedError(self.operation, self.seconds) from error
