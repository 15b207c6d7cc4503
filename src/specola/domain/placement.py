"""Placement: how a task is queued on a computing that has a queue, and what such a computing says of its queues."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

__all__ = ["Forecast", "GpuKind", "Partition", "Placement"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """How a task is queued; None and empty stand for the computing's own defaults.

    In a wish to run an earlier task again, None stands for what that one had, and an empty text for the defaults.

    Parameters
    ----------
    time
        The longest it may run.
    partition
        The part of the cluster it runs in.
    project
        What its use is booked on; Slurm calls this an account.
    options
        More for the scheduler, by the names the computing's record allows (`qos`, `constraint`, `reservation`, …).
    """

    time: timedelta | None = None
    partition: str | None = None
    project: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuKind:
    """GPUs of one model that a computing has; `model` is empty where it tells none."""

    model: str = ""
    count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """A part of a cluster with limits of its own.

    `cpus` and `memory` (bytes) are those of its largest node, `idle` the CPUs that are free now; `longest` and `usual` are
    how long a task may run at most, and if it asks for no time. None: not limited, or not told.
    """

    name: str
    is_default: bool = False
    is_open: bool = True
    nodes: int = 0
    cpus: int = 0
    memory: int = 0
    idle: int | None = None
    gpus: tuple[GpuKind, ...] = ()
    longest: timedelta | None = None
    usual: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """When a task that waits is expected to start, and who says so ("scheduler", "history").

    `latest` is by when nine of ten tasks like it had started, where the record of earlier ones tells it.
    """

    starts: datetime
    source: str
    latest: datetime | None = None
