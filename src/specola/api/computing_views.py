"""Computings as JSON: their records as people may see them, and what a probe found."""

from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from specola.domain.computing import Audience, Capability, Computing, Intake, Probe
from specola.domain.durations import format_duration
from specola.domain.person import Actor
from specola.domain.placement import Partition
from specola.services.computing_rights import may_change
from specola.services.computings import Overseen

__all__ = ["ComputingView", "IntakeView", "OverseenView", "ProbeView"]


class FindingView(BaseModel):
    """One thing that is missing or doubtful, and how to mend it."""

    model_config = ConfigDict(from_attributes=True)

    code: str
    sentence: str
    hint: str
    serious: bool


class FoundGpusView(BaseModel):
    """GPUs of one model."""

    model_config = ConfigDict(from_attributes=True)

    model: str = Field(description="empty: the computing does not say")
    count: int


class FoundPartitionView(BaseModel):
    """A part of a cluster as it was found."""

    name: str
    is_default: bool
    is_open: bool
    nodes: int
    cpus: int = Field(description="of its largest node")
    memory: int = Field(description="bytes, of its largest node")
    idle: int | None = Field(description="CPUs that are free now; null: not told")
    gpus: list[FoundGpusView]
    longest: str | None = Field(description="how long a task may run at most, such as 2d; null: not limited")
    usual: str | None = Field(description="how long it may run if it asks for no time")

    @classmethod
    def of(cls, partition: Partition) -> "FoundPartitionView":
        """Return it as JSON shows it."""
        return cls(
            name=partition.name,
            is_default=partition.is_default,
            is_open=partition.is_open,
            nodes=partition.nodes,
            cpus=partition.cpus,
            memory=partition.memory,
            idle=partition.idle,
            gpus=[FoundGpusView.model_validate(one) for one in partition.gpus],
            longest=_written(partition.longest),
            usual=_written(partition.usual),
        )


class ProbeView(BaseModel):
    """What a computing is and can do."""

    product: str
    version: str
    scheduler: str = Field(description="what starts tasks there, if that is not the product itself")
    runtimes: list[str] = Field(description="what runs containers there, if that is not the product itself")
    architectures: list[str]
    cpus: float
    memory: int = Field(description="bytes")
    gpus: list[FoundGpusView]
    partitions: list[FoundPartitionView]
    projects: list[str] = Field(description="what use can be booked on")
    images: int | None = Field(description="how many images are there already; null: not counted")
    skew: float | None = Field(description="by how many seconds its clock is ahead of the platform's; null: not told")
    capabilities: list[Capability]
    findings: list[FindingView]

    @classmethod
    def of(cls, probe: Probe) -> "ProbeView":
        """Return a probe as JSON shows it, its capabilities in order."""
        return cls(
            product=probe.product,
            version=probe.version,
            scheduler=probe.scheduler,
            runtimes=list(probe.runtimes),
            architectures=list(probe.architectures),
            cpus=probe.cpus,
            memory=probe.memory,
            gpus=[FoundGpusView.model_validate(one) for one in probe.gpus],
            partitions=[FoundPartitionView.of(one) for one in probe.partitions],
            projects=list(probe.projects),
            images=probe.images,
            skew=probe.skew,
            capabilities=sorted(probe.capabilities),
            findings=[FindingView.model_validate(one) for one in probe.findings],
        )


class ComputingView(BaseModel):
    """A place that runs containers, as it was when it was last asked."""

    name: str
    title: str
    description: str
    kind: str
    audience: Audience = Field(description="who may use it")
    intake: Intake = Field(description="whether it takes new tasks")
    order: int = Field(description="the lowest one that you may use is the default")
    editable: bool = Field(description="you may change it")
    reachable: bool
    asked: datetime | None
    unreachable_since: datetime | None
    error: str
    probe: ProbeView | None

    @classmethod
    def of(cls, computing: Computing, *, actor: Actor) -> "ComputingView":
        """Return a computing as JSON shows it; how it is reached stands in its definition."""
        state = computing.state
        return cls(
            name=computing.name,
            title=computing.title,
            description=computing.description,
            kind=computing.kind,
            audience=computing.audience,
            intake=computing.intake,
            order=computing.order,
            editable=may_change(actor, computing),
            reachable=state.asked is not None and state.unreachable_since is None,
            asked=state.asked,
            unreachable_since=state.unreachable_since,
            error=state.error,
            probe=ProbeView.of(state.probe) if state.probe else None,
        )


class OverseenView(BaseModel):
    """A computing that you look after."""

    name: str
    title: str
    kind: str
    owner: str | None = Field(description="name of the person whose own it is; null: the platform's")
    audience: Audience
    intake: Intake
    reachable: bool
    asked: datetime | None
    live_tasks: int

    @classmethod
    def of(cls, overseen: Overseen) -> "OverseenView":
        """Return it as JSON shows it."""
        computing = overseen.computing
        return cls(
            name=computing.name,
            title=computing.title,
            kind=computing.kind,
            owner=overseen.owner.name if overseen.owner else None,
            audience=computing.audience,
            intake=computing.intake,
            reachable=computing.state.asked is not None and computing.state.unreachable_since is None,
            asked=computing.state.asked,
            live_tasks=overseen.live,
        )


class IntakeView(BaseModel):
    """Whether a computing is to take new tasks."""

    model_config = ConfigDict(extra="forbid")

    intake: Literal[Intake.OPEN, Intake.PAUSED]


def _written(time: timedelta | None) -> str | None:
    return None if time is None else format_duration(time)
