"""What the connector knows: every computing, opened, and every task with something on one."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog

from specola.connector.trials import named_as_recorded, trial_name
from specola.domain.computing import Handle
from specola.domain.errors import ConnectorUnreachableError, InvalidError, MissingError, SpecolaError
from specola.domain.task import TaskId
from specola.ports.computing import Computing

__all__ = ["Directory", "Opener", "Way"]

Opener = Callable[[str, str, Mapping[str, Any]], Computing]
"""Opens a computing from its name, kind and settings."""

SNAPSHOT_PATIENCE = 5.0
TASK_PATIENCE = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Where a task is: on which computing, under which handle, and the ports it serves, `declared` ones and found ones."""

    task: TaskId
    computing: str
    handle: Handle
    ports: tuple[int, ...]
    declared: tuple[int, ...] = ()


class Directory:
    """Computings and tasks as the platform last told of them.

    It is told from outside (see `Follower`) and keeps what it knows while nobody tells: so ways into tasks stay open
    while `web` restarts. A question that comes too early waits a moment for the news that is on its way. `snapshots`
    counts how often everything was told anew.
    """

    def __init__(self, opener: Opener) -> None:
        self._opener = opener
        self._forgetting: list[Callable[[str], None]] = []
        self._records: dict[str, tuple[str, Mapping[str, Any]]] = {}
        self._trials: dict[str, Mapping[str, Any]] = {}
        self._own: set[str] = set()
        self._tried = 0
        self._computings: dict[str, Computing] = {}
        self._ways: dict[TaskId, Way] = {}
        self._complete = asyncio.Event()
        self.snapshots = 0
        self._changed = asyncio.Condition()
        self._logger = structlog.stdlib.get_logger("specola.connector")

    @property
    def ways(self) -> Collection[Way]:
        """Every task with something on a computing."""
        return self._ways.values()

    async def computing(self, name: str) -> Computing:
        """Return a computing by name.

        Raises
        ------
        ConnectorUnreachableError
            Nothing has been told yet.
        MissingError
            There is none of that name.
        """
        await self._told()
        if name not in self._computings:
            raise MissingError("computing", name)
        return self._computings[name]

    async def settings(self, name: str) -> Mapping[str, Any]:
        """Return the settings of a computing's record, whether it could be opened or not.

        Raises
        ------
        ConnectorUnreachableError
            Nothing has been told yet.
        MissingError
            There is none of that name.
        """
        if name in self._trials:
            return self._trials[name]
        await self._told()
        if name not in self._records:
            raise MissingError("computing", name)
        _, settings = self._records[name]
        return settings

    def is_own(self, name: str) -> bool:
        """Tell whether a computing, or a trial, is a person's and not the platform's."""
        return name in self._own

    def _note_owner(self, name: str, *, own: bool) -> None:
        if own:
            self._own.add(name)
        else:
            self._own.discard(name)

    async def _told(self) -> None:
        try:
            async with asyncio.timeout(SNAPSHOT_PATIENCE):
                await self._complete.wait()
        except TimeoutError as error:
            raise ConnectorUnreachableError from error

    async def way(self, task: TaskId) -> tuple[Computing, Way]:
        """Return a task's computing and its way, waiting a moment for one that has only just started.

        Raises
        ------
        MissingError
            Nothing of the task is on any computing.
        """
        try:
            async with asyncio.timeout(TASK_PATIENCE), self._changed:
                await self._changed.wait_for(lambda: task in self._ways)
        except TimeoutError as error:
            raise MissingError("running task", task) from error
        way = self._ways[task]
        return await self.computing(way.computing), way

    async def add_computing(self, name: str, kind: str, settings: Mapping[str, Any], *, own: bool = False) -> None:
        """Open a computing, or open it anew if it is reached in another way than before; `own`: it is a person's."""
        self._note_owner(name, own=own)
        if self._records.get(name) == (kind, settings):
            return
        self._records[name] = (kind, settings)
        before = self._computings.pop(name, None)
        try:
            self._computings[name] = self._opener(name, kind, settings)
        except InvalidError as error:
            self._logger.exception("computing_not_opened", computing=name, error=error.sentence)
        if before is not None:
            await before.close()

    @asynccontextmanager
    async def trial(
        self, name: str, kind: str, settings: Mapping[str, Any], *, own: bool = False
    ) -> AsyncIterator[Computing]:
        """Open a computing for the body, beside the known ones and beside the one that has its name.

        Raises
        ------
        InvalidError
            There is no such kind, or a setting is wrong.
        """
        self._tried += 1
        trial = trial_name(name, self._tried)
        self._trials[trial] = settings
        self._note_owner(trial, own=own)
        try:
            place = self._opener(trial, kind, settings)
            try:
                yield place
            finally:
                await place.close()
        except SpecolaError as error:
            raise named_as_recorded(error, trial) from error
        finally:
            del self._trials[trial]
            self._own.discard(trial)
            self._forget(trial)

    def on_forgetting(self, tell: Callable[[str], None]) -> None:
        """Have `tell` called with the name of each computing that is no longer asked."""
        self._forgetting.append(tell)

    def _forget(self, name: str) -> None:
        for tell in self._forgetting:
            tell(name)

    async def drop_computing(self, name: str) -> None:
        """Forget a computing; silent if it is not known."""
        self._records.pop(name, None)
        self._own.discard(name)
        computing = self._computings.pop(name, None)
        if computing is not None:
            await computing.close()
        self._forget(name)

    async def add_way(self, way: Way) -> None:
        """Add or renew a task."""
        async with self._changed:
            self._ways[way.task] = way
            self._changed.notify_all()

    async def drop_way(self, task: TaskId) -> None:
        """Forget a task; silent if it is not known."""
        async with self._changed:
            self._ways.pop(task, None)
            self._changed.notify_all()

    async def keep(self, *, computings: Collection[str], tasks: Collection[TaskId]) -> None:
        """Forget all but these: what was told was everything there is."""
        async with self._changed:
            self._ways = {task: way for task, way in self._ways.items() if task in tasks}
            self._changed.notify_all()
        for name in set(self._records) - set(computings):
            await self.drop_computing(name)
        self.snapshots += 1
        self._complete.set()

    async def change(self) -> None:
        """Return after the next change of the ways."""
        async with self._changed:
            await self._changed.wait()

    async def close(self) -> None:
        """Close every computing."""
        await self.keep(computings=(), tasks=())
