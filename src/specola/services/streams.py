"""Streams: which tasks a connector has to offer ways into, and on which computings."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from specola.domain.computing import Handle
from specola.domain.found import FoundPort
from specola.domain.task import Task, TaskId
from specola.secrets import Sealer
from specola.services.sealed import whole_settings
from specola.storage.changes import Topic
from specola.storage.store import Store, Transaction

__all__ = ["Gone", "Place", "Removed", "Streams", "Told", "Way", "Ways"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A task with something on a computing, and the ports at which it can be reached there, `declared` or found."""

    task: TaskId
    computing: str
    handle: Handle
    ports: tuple[int, ...]
    declared: tuple[int, ...] = ()

    @classmethod
    def of(cls, task: Task, found: Sequence[FoundPort] = ()) -> "Way | None":
        """Return the way into a task; None while, or since, nothing of it is on its computing."""
        if task.handle is None:
            return None
        declared = {interface.port for interface in task.release.interfaces}
        ports = declared | {one.port for one in found}
        return cls(
            task=task.id,
            computing=task.computing,
            handle=task.handle,
            ports=tuple(sorted(ports)),
            declared=tuple(sorted(declared)),
        )


@dataclass(frozen=True, slots=True)
class Gone:
    """A task of which nothing is left on its computing."""

    task: TaskId


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A computing, and all that is needed to reach it: its settings with what is secret in them."""

    name: str
    kind: str
    settings: Mapping[str, Any] = field(repr=False)
    revision: str = ""
    own: bool = False
    """Whether it is a person's, and not the platform's."""


@dataclass(frozen=True, slots=True)
class Removed:
    """A computing that is no longer ours, by its name."""

    name: str


Told: TypeAlias = Way | Gone | Place | Removed
"""One thing that a connector is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """What there is at one moment."""

    places: Sequence[Place]
    ways: Sequence[Way]
    sequence: int


class Streams:
    """What connectors learn, since they never read the database themselves."""

    def __init__(self, *, store: Store, sealer: Sealer) -> None:
        self._store = store
        self._sealer = sealer

    async def snapshot(self) -> Ways:
        """Return every computing, and the way into every task."""
        async with self._store.read() as tx:
            computings = await tx.computings.all()
            tasks = [task for computing in computings for task in await tx.tasks.wanted(computing.name)]
            found = await tx.found.of([task.id for task in tasks])
            ways = [way for task in tasks if (way := Way.of(task, found.get(task.id, ()))) is not None]
            places = await self._places(tx)
            return Ways(places=places, ways=ways, sequence=await tx.changes.newest())

    async def follow(self, start: Ways) -> AsyncGenerator[Sequence[Told], None]:
        """Yield what changes after a snapshot, until changes were missed: then another snapshot has to be taken."""
        ways: dict[TaskId, Way] = {way.task: way for way in start.ways}
        places = {place.name: place for place in start.places}
        async for batch in self._store.changes(start.sequence):
            topics = {change.topic for change in batch}
            if Topic.GAP in topics:
                return
            told: list[Told] = []
            async with self._store.read() as tx:
                if Topic.COMPUTING in topics:
                    told += _renewed(places, await self._places(tx))
                ids = {change.key for change in batch if change.topic == Topic.TASK}
                if ids:
                    told += _moved(ways, ids, await tx.tasks.known(ids), await tx.found.of(ids))
            if told:
                yield told

    async def _places(self, tx: Transaction) -> Sequence[Place]:
        sealed = await tx.computings.sealed()
        return [
            Place(
                name=one.name,
                kind=one.kind,
                settings=whole_settings(self._sealer, one, sealed.get(one.name)),
                revision=f"{one.id}.{one.revision}",
                own=one.owner is not None,
            )
            for one in await tx.computings.all()
        ]


def _renewed(known: dict[str, Place], present: Sequence[Place]) -> list[Place | Removed]:
    """Return the computings that went, or are reached in another way than before, and remember them."""
    told: list[Place | Removed] = [Removed(name) for name in known.keys() - {place.name for place in present}]
    # One that was removed and added again is another one, even where all it says is the same.
    told += [place for place in present if known.get(place.name) != place]
    known.clear()
    known.update({place.name: place for place in present})
    return told


def _moved(
    ways: dict[TaskId, Way],
    ids: set[TaskId],
    tasks: Mapping[TaskId, Task],
    found: Mapping[TaskId, Sequence[FoundPort]],
) -> list[Way | Gone]:
    """Return the ways that came, changed or went among `ids`, and remember them."""
    told: list[Way | Gone] = []
    for name in sorted(ids):
        task = tasks.get(name)
        way = Way.of(task, found.get(name, ())) if task is not None else None
        before = ways.get(name)
        if way is not None and way != before:
            ways[name] = way
            told.append(way)
        elif way is None and before is not None:
            del ways[name]
            told.append(Gone(name))
    return told
