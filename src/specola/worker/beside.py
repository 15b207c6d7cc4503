"""What the connector beside a worker does for it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from specola.domain.task import TaskId

__all__ = ["Beside", "Tell"]

Tell = Callable[[TaskId, str], Awaitable[None]]
"""Shows those who work in a task a line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """The connector's streams, and lines that it shows.

    Parameters
    ----------
    streams
        The folder of its sockets.
    tell
        Shows a line: the connector has all ways into tasks, also those by which agents come to it.
    """

    streams: Path
    tell: Tell
