"""Queues as JSON: how a task is queued, when it is expected to start, and what a computing takes of a start."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from specola.domain.durations import format_duration, parse_duration
from specola.domain.errors import InvalidError
from specola.domain.placement import Forecast, GpuKind, Partition, Placement
from specola.domain.waits import Expected
from specola.services.offered import Offered

__all__ = ["Duration", "ForecastView", "OfferView", "PlacementView", "WaitView", "WrittenTime"]


def _duration(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return parse_duration(value)
    except InvalidError as error:
        raise ValueError(error.sentence) from error


Duration = Annotated[
    timedelta,
    Field(
        gt=timedelta(),
        le=timedelta(days=3660),
        examples=["2h30m"],
        json_schema_extra={"type": "string", "format": "", "description": "such as 90m, 2h30m, 1-12:00:00 or PT45M"},
    ),
    BeforeValidator(_duration),
]


def written(time: timedelta | None) -> str | None:
    """Return a duration as it is asked for; null: none is said."""
    return None if time is None else format_duration(time)


def _text(value: Any) -> Any:
    return format_duration(value) if isinstance(value, timedelta) else value


WrittenTime = Annotated[str, BeforeValidator(_text)]
"""A duration as JSON shows it, in the words by which it is asked for: 2h30m."""


class PlacementView(BaseModel):
    """How a task is queued; null: as the computing decides."""

    time: str | None = Field(description="the longest it may run, such as 2h30m")
    partition: str | None
    project: str | None = Field(description="what its use is booked on")
    queue_options: Mapping[str, str]

    @classmethod
    def of(cls, placement: Placement) -> "PlacementView":
        """Return it as JSON shows it."""
        return cls(
            time=written(placement.time),
            partition=placement.partition,
            project=placement.project,
            queue_options=placement.options,
        )


class ForecastView(BaseModel):
    """When a task that waits is expected to start."""

    model_config = ConfigDict(from_attributes=True)

    starts: datetime
    source: str = Field(description="`scheduler`, or `history`: as earlier tasks like this waited here (the median)")
    latest: datetime | None = Field(description="by then nine of ten such tasks had started")

    @classmethod
    def of(cls, forecast: Forecast | None) -> "ForecastView | None":
        """Return it as JSON shows it."""
        return None if forecast is None else cls.model_validate(forecast)


class GpuKindView(BaseModel):
    """GPUs of one model."""

    model_config = ConfigDict(from_attributes=True)

    model: str
    count: int


class PartitionView(BaseModel):
    """A part of a cluster."""

    name: str
    is_default: bool
    is_open: bool
    cpus: int = Field(description="of its largest node")
    memory: int = Field(description="bytes, of its largest node")
    idle: int | None = Field(description="CPUs that are free now")
    gpus: list[GpuKindView]
    longest: str | None = Field(description="how long a task may run at most")

    @classmethod
    def of(cls, partition: Partition) -> "PartitionView":
        """Return it as JSON shows it."""
        return cls(
            name=partition.name,
            is_default=partition.is_default,
            is_open=partition.is_open,
            cpus=partition.cpus,
            memory=partition.memory,
            idle=partition.idle,
            gpus=_gpus(partition.gpus),
            longest=written(partition.longest),
        )


class AmountsView(BaseModel):
    """How much of each; null: nothing is said."""

    cpus: float | None
    memory: int | None = Field(description="bytes")
    gpus: int | None
    time: str | None


class WaitView(BaseModel):
    """How long earlier tasks like this waited."""

    count: int = Field(description="how many of them there were")
    median_seconds: float
    longest_seconds: float = Field(description="nine of ten did not wait longer")

    @classmethod
    def of(cls, expected: Expected | None) -> "WaitView | None":
        """Return it as JSON shows it."""
        if expected is None:
            return None
        return cls(
            count=expected.count,
            median_seconds=expected.median.total_seconds(),
            longest_seconds=expected.longest.total_seconds(),
        )


class OfferView(BaseModel):
    """What a computing takes of a start now."""

    computing: str
    partition: str | None = Field(description="the one that the amounts hold for")
    most: AmountsView
    usual: AmountsView = Field(description="what a task gets where neither it nor its release says anything")
    gpus: list[GpuKindView]
    partitions: list[PartitionView]
    projects: list[str] = Field(description="what use can be booked on")
    queue_options: Mapping[str, list[str]] = Field(description="names, each with the values allowed; none: any value")
    queues: bool = Field(description="tasks may have to wait there")
    wait: WaitView | None = Field(description="null: nothing queues there, or too few tasks say how long")

    @classmethod
    def of(cls, offer: Offered, wait: Expected | None) -> "OfferView":
        """Return it as JSON shows it."""
        most, usual = offer.most, offer.usual
        return cls(
            computing=offer.computing,
            partition=offer.partition.name if offer.partition else None,
            most=AmountsView(cpus=most.cpus, memory=most.memory, gpus=most.gpus, time=written(most.time)),
            usual=AmountsView(cpus=usual.cpus, memory=usual.memory, gpus=usual.gpus, time=written(usual.time)),
            gpus=_gpus(offer.gpus),
            partitions=[PartitionView.of(one) for one in offer.partitions],
            projects=list(offer.projects),
            queue_options={name: list(values) for name, values in offer.options.items()},
            queues=offer.queues,
            wait=WaitView.of(wait),
        )


def _gpus(kinds: tuple[GpuKind, ...]) -> list[GpuKindView]:
    return [GpuKindView.model_validate(one) for one in kinds]
