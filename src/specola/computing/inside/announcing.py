"""How a command inside a task says which process it is: the first line of its output, written by the runner."""

import re

from specola.computing.inside.guards import Process
from specola.domain.errors import LaunchError

__all__ = ["announced", "no_way"]

ANNOUNCEMENT = re.compile(rb"specola (\d+) (\d+)\r?")


def announced(line: bytes) -> Process:
    """Read that line. Raises LaunchError if it is something else."""
    told = ANNOUNCEMENT.fullmatch(line)
    if told is None:
        raise no_way(line.decode(errors="replace"))
    return Process(int(told[1]), int(told[2]))


def no_way(told: str) -> LaunchError:
    """Return the error for a task in which no command can be run, with what was complained of."""
    text = " ".join(told.split())[:300]
    return LaunchError(
        f"This task gives no way to run commands in it{f' ({text})' if text else ''}.",
        hint="Stop it and run it again; if that does not help, look at what its computing lacks.",
        code="no_commands",
    )
