"""What the borders of all adapters have in common, behind which what others do wrong becomes errors of ours."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from specola.domain.errors import ComputingUnreachableError

__all__ = ["in_one_line", "in_time"]


@contextlib.asynccontextmanager
async def in_time(computing: str, *, seconds: float | None) -> AsyncIterator[None]:
    """Take a computing that does not answer in time for one that does not answer.

    Parameters
    ----------
    computing
        The computing's name, as errors call it.
    seconds
        How long the body may take; None: somebody above watches the time.

    Raises
    ------
    ComputingUnreachableError
        It took longer, or a connection in it timed out.
    """
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            yield
    except TimeoutError as error:
        if seconds is not None and limit.expired():
            raise ComputingUnreachableError(computing, f"no answer within {seconds:g} s") from error
        raise ComputingUnreachableError(computing, "the connection timed out") from error


def in_one_line(message: str, *, most: int = 500) -> str:
    """Return somebody else's message in one line of at most `most` characters, without its own full stop."""
    return " ".join(message.split()).rstrip(".")[:most]
