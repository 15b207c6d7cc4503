"""Deadlines: when a running task is ended, and when those who work in it are warned of that."""

from collections.abc import Iterable
from datetime import datetime, timedelta

__all__ = ["due", "left", "warnings_of"]

SHORT = 5


def warnings_of(length: timedelta, wanted: Iterable[timedelta]) -> tuple[timedelta, ...]:
    """Return how long before its deadline a task is warned, the longest first.

    Parameters
    ----------
    length
        How long it may run in all.
    wanted
        How long before the end one would like to be warned. Those that fall into the first half of the task are left
        out; if that leaves none, there is one when a fifth of its time is left.
    """
    fitting = tuple(sorted({one for one in wanted if timedelta() < one <= length / 2}, reverse=True))
    return fitting or (length / SHORT,)


def due(
    deadline: datetime, *, begun: datetime, now: datetime, wanted: Iterable[timedelta], warned: timedelta | None
) -> timedelta | None:
    """Return the warning that has to be given now, by how long before the deadline it is meant; None: none.

    Of several that were missed, as while the platform was down, only the last counts.
    """
    if now >= deadline:
        return None
    passed = [one for one in warnings_of(deadline - begun, wanted) if now >= deadline - one]
    if not passed or (warned is not None and warned <= passed[-1]):
        return None
    return passed[-1]


def left(deadline: datetime, now: datetime) -> str:
    """Say how long there is until a deadline, in words that stay true for as long as one needs to read them."""
    seconds = max((deadline - now).total_seconds(), 0)
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{round(seconds)} seconds" if round(seconds) != 1 else "1 second"
    if minutes < 120:
        return f"{minutes} minutes"
    return f"{minutes // 60} hours" + (f" {minutes % 60} minutes" if minutes % 60 and minutes < 600 else "")
