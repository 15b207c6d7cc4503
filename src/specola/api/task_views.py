"""Tasks as JSON: what is asked for, and what is shown."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from specola.api.placement_views import Duration, ForecastView, PlacementView
from specola.domain.computing import LogLine, Usage
from specola.domain.errors import InvalidError
from specola.domain.placement import Placement
from specola.domain.sizes import parse_size
from specola.domain.software import TERMINAL, HomeAccess
from specola.domain.task import Desired, Event, Task, TaskState, Wish
from specola.services.addresses import Addresses

__all__ = [
    "AgainView",
    "CredentialView",
    "EventView",
    "LogLineView",
    "NewTask",
    "Renaming",
    "TaskList",
    "TaskView",
    "UsageView",
]


def _size(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return parse_size(value)
    except InvalidError as error:
        raise ValueError(error.sentence) from error


Size = Annotated[
    int,
    Field(gt=0, le=1024**5, examples=["4GiB"], json_schema_extra={"anyOf": [{"type": "integer"}, {"type": "string"}]}),
    BeforeValidator(_size),
]
Values = Annotated[dict[str, str], Field(max_length=200)]


class AgainView(BaseModel):
    """How a task is run again."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = Field(default=None, description="another name; null: one is made")


class NewTask(BaseModel):
    """A task to start: what (`software`, `image` or `again_of`), where, and how big. What is left out is the default."""

    model_config = ConfigDict(extra="forbid")

    software: str | None = Field(default=None, description="name or id of a catalogue entry")
    release: str | None = Field(default=None, description="version of the software; null: the current one")
    image: str | None = Field(default=None, description="any image reference, instead of a catalogue entry")
    again_of: str | None = Field(default=None, description="an earlier task, to run exactly the same again")
    name: str | None = Field(default=None, description="a name of your own; null: one is made")
    computing: str | None = Field(default=None, description="where; null: the default computing")
    cpus: float | None = Field(default=None, gt=0, le=4096, description="cores, fractions allowed")
    memory: Size | None = Field(default=None, description="bytes, or a size such as 4GiB")
    shm: Size | None = Field(default=None, description="shared memory: bytes, or a size such as 64MiB")
    home: HomeAccess | None = Field(
        default=None, description="what it may do with your home; null: as the release says"
    )
    gpus: int | None = Field(default=None, ge=0, le=4096)
    gpu_model: str | None = Field(default=None, max_length=64, description="as the computing calls it; null: any")
    time: Duration | None = Field(default=None, description="the longest it may run: 90m, 2h30m, PT45M, or seconds")
    partition: str | None = Field(default=None, max_length=64, description="of a cluster; null: its usual one")
    project: str | None = Field(default=None, max_length=64, description="what its use is booked on")
    queue_options: Values = Field(default_factory=dict, description="more for the scheduler, as the computing allows")
    environment: Values = Field(default_factory=dict, description="more environment variables")
    parameters: Values = Field(default_factory=dict, description="values of the release's parameters")

    @model_validator(mode="after")
    def _one_source(self) -> "NewTask":
        if sum(source is not None for source in (self.software, self.image, self.again_of)) != 1:
            raise ValueError("give exactly one of software, image and again_of")
        return self

    def wish(self) -> Wish:
        """Return it as the services take it."""
        plain = self.model_dump(exclude={"time", "partition", "project", "queue_options"})
        placement = Placement(
            time=self.time, partition=self.partition, project=self.project, options=self.queue_options
        )
        return Wish(**plain, placement=placement)


class Renaming(BaseModel):
    """What of a task can be changed."""

    model_config = ConfigDict(extra="forbid")

    name: str


class ReasonView(BaseModel):
    """Why a task is in its state."""

    model_config = ConfigDict(from_attributes=True)

    code: str
    sentence: str
    hint: str


class ResourcesView(BaseModel):
    """What a task may use."""

    model_config = ConfigDict(from_attributes=True)

    cpus: float
    memory: int = Field(description="bytes")
    shm: int = Field(description="bytes of shared memory")
    gpus: int
    gpu_model: str = Field(description="empty: any")


class ImageView(BaseModel):
    """Exactly which image a task runs."""

    model_config = ConfigDict(from_attributes=True)

    reference: str
    digest: str | None
    id: str | None = Field(description="the engine's image id")
    architecture: str | None


