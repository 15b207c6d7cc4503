"""What a computing takes of a start: its record's offer, what its last probe found, and the platform's limits in one."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

from specola.config import Limits
from specola.domain.computing import Computing
from specola.domain.durations import format_duration
from specola.domain.errors import InvalidError, LimitError, NotOfferedError
from specola.domain.offer import WORD, Amounts
from specola.domain.placement import GpuKind, Partition, Placement
from specola.domain.software import Release

__all__ = ["Offered", "offered", "placement_for"]

T = TypeVar("T", int, float, timedelta)
MOST_OPTIONS = 20
NO_QUEUE = frozenset({"", "none"})
"""Schedulers, as probes call them, that start what they are given at once."""
MOST_NAMED = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """What may be asked of one computing now.

    Parameters
    ----------
    computing, title
        Its name, and what people call it.
    partition
        The one that the amounts hold for; None: it has none, or none of them is known.
    most
        The most of each that one task may have there; None: no limit is known. GPUs are always said.
    usual
        What a task gets where neither the wish nor the release says anything.
    gpus
        The GPUs there are in that partition.
    partitions, projects, options
        What may be chosen; projects without a name: any is taken.
    queues
        Whether tasks may have to wait there for their turn.
    """

    computing: str
    title: str
    partition: Partition | None = None
    most: Amounts = field(default_factory=Amounts)
    usual: Amounts = field(default_factory=Amounts)
    gpus: tuple[GpuKind, ...] = ()
    partitions: tuple[Partition, ...] = ()
    projects: tuple[str, ...] = ()
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    queues: bool = False

    @property
    def models(self) -> tuple[str, ...]:
        """The models of GPU that may be named."""
        return tuple(dict.fromkeys(one.model for one in self.gpus if one.model))


def offered(computing: Computing, *, limits: Limits, partition: str | None = None) -> Offered:
    """Return what a computing takes of a start.

    Parameters
    ----------
    partition
        The one that is asked for; None or unknown: the computing's usual one.
    """
    probe, offer = computing.state.probe, computing.offer
    found = probe.partitions if probe else ()
    partitions = _offered_partitions(offer.partitions, found)
    chosen = next((one for one in partitions if one.name == partition), None) or _usual_partition(
        partitions, named=bool(offer.partitions)
    )
    gpus = chosen.gpus if chosen else probe.gpus if probe else ()
    cpus, memory = (probe.cpus, probe.memory) if probe and not partitions else (0, 0)
    if chosen is not None:
        cpus, memory = chosen.cpus, chosen.memory
    there = max((one.count for one in gpus), default=0)
    return Offered(
        computing=computing.name,
        title=computing.title,
        partition=chosen,
        most=Amounts(
            cpus=_least(limits.cpus, offer.maximum.cpus, cpus or None),
            memory=_least(limits.memory, offer.maximum.memory, memory or None),
            gpus=_least(offer.maximum.gpus, there if gpus or offer.maximum.gpus is None else None),
            time=_least(offer.maximum.time, chosen.longest if chosen else None),
        ),
        usual=offer.default,
        gpus=gpus,
        partitions=partitions,
        projects=offer.projects or (probe.projects if probe else ()),
        options=offer.options,
        queues=bool(probe and (probe.partitions or probe.scheduler not in NO_QUEUE)),
    )


def _offered_partitions(named: Collection[str], found: Collection[Partition]) -> tuple[Partition, ...]:
    """Those that the record names, the usual one first, with what was found of them; else all that were found."""
    if not named:
        return tuple(found)
    known = {one.name: one for one in found}
    return tuple(known.get(name, Partition(name=name)) for name in named)


def _usual_partition(partitions: tuple[Partition, ...], *, named: bool) -> Partition | None:
    if named:
        return partitions[0]
    return next((one for one in partitions if one.is_default), partitions[0] if len(partitions) == 1 else None)


def _least(*limits: T | None) -> T | None:
    return min((one for one in limits if one is not None), default=None)


def placement_for(wanted: Placement, release: Release, *, computing: Computing, limits: Limits) -> Placement:
    """Return how a task is queued.

    What the wish says itself is kept or refused. The time that it leaves to the release or to the computing is lowered
    to what is allowed.

    Raises
    ------
    NotOfferedError
        The computing has no such partition, project or option.
    LimitError
        It is asked for longer than is allowed.
    """
    partition = _partition(wanted.partition, computing, limits)
    offer = offered(computing, limits=limits, partition=partition)
    most = offer.most.time
    if wanted.time is not None and most is not None and wanted.time > most:
        where = f" in the partition “{offer.partition.name}”" if offer.partition else ""
        raise LimitError(
            f"of time{where}",
            format_duration(wanted.time),
            format_duration(most),
            hint=f"Ask for at most {format_duration(most)}{_longer(offer, wanted.time)}.",
            field="time",
        )
    usual = release.time or offer.usual.time
    return Placement(
        time=wanted.time or (None if usual is None else _least(usual, most)),
        partition=partition,
        project=_project(wanted.project, offer, named=computing.offer.projects),
        options=_options(wanted.options, offer),
    )


def _longer(offer: Offered, time: timedelta) -> str:
    names = [one.name for one in offer.partitions if one.longest is None or one.longest >= time]
    return f", or choose another partition: {_listed(names)}" if names else ""


def _partition(wanted: str | None, computing: Computing, limits: Limits) -> str | None:
    offer = offered(computing, limits=limits)
    names = [one.name for one in offer.partitions]
    if not wanted:
        # What the record names first is the usual one here, whatever the scheduler's own is.
        return names[0] if computing.offer.partitions else None
    if wanted not in names:
        raise NotOfferedError("partition", wanted, names, computing=computing.name, field="partition")
    return wanted


def _project(wanted: str | None, offer: Offered, *, named: Collection[str]) -> str | None:
    if not wanted:
        return next(iter(named), None)
    # A cluster that keeps no accounts takes any, and means nothing by it.
    anything = offer.queues and not offer.projects and WORD.fullmatch(wanted) is not None
    if wanted not in offer.projects and not anything:
        raise NotOfferedError("project", wanted, offer.projects, computing=offer.computing, field="project")
    return wanted


def _options(wanted: Mapping[str, str], offer: Offered) -> Mapping[str, str]:
    if len(wanted) > MOST_OPTIONS:
        raise InvalidError(f"At most {MOST_OPTIONS} options are taken.", hint="Leave some out.", field="queue_options")
    for name, value in wanted.items():
        where = f"queue_options.{name[:60]}"
        if name not in offer.options:
            raise NotOfferedError("option", name, offer.options, computing=offer.computing, field=where)
        allowed = offer.options[name]
        if (allowed and value not in allowed) or WORD.fullmatch(value) is None:
            raise NotOfferedError(f"value for “{name}”", value, allowed, computing=offer.computing, field=where)
    return dict(wanted)


def _listed(names: Iterable[str]) -> str:
    known = list(names)
    return ", ".join(known[:MOST_NAMED]) + (" and more" if len(known) > MOST_NAMED else "")
