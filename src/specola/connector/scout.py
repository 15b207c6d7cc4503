"""Ports that programs in tasks open while they run, looked for every few seconds."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from specola.connector.directory import Directory, Way
from specola.connector.recognise import recognise
from specola.domain.errors import SpecolaError
from specola.domain.found import MOST_FOUND, FoundPort
from specola.domain.software import Protocol
from specola.domain.task import TaskId
from specola.ports.computing import Computing, HasPorts, Stream

__all__ = ["Scout", "Tell"]

Tell = Callable[[Mapping[TaskId, Sequence[FoundPort]]], Awaitable[None]]
"""Tells `web` all found ports of some tasks. Raises OSError while it is away."""

INTERVAL = 2.0
LOOK_SECONDS = 30.0
# A computing that is asked by programs inside the tasks spends a fifth of the time on it at most.
REST = 4
# A port where nobody said a word may belong to a server that is still starting: seconds until it is asked again.
AGAIN = (15.0, 60.0)
# Of how many tasks ports are asked at the same time; those of one task one after another.
WIDTH = 8
# Where Linux takes a port from for a program that names none (ip_local_port_range).
EPHEMERAL = 32768


@dataclass(slots=True)
class _Port:
    """A port that was seen: how often by now, and what was recognised there."""

    loopback: bool
    looks: int = 0
    protocol: Protocol | None = None
    certain: bool = False
    tries: int = 0
    again: float = 0.0

    def is_due(self, now: float) -> bool:
        return not self.certain and self.tries <= len(AGAIN) and now >= self.again


@dataclass(slots=True)
class _Seen:
    """What was seen of one task; `asking` recognises its ports, one after another."""

    way: Way
    ports: dict[int, _Port] = field(default_factory=dict)
    asking: asyncio.Task[None] | None = None

    def found(self) -> tuple[FoundPort, ...]:
        """Return what there is to tell: a port once it is recognised, or has been seen twice."""
        return tuple(
            FoundPort(port=number, protocol=port.protocol or Protocol.TCP, loopback=port.loopback)
            for number, port in sorted(self.ports.items())
            if port.protocol is not None or port.looks > 1
        )

    def leave(self) -> None:
        """Ask nothing more."""
        if self.asking is not None:
            self.asking.cancel()


class Scout:
    """Looks at all tasks of each computing in one question, recognises what is new, and tells `web` what changed.

    A port is asked once, and again only if it went away and came back, or if nobody said a word there at first.
    Declared ports are never asked.
    """

    def __init__(self, directory: Directory, tell: Tell, *, interval: float = INTERVAL) -> None:
        self._directory = directory
        self._tell = tell
        self._interval = interval
        self._seen: dict[TaskId, _Seen] = {}
        self._told: dict[TaskId, tuple[FoundPort, ...]] = {}
        self._snapshot = 0
        self._telling = asyncio.Lock()
        self._width = asyncio.Semaphore(WIDTH)
        self._logger = structlog.stdlib.get_logger("specola.connector")

    async def run(self) -> None:
        """Look until cancelled; a computing that is slow to answer holds up no other."""
        looks: dict[str, asyncio.Task[None]] = {}
        try:
            while True:
                for name in {way.computing for way in self._directory.ways}:
                    if name not in looks or looks[name].done():
                        looks[name] = asyncio.create_task(self._look_and_rest(name))
                await self._settle()
                await asyncio.sleep(self._interval)
        finally:
            for one in looks.values():
                one.cancel()
            await asyncio.gather(*looks.values(), return_exceptions=True)
            await self.close()

    async def look(self) -> None:
        """Look at everything once, and tell what is known by then."""
        await asyncio.gather(*(self._look(name) for name in {way.computing for way in self._directory.ways}))
        await self._settle()

    async def close(self) -> None:
        """Ask nothing more."""
        asking = [seen.asking for seen in self._seen.values() if seen.asking is not None]
        for one in asking:
            one.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    async def _look_and_rest(self, name: str) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await self._look(name)
        await self._settle()
        await asyncio.sleep(REST * (loop.time() - begun))

    async def _look(self, name: str) -> None:
        ways = {way.handle: way for way in self._directory.ways if way.computing == name}
        try:
            computing = await self._directory.computing(name)
            if not isinstance(computing, HasPorts):
                return
            async with asyncio.timeout(LOOK_SECONDS):
                listening = await computing.listening(tuple(ways))
        except (SpecolaError, TimeoutError) as error:
            self._logger.info("ports_not_seen", computing=name, error=str(error) or "it took too long")
            return
        except Exception:
            # Whatever answers there must not end this process, which holds the ways to all others.
            self._logger.exception("ports_not_understood", computing=name)
            return
        for handle, ports in listening.items():
            self._note(computing, ways[handle], ports)

    def _note(self, computing: Computing, way: Way, listening: Mapping[int, bool]) -> None:
        """Write down what one task listens on, and begin to ask what is new."""
        seen = self._seen.get(way.task)
        if seen is None or seen.way.handle != way.handle:
            seen = self._seen[way.task] = _Seen(way)
        others = {port: here for port, here in listening.items() if port not in way.declared}
        kept = sorted(others, key=lambda port: (port >= EPHEMERAL, port not in seen.ports, port))[:MOST_FOUND]
        seen.ports = {port: seen.ports.get(port) or _Port(others[port]) for port in kept}
        for port in kept:
            seen.ports[port].loopback = others[port]
            seen.ports[port].looks += 1
        now = asyncio.get_running_loop().time()
        due = [port for port in kept if seen.ports[port].is_due(now)]
        if due and (seen.asking is None or seen.asking.done()):
            seen.asking = asyncio.create_task(self._ask(computing, seen, due))

    async def _ask(self, computing: Computing, seen: _Seen, due: Sequence[int]) -> None:
        """Recognise the ports that are due, one after another."""
        async with self._width:
            for number in due:
                port = seen.ports.get(number)
                if port is None:
                    continue

                async def dial(number: int = number) -> Stream:
                    return await computing.dial(seen.way.handle, number)

                port.tries += 1
                port.again = asyncio.get_running_loop().time() + AGAIN[min(port.tries, len(AGAIN)) - 1]
                with contextlib.suppress(SpecolaError, OSError, TimeoutError):
                    known = await recognise(dial, number)
                    port.protocol, port.certain = known.protocol, known.certain
                    await self._settle()

    async def _settle(self) -> None:
        """Tell what is different from what was told last, and forget tasks that are gone."""
        async with self._telling:
            if self._snapshot != self._directory.snapshots:
                # `web` began anew: it is told everything once more.
                self._snapshot = self._directory.snapshots
                self._told.clear()
            present = {way.task: way.handle for way in self._directory.ways}
            for task in [task for task, seen in self._seen.items() if present.get(task) != seen.way.handle]:
                self._seen.pop(task).leave()
            news = {task: found for task, found in self._news() if self._told.get(task) != found}
            if not news:
                return
            try:
                await self._tell(news)
            except OSError as error:
                self._logger.info("ports_not_told", error=str(error))
                return
            self._told = {task: found for task, found in (self._told | news).items() if task in self._seen}

    def _news(self) -> Iterator[tuple[TaskId, tuple[FoundPort, ...]]]:
        for task, seen in self._seen.items():
            yield task, seen.found()
        for task in self._told.keys() - self._seen.keys():
            yield task, ()