class TaskInterfaceView(BaseModel):
    """One interface of a task."""

    name: str
    protocol: str
    port: int
    ready: bool
    url: str = Field(description="where it is opened")
    origin: str = Field(description="its own origin, where its page and its tunnels are, whatever it speaks")
    since: datetime | None = Field(description="since when it is ready, or is not")


class TaskView(BaseModel):
    """One run of one release on one computing."""

    id: str
    name: str
    title: str
    owner: str = Field(description="id of the person whose task it is")
    software: str | None = Field(description="id of the catalogue entry; null: started from an image")
    release: str = Field(description="version of the software")
    computing: str
    state: TaskState
    reason: ReasonView
    since: datetime = Field(description="since when it is in this state")
    desired: Desired
    created: datetime
    started: datetime | None
    ended: datetime | None
    exit_code: int | None
    interfaces: list[TaskInterfaceView]
    resources: ResourcesView
    placement: PlacementView
    environment: Mapping[str, str]
    parameters: Mapping[str, str]
    image: ImageView
    seen: datetime | None = Field(description="when the computing last told of it")
    unseen_since: datetime | None = Field(description="since when the computing cannot be asked; null while it can")
    again_of: str | None
    account: str | None = Field(
        description="the account on the computing that it runs with; null: it knows no accounts"
    )
    waits: bool = Field(description="it stands in a queue of its computing; `reason` says what for")
    raw: str = Field(description="the computing's own word for its state, such as `PENDING (Priority)`")
    node: str = Field(description="the machine it runs on, where its computing tells")
    forecast: ForecastView | None = Field(description="when it is expected to start, while it waits")
    begun: datetime | None = Field(description="when its container started")
    deadline: datetime | None = Field(description="when it will be ended")
    url: str = Field(description="the task's page")
    terminal: str = Field(description="where its terminals are, for a browser, while it runs")

    @classmethod
    def of(cls, task: Task, addresses: Addresses) -> "TaskView":
        """Return a task as JSON shows it."""
        states = {state.name: state for state in task.interfaces}
        interfaces = []
        for interface in task.release.interfaces:
            state = states.get(interface.name)
            interfaces.append(
                TaskInterfaceView(
                    name=interface.name,
                    protocol=interface.protocol.value,
                    port=interface.port,
                    ready=state is not None and state.ready,
                    url=addresses.open(task.id, interface),
                    origin=addresses.origin(task.id, interface.name),
                    since=state.since if state else None,
                )
            )
        made = {"release", "interfaces", "reason", "resources", "placement", "image", "forecast", "url", "terminal"}
        names = set(cls.model_fields) - made
        return cls(
            **{name: getattr(task, name) for name in names},
            release=task.release.version,
            reason=ReasonView.model_validate(task.reason),
            resources=ResourcesView.model_validate(task.resources),
            placement=PlacementView.of(task.placement),
            forecast=ForecastView.of(task.forecast if task.waits else None),
            image=ImageView.model_validate(task.image),
            interfaces=interfaces,
            url=addresses.task(task.id),
            terminal=addresses.origin(task.id, TERMINAL.name),
        )


class TaskList(BaseModel):
    """One page of tasks, the latest first."""

    tasks: list[TaskView]
    cursor: str | None = Field(description="asks for the next page; null: there is none")


class EventView(BaseModel):
    """An entry in a task's history."""

    model_config = ConfigDict(from_attributes=True)

    sequence: int
    at: datetime
    code: str
    sentence: str
    data: Mapping[str, Any] = Field(description="for example `done` and `total`, in bytes, of an image's pull")

    @classmethod
    def of(cls, event: Event) -> "EventView":
        """Return an event as JSON shows it."""
        return cls.model_validate(event)


class LogLineView(BaseModel):
    """One line that a task wrote."""

    model_config = ConfigDict(from_attributes=True)

    at: datetime | None
    stream: str = Field(description="stdout or stderr")
    text: str

    @classmethod
    def of(cls, line: LogLine) -> "LogLineView":
        """Return a line as JSON shows it."""
        return cls.model_validate(line)


class UsageView(BaseModel):
    """What a task used at one moment."""

    model_config = ConfigDict(from_attributes=True)

    at: datetime
    cpus: float = Field(description="cores")
    memory: int = Field(description="bytes")
    received: int = Field(description="bytes since its start")
    sent: int = Field(description="bytes since its start")

    @classmethod
    def of(cls, usage: Usage) -> "UsageView":
        """Return a measurement as JSON shows it."""
        return cls.model_validate(usage)


class CredentialView(BaseModel):
    """What a client of an interface has to be told."""

    credential: str
