"""How long the worker waits for what; one value, so that tests can hurry and reasons can name the limit."""

from dataclasses import dataclass
from datetime import timedelta

__all__ = ["Timing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Time limits and intervals of convergence, in seconds unless they are a `timedelta`.

    Parameters
    ----------
    lease
        How long a computing stays a worker's after it last said so.
    renew
        How often it says so.
    poll
        How often everything live is looked at even if nothing was told.
    sweep
        How often a computing is searched for what no record speaks of.
    probe
        How often a computing is asked what it is.
    pull
        The budget of pulling an image.
    start
        The budget of every other part of a launch together.
    ready
        How long an interface may take to answer after the container started.
    grace
        How long a container may take to end by itself when it is stopped.
    look
        The budget of one short question to a computing.
    warnings
        How long before a task's deadline one is warned of it.
    first_try, last_try
        The pause between two tries of an interface grows from the one to the other.
    relay
        How long an interface is tried at its own address alone, before the connector's way to it is tried as well.
    report
        The shortest pause between two events of one step's progress.
    back_off, most_back_off
        The pause before a computing that does not answer is asked again grows from the one to the other.
    """

    lease: timedelta = timedelta(seconds=15)
    renew: float = 4.0
    poll: float = 2.0
    sweep: float = 60.0
    probe: float = 300.0
    pull: float = 3600.0
    start: float = 120.0
    ready: timedelta = timedelta(seconds=180)
    grace: timedelta = timedelta(seconds=10)
    look: float = 20.0
    warnings: tuple[timedelta, ...] = (timedelta(minutes=60), timedelta(minutes=15), timedelta(minutes=5))
    first_try: float = 0.02
    last_try: float = 1.0
    relay: float = 1.0
    report: float = 0.25
    back_off: float = 0.25
    most_back_off: float = 5.0
