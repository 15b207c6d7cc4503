"""What tasks use, sampled every few seconds into one ring buffer for each."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from datetime import datetime

import structlog

from specola.connector.directory import Directory
from specola.domain.computing import Handle, Usage
from specola.domain.errors import SpecolaError
from specola.domain.task import TaskId
from specola.domain.use import computes
from specola.ports.computing import HasUsage

__all__ = ["Sampler"]

INTERVAL = 5.0
KEPT = 120


class Sampler:
    """Measures all tasks of each computing in one question, every `interval` seconds; keeps `kept` measurements."""

    def __init__(self, directory: Directory, *, interval: float = INTERVAL, kept: int = KEPT) -> None:
        self._directory = directory
        self._interval = interval
        self._kept = kept
        self._rings: dict[TaskId, deque[Usage]] = {}
        self._logger = structlog.stdlib.get_logger("specola.connector")

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            await self.measure()
            await asyncio.sleep(self._interval)

    async def measure(self) -> None:
        """Measure everything once."""
        places: defaultdict[str, dict[Handle, TaskId]] = defaultdict(dict)
        for way in self._directory.ways:
            places[way.computing][way.handle] = way.task
        live = {task for tasks in places.values() for task in tasks.values()}
        self._rings = {task: ring for task, ring in self._rings.items() if task in live}
        await asyncio.gather(*(self._measure(name, tasks) for name, tasks in places.items()))

    def of(self, tasks: Sequence[TaskId]) -> Mapping[TaskId, Sequence[Usage]]:
        """Return what is kept of some tasks, oldest first."""
        return {task: tuple(self._rings.get(task, ())) for task in tasks}

    def computing(self, now: datetime) -> Sequence[TaskId]:
        """Return the tasks whose measurements show a computation."""
        return [task for task, ring in self._rings.items() if computes(ring, now)]

    async def _measure(self, name: str, tasks: Mapping[Handle, TaskId]) -> None:
        try:
            computing = await self._directory.computing(name)
            if not isinstance(computing, HasUsage):
                return
            async with asyncio.timeout(self._interval):
                measured = await computing.usage(tuple(tasks))
        except (SpecolaError, TimeoutError) as error:
            self._logger.info("usage_not_measured", computing=name, error=str(error) or "it took too long")
            return
        except Exception:
            # Whatever answers there must not end this process, which holds the ways to all others.
            self._logger.exception("usage_not_understood", computing=name)
            return
        for handle, usage in measured.items():
            self._rings.setdefault(tasks[handle], deque(maxlen=self._kept)).append(usage)
