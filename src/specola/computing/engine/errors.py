"""The one place where an engine's errors become ours."""

import contextlib
from collections.abc import AsyncIterator

import aiohttp
from aiodocker.exceptions import DockerError

from specola.computing.border import in_one_line, in_time
from specola.domain.errors import ComputingUnreachableError, LaunchError, NoSpaceError

__all__ = [
    "NO_CONNECTION",
    "ContainerGoneError",
    "NameInUseError",
    "asking",
    "is_conflict",
    "is_missing",
    "translated",
]

# aiodocker reports that it could not connect as a status of its own.
NO_CONNECTION = 900
FULL = ("no space left on device", "disk quota exceeded")
GONE = ("no such container", "no container with name or ID")
STOPPED = ("is not running", "container state improper")
BUSY = ("is already in use", "already exists", "name is in use", "is already being used")


class ContainerGoneError(Exception):
    """What was asked about is not there (any more); callers decide what that means."""


class NameInUseError(Exception):
    """The name was taken a moment ago, by another start of the same task."""


@contextlib.asynccontextmanager
async def asking(computing: str, *, seconds: float | None = None) -> AsyncIterator[None]:
    """Turn whatever an engine, or the way to it, does wrong into our errors.

    Parameters
    ----------
    computing
        The computing's name, as errors call it.
    seconds
        How long to wait for answers; None: somebody above watches the time.

    Raises
    ------
    ComputingUnreachableError
        It does not answer, the connection broke, or it is in trouble itself (a 5xx that names nothing of ours).
    NoSpaceError
        Its disk is full.
    ContainerGoneError, NameInUseError
        See there; they never leave the adapter.
    LaunchError
        It refused what was asked.
    """
    try:
        async with in_time(computing, seconds=seconds):
            yield
    except DockerError as error:
        raise translated(computing, error) from error
    except (aiohttp.ClientError, OSError, EOFError) as error:
        raise ComputingUnreachableError(computing, in_one_line(str(error) or type(error).__name__)) from error


def is_missing(error: DockerError) -> bool:
    """Tell whether an answer means that a container, network or image is not there.

    Podman answers 500 about a container that is removed between its finding it and its reading it.
    """
    return error.status == 404 or (error.status == 500 and any(word in error.message for word in GONE))


def is_conflict(error: DockerError) -> bool:
    """Tell whether a name is taken; Docker answers 409, Podman 500."""
    return error.status in {409, 500} and any(word in error.message for word in BUSY)


def translated(computing: str, error: DockerError) -> Exception:
    """Return our error for one of an engine's."""
    message = error.message.lower()
    if any(word in message for word in FULL):
        return NoSpaceError(computing)
    if error.status == NO_CONNECTION:
        return ComputingUnreachableError(computing, in_one_line(error.message))
    if is_missing(error) or any(word in message for word in STOPPED):
        return ContainerGoneError(error.message)
    if is_conflict(error):
        return NameInUseError(error.message)
    return LaunchError(f"The engine refused: {in_one_line(error.message)}.", code="engine_refused")
