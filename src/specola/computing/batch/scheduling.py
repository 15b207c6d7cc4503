"""What this adapter needs of whatever starts jobs: a scheduler, or nothing but processes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from specola.domain.placement import Forecast, Partition, Placement
from specola.domain.software import Resources
from specola.ports.hosts import Host

__all__ = ["Entry", "Job", "JobState", "Limits", "Scheduler"]


class JobState(StrEnum):
    """Where a job is, in order."""

    WAITING = "waiting"
    RUNNING = "running"
    ENDING = "ending"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is handed to a scheduler.

    Parameters
    ----------
    name
        What it is found by again; there is never a second one of this name that runs.
    command
        What it runs: made by this adapter alone, and without secrets.
    folder
        Where it runs, on the shared file system.
    output
        The file that takes what it writes itself.
    mark
        A link that the first job of this name makes as it starts, so that a second one ends at once; empty: it does no
        harm if two run.
    comment
        What is seen beside it in the queue, by everybody.
    path
        Folders in which it finds programs, beside the usual ones.
    after
        The job that has to have ended well before.
    clean_stop
        How long before its time limit it is told to stop.
    """

    name: str
    command: tuple[str, ...]
    folder: str
    output: str
    comment: str
    resources: Resources
    mark: str = ""
    path: tuple[str, ...] = ()
    placement: Placement = field(default_factory=Placement)
    after: str | None = None
    clean_stop: timedelta = timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a scheduler says of one job; the words are those of `Observation`."""

    id: str
    name: str
    state: JobState
    raw: str = ""
    reason: str = ""
    sentence: str = ""
    exit_code: int | None = None
    submitted: datetime | None = None
    started: datetime | None = None
    ended: datetime | None = None
    deadline: datetime | None = None
    forecast: Forecast | None = None
    node: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a scheduler offers an account: its version, its partitions, what use can be booked on.

    `kill_wait` is the time it leaves between asking a job to end and killing it.
    """

    product: str
    version: str
    kill_wait: timedelta = timedelta(seconds=30)
    partitions: tuple[Partition, ...] = ()
    projects: tuple[str, ...] = ()


class Scheduler(Protocol):
    """Starts jobs, tells of them, ends them. Every verb raises `ComputingUnreachableError` when nothing was learned."""

    async def submit(self, host: Host, job: Job) -> str:
        """Hand a job in; return its id.

        Raises
        ------
        AmbiguousError
            Whether it was taken is not known: it has to be looked for by its name.
        LaunchError
            It was refused, for good.
        """

    async def ask(self, host: Host, account: str) -> Mapping[str, Sequence[Entry]]:
        """Tell of all jobs of an account that it still has, in one question, by their names."""

    async def recall(self, host: Host, account: str, names: Collection[str]) -> Mapping[str, Sequence[Entry]]:
        """Tell of jobs that it had, from its books, in one question; those it never had are left out."""

    async def cancel(self, host: Host, job: str, *, gently: bool) -> None:
        """Ask a job's first process to end, or end all of it; silent about what has ended."""

    async def limits(self, host: Host, account: str) -> Limits:
        """Tell what can be asked for."""
