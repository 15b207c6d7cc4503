"""Computings: places that run containers, what they can do, and what they say of a task."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from specola.domain.offer import Offer
from specola.domain.person import PersonId
from specola.domain.placement import Forecast, GpuKind, Partition, Placement
from specola.domain.software import Interface, PreStop, Resources, RunsAs
from specola.domain.task import TaskId

__all__ = [
    "Audience",
    "Capability",
    "Channel",
    "Computing",
    "ComputingState",
    "Finding",
    "Handle",
    "HomeMount",
    "ImageDetails",
    "Intake",
    "Launch",
    "LogLine",
    "Observation",
    "Phase",
    "Probe",
    "Progress",
    "Terminal",
    "Usage",
    "WindowSize",
    "shell_command",
]

Handle = str


class Capability(StrEnum):
    """What a computing can do beyond the verbs that all have."""

    LOGS = "logs"
    EXECUTE = "execute"
    TERMINAL = "terminal"
    FILES = "files"
    USAGE = "usage"
    WATCH = "watch"
    IMAGES = "images"
    PORTS = "ports"
    HOMES = "homes"
    SCRATCH = "scratch"
    ISOLATION = "isolation"
    DIRECT_TCP = "direct_tcp"
    TELL = "tell"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing a probe noticed: what is missing or doubtful, and how to mend it."""

    code: str
    sentence: str
    hint: str = ""
    serious: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What is here: software and version, architectures (registry's words), size, abilities, what is missing.

    `scheduler` and `runtimes` name what starts tasks where that is not the product itself; `projects` is what use can be
    booked on; `images` counts the images that are here already; `skew` is by how many seconds its clock is ahead of ours.
    """

    product: str
    version: str
    architectures: tuple[str, ...]
    cpus: float
    memory: int
    capabilities: frozenset[Capability]
    findings: tuple[Finding, ...] = ()
    scheduler: str = ""
    runtimes: tuple[str, ...] = ()
    partitions: tuple[Partition, ...] = ()
    projects: tuple[str, ...] = ()
    gpus: tuple[GpuKind, ...] = ()
    images: int | None = None
    skew: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputingState:
    """How a computing was when it was last asked; `unreachable_since` and `error` are set while it cannot be."""

    asked: datetime | None = None
    probe: Probe | None = None
    unreachable_since: datetime | None = None
    error: str = ""


class Audience(StrEnum):
    """Who may use a computing."""

    EVERYBODY = "everybody"
    GROUPS = "groups"
    OWNER = "owner"


class Intake(StrEnum):
    """Whether a computing takes new tasks; those that are there go on in any case."""

    OPEN = "open"
    PAUSED = "paused"
    """An administrator, or its owner, wants no new tasks there."""
    STOPPED = "stopped"
    """Its host showed another key than the one registered, so it may be another machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Computing:
    """The record of a place that runs containers.

    Parameters
    ----------
    settings
        How it is reached, for the adapter of its `kind` alone to read; without what is secret.
    secrets
        The names of the secret settings that are kept, such as `token`.
    revision
        Another one after each change of how it is reached, a secret included.
    owner
        Whose it is, to be seen and used by them alone; None: the platform's.
    groups
        The ids of the groups that may use it, where `audience` says so.
    order
        Its place among those one may use, the lowest first; the first one is the default.
    """

    id: str
    name: str
    title: str
    kind: str
    description: str = ""
    owner: PersonId | None = None
    audience: Audience = Audience.EVERYBODY
    groups: tuple[str, ...] = ()
    intake: Intake = Intake.OPEN
    order: int = 0
    offer: Offer = field(default_factory=Offer)
    settings: Mapping[str, Any] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    revision: str = ""
    state: ComputingState = field(default_factory=ComputingState)
    created: datetime | None = None

    def is_for(self, person: PersonId, groups: Collection[str] = ()) -> bool:
        """Tell whether a person, who is in these groups, may use it."""
        if self.owner is not None:
            return self.owner == person
        return self.audience is Audience.EVERYBODY or not set(self.groups).isdisjoint(groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeMount:
    """A person's home in a task: `key` names it on the computing, `number` owns its files, `path` is inside."""

    key: str
    number: int
    path: str
    read_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """Everything a computing needs to start one task.

    `image_id` is set when the record already says exactly which image this is; else `reference` (with `digest` if
    known) is pulled. `credential` reaches the container as a file whose path stands in SPECOLA_CREDENTIAL_FILE.
    Placeholders in command and environment are already filled in. `account` is the account on the computing with whose
    rights it runs, where tasks run with people's own; `scratch` is where a folder is mounted that is gone with the task.
    `pre_stop` runs inside before the task is asked to end, whoever ends it.
    """

    task: TaskId
    title: str
    owner: str
    reference: str
    digest: str | None
    image_id: str | None
    command: tuple[str, ...]
    environment: Mapping[str, str]
    resources: Resources
    user: RunsAs
    home: HomeMount | None
    number: int
    capabilities: tuple[str, ...]
    interfaces: tuple[Interface, ...]
    credential: str = field(repr=False)
    account: str | None = None
    placement: Placement = field(default_factory=Placement)
    scratch: str | None = None
    pre_stop: PreStop | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A step inside starting, told as it happens; `done` and `total` in bytes where the step has a size."""

    code: str
    sentence: str
    done: int | None = None
    total: int | None = None


class Phase(StrEnum):
    """What a computing says of a task, in order."""

    FORGOTTEN = "forgotten"
    CREATED = "created"
    RUNNING = "running"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What a computing says of one task at one look.

    `addresses` maps a container port to (host, port) for each port that the gateway can dial itself; a port that is
    not in it is reached by `dial`. `exit_code` and `reason` (a stable code such as "out_of_memory") tell how it ended;
    while it waits, `reason` and `sentence` tell what for. `raw` is the computing's own word for its state, `deadline` when
    it will be ended, `forecast` when it is expected to start, `node` the machine it runs on. Codes of `reason` stand in
    `specola.domain.reasons`; an empty `sentence` means the one that stands there.
    """

    phase: Phase
    exit_code: int | None = None
    reason: str = ""
    sentence: str = ""
    started: datetime | None = None
    ended: datetime | None = None
    image_id: str | None = None
    architecture: str | None = None
    addresses: Mapping[int, tuple[str, int]] = field(default_factory=dict)
    raw: str = ""
    deadline: datetime | None = None
    forecast: Forecast | None = None
    node: str = ""

    @classmethod
    def forgotten(cls) -> "Observation":
        """Return what is said of a handle that the computing does not know."""
        return cls(phase=Phase.FORGOTTEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line a task wrote; `stream` is "stdout" or "stderr"."""

    at: datetime | None
    stream: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a task uses at one moment: CPU in cores, memory in bytes, bytes in and out since its start."""

    at: datetime
    cpus: float
    memory: int
    received: int = 0
    sent: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageDetails:
    """What is known of an image before anything starts.

    `size` in bytes (0: unknown); `cached`: it is on the computing already; `source`: "engine" or "registry".
    """

    reference: str
    digest: str | None
    id: str | None
    architecture: str
    operating_system: str
    ports: tuple[int, ...]
    user: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    size: int
    cached: bool
    source: str
    labels: Mapping[str, str] = field(default_factory=dict)
    architectures: tuple[str, ...] = ()


class Channel(StrEnum):
    """Which of its two outputs a command wrote to; with a terminal there is one."""

    OUTPUT = "stdout"
    ERRORS = "stderr"


@dataclass(frozen=True, slots=True)
class WindowSize:
    """How large a terminal is, in characters."""

    columns: int = 80
    rows: int = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """The terminal that a command runs on; `kind` is the name of its description (TERM)."""

    kind: str = "xterm-256color"
    size: WindowSize = field(default_factory=WindowSize)


def shell_command(text: str) -> Sequence[str]:
    """Return the command that has a line of text read by the task's shell, as SSH's request `exec` means it.

    The text is one argument from here to the shell: nothing on the way reads it. A task whose image has no shell has
    the helper's.
    """
    return ("sh", "-c", text)
