"""Errors inside the adapter, and the one place where what hosts do wrong becomes ours."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from specola.domain.errors import ComputingUnreachableError, ConnectorUnreachableError

__all__ = ["AmbiguousError", "asking", "brief"]


class AmbiguousError(Exception):
    """A job was handed in and nobody knows whether it was taken; it never leaves the adapter."""


@contextlib.asynccontextmanager
async def asking(computing: str, *, seconds: float | None = None) -> AsyncIterator[None]:
    """Turn whatever a host, or the way to it, does wrong into our errors.

    Parameters
    ----------
    computing
        The computing's name, as errors call it.
    seconds
        How long to wait for all answers; None: somebody above watches the time.

    Raises
    ------
    ComputingUnreachableError
        It does not answer, or not in time, or the way to it is not known at the moment.
    """
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            yield
    except TimeoutError as error:
        if seconds is not None and limit.expired():
            raise ComputingUnreachableError(computing, f"no answer within {seconds:g} s") from error
        raise ComputingUnreachableError(computing, "the connection timed out") from error
    except AmbiguousError as error:
        raise ComputingUnreachableError(computing, str(error)) from error
    except ConnectorUnreachableError as error:
        raise ComputingUnreachableError(computing, "the connector is not running") from error
    except (OSError, EOFError) as error:
        raise ComputingUnreachableError(computing, brief(str(error) or type(error).__name__)) from error


def brief(message: str) -> str:
    """Return a tool's message in one line, without its own full stop."""
    return " ".join(message.split()).rstrip(".")[:300]
