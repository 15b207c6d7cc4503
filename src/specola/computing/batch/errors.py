"""Errors inside the adapter, and the one place where what hosts do wrong becomes ours."""

import contextlib
from collections.abc import AsyncIterator

from specola.computing.border import in_one_line, in_time
from specola.domain.errors import ComputingUnreachableError, ConnectorUnreachableError

__all__ = ["AmbiguousError", "asking"]


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
    try:
        async with in_time(computing, seconds=seconds):
            yield
    except AmbiguousError as error:
        raise ComputingUnreachableError(computing, str(error)) from error
    except ConnectorUnreachableError as error:
        raise ComputingUnreachableError(computing, "the connector is not running") from error
    except (OSError, EOFError) as error:
        raise ComputingUnreachableError(computing, in_one_line(str(error) or type(error).__name__)) from error
