"""Tasks: one run of one release on one computing, and where it is in its life."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from specola.domain.errors import StateError
from specola.domain.placement import Forecast, Placement
from specola.domain.software import HomeAccess, Release, Resources

__all__ = [
    "FINAL",
    "RANK",
    "Desired",
    "Endpoint",
    "Event",
    "ImageRecord",
    "InterfaceState",
    "Reason",
    "Task",
    "TaskId",
    "TaskState",
    "Wish",
]

TaskId = str


STARTED = frozenset({"starting", "running"})
"""Reasons of live tasks that wait for nobody."""


class TaskState(StrEnum):
    """Where a task is in its life. A task only ever moves to a higher rank."""

    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    FINISHED = "finished"
    FAILED = "failed"
    STOPPED = "stopped"


FINAL = frozenset({TaskState.FINISHED, TaskState.FAILED, TaskState.STOPPED})
RANK: Mapping[TaskState, int] = {
    TaskState.QUEUED: 0,
    TaskState.STARTING: 1,
    TaskState.RUNNING: 2,
    TaskState.STOPPING: 3,
} | dict.fromkeys(FINAL, 4)


class Desired(StrEnum):
    """What is wanted of a task; it only ever moves to a later value."""

    RUNNING = "running"
    STOPPED = "stopped"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a task is in its state: a stable code, one sentence for people, and what to do next."""

    code: str
    sentence: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where the bytes of one interface can be had, as seen from the gateway: a TCP address or a Unix socket."""

    host: str | None = None
    port: int | None = None
    path: str | None = None

    def __post_init__(self) -> None:
        if (self.path is None) == (self.host is None or self.port is None):
            raise ValueError("an endpoint is either a host with a port or the path of a Unix socket")


@dataclass(frozen=True, slots=True, kw_only=True)
class InterfaceState:
    """Whether one interface of a task is ready, and where it is reached."""

    name: str
    ready: bool = False
    endpoint: Endpoint | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRecord:
    """Exactly which image a task runs.

    `digest` is the registry's manifest digest if there is one; `id` is the engine's image id (a configuration
    digest); `architecture` is in the registry's words (amd64, arm64).
    """

    reference: str
    digest: str | None = None
    id: str | None = None
    architecture: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody asks for when starting a task; None means the release's or the installation's default.

    Exactly one of `software` (name or id), `image` (any reference) and `again_of` (an earlier task) is given.
    """

    software: str | None = None
    release: str | None = None
    image: str | None = None
    again_of: TaskId | None = None
    name: str | None = None
    computing: str | None = None
    cpus: float | None = None
    memory: int | None = None
    shm: int | None = None
    gpus: int | None = None
    gpu_model: str | None = None
    placement: Placement = field(default_factory=Placement)
    home: HomeAccess | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An entry in a task's append-only history."""

    sequence: int
    task: TaskId
    at: datetime
    code: str
    sentence: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One run of one release on one computing.

    `release` is a copy, so that the record keeps what ran when the catalogue changes. `seen` is when the computing
    last told of it; `unseen_since` is set while the computing cannot be asked.

    What its computing tells while it waits and runs: `raw`, the computing's own word for its state; `node`, the machine;
    `forecast`, when it is expected to start; `begun`, when its container started; `deadline`, when it will be ended;
    `warned`, how long before that it was last warned of it.
    """

    id: TaskId
    name: str
    owner: str
    software: str | None
    title: str
    release: Release
    computing: str
    resources: Resources
    placement: Placement = field(default_factory=Placement)
    environment: Mapping[str, str]
    parameters: Mapping[str, str]
    image: ImageRecord
    desired: Desired
    state: TaskState
    reason: Reason
    since: datetime
    created: datetime
    started: datetime | None = None
    ended: datetime | None = None
    handle: str | None = None
    exit_code: int | None = None
    interfaces: tuple[InterfaceState, ...] = ()
    seen: datetime | None = None
    unseen_since: datetime | None = None
    again_of: TaskId | None = None
    account: str | None = None
    raw: str = ""
    node: str = ""
    forecast: Forecast | None = None
    begun: datetime | None = None
    deadline: datetime | None = None
    warned: timedelta | None = None

    def may_be(self, handle: str) -> bool:
        """Tell whether what was found under its id can be it.

        Where tasks run with people's accounts, anybody who has one there can give something this task's name.
        """
        account, slash, _ = handle.rpartition("/")
        return self.account is None or not slash or account == self.account

    @property
    def waits(self) -> bool:
        """Whether its computing has it and has not started it, or not again: it stands in a queue."""
        live = self.state in {TaskState.STARTING, TaskState.RUNNING}
        # As long as its computing has said nothing, it is just being started.
        return live and self.handle is not None and self.begun is None and self.reason.code not in STARTED

    @property
    def is_live(self) -> bool:
        """Whether the task has not ended yet."""
        return self.state not in FINAL

    @property
    def is_deleted(self) -> bool:
        """Whether somebody wants it gone; it is shown to nobody, and the record goes once nothing of it is left."""
        return self.desired is Desired.DELETED

    def moved_to(self, state: TaskState, *, at: datetime, reason: Reason) -> "Task":
        """Return this task in a later state; states may be skipped, since a poll can miss them.

        Raises
        ------
        StateError
            The task would have to go back.
        """
        if state is self.state:
            return self
        if RANK[state] <= RANK[self.state]:
            raise StateError(self.id, self.state, state)
        started = self.started or (at if state is TaskState.RUNNING else None)
        ended = at if state in FINAL else None
        return replace(self, state=state, since=at, reason=reason, started=started, ended=ended)

    def interface(self, name: str) -> InterfaceState | None:
        """Return the state of the interface called `name`, if the task has one."""
        return next((one for one in self.interfaces if one.name == name), None)
