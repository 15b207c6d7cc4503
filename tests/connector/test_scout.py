"""The scout: ports that programs open in running tasks, noticed, recognised and told."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

import pytest

from specola.clock import Clock
from specola.computing.kinds import Context, open_computing
from specola.computing.memory import World
from specola.computing.memory.serving import Counter, Serve, echo, speak_http
from specola.connector.directory import Directory, Way
from specola.connector.scout import Scout
from specola.domain.found import MOST_FOUND, FoundPort
from specola.domain.software import Interface, Protocol
from specola.domain.task import TaskId
from specola.ports.computing import Computing
from tests.support.places import Reports, a_launch, budget

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

TASK = "task000001"
DECLARED = (7, 8000)
WEB = FoundPort(port=8501, protocol=Protocol.HTTP, loopback=True)
HTTP: Serve = speak_http(Counter(), {})


class Side:
    """A scout over one running task in memory, and what `web` was told."""

    def __init__(self, folder: Path) -> None:
        self.world = World()
        context = Context(installation="testing", data=folder, clock=Clock(), world=self.world)
        self.directory = Directory(
            lambda name, kind, values: open_computing(kind, name=name, settings=values, context=context)
        )
        self.told: dict[TaskId, Sequence[FoundPort]] = {}
        self.reports: list[Mapping[TaskId, Sequence[FoundPort]]] = []
        self.away = False
        self.changed = asyncio.Event()
        self.scout = Scout(self.directory, self.tell, interval=0.02)
        self.handle = ""
        self.computing: Computing

    async def open(self) -> None:
        await self.directory.add_computing("local", "memory", {})
        await self.directory.keep(computings={"local"}, tasks=())
        self.computing = await self.directory.computing("local")
        self.handle = await self.computing.launch(a_launch("example.test/web:1"), report=Reports(), budget=budget())
        await self.directory.add_way(self.way())

    def way(self, *found: int) -> Way:
        ports = tuple(sorted({*DECLARED, *found}))
        return Way(task=TASK, computing="local", handle=self.handle, ports=ports, declared=DECLARED)

    async def tell(self, found: Mapping[TaskId, Sequence[FoundPort]]) -> None:
        if self.away:
            raise ConnectionRefusedError
        self.reports.append(dict(found))
        self.told |= found
        self.changed.set()

    async def until(self, met: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not met():
                self.changed.clear()
                await self.changed.wait()

    @contextlib.asynccontextmanager
    async def scouting(self) -> AsyncIterator[None]:
        running = asyncio.create_task(self.scout.run())
        try:
            yield
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def close(self) -> None:
        await self.scout.close()
        await self.directory.close()
        await self.world.close()


def ports(side: Side) -> set[int]:
    return {one.port for one in side.told[TASK]}


@pytest.fixture
async def side(tmp_path: Path) -> AsyncIterator[Side]:
    opened = Side(tmp_path)
    await opened.open()
    yield opened
    await opened.close()


async def test_port_is_noticed_recognised_and_told_until_it_goes(side: Side) -> None:
    async with side.scouting():
        await side.until(lambda: side.told.get(TASK) == ())
        await side.world.listen(side.handle, 8501, HTTP)
        await side.until(lambda: side.told[TASK] == (WEB,))
        side.world.hush(side.handle, 8501)
        await side.until(lambda: side.told[TASK] == ())


async def test_port_is_asked_once_until_it_comes_back(side: Side) -> None:
    asked = 0

    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        await HTTP(reader, writer)

    async with side.scouting():
        for times in (1, 2):
            await side.world.listen(side.handle, 8501, count)
            await side.until(lambda: side.told.get(TASK) == (WEB,))
            await side.directory.add_way(side.way(8501))
            await side.scout.look()
            assert asked == times
            side.world.hush(side.handle, 8501)
            await side.until(lambda: side.told[TASK] == ())
            await side.directory.add_way(side.way())


async def test_silent_port_is_told_while_it_is_still_being_asked(side: Side) -> None:
    heard = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        heard.set()
        await reader.read()

    await side.world.listen(side.handle, 9000, silent, loopback=False)
    await side.scout.look()
    await heard.wait()
    await side.scout.look()
    assert side.told[TASK] == (FoundPort(port=9000, protocol=Protocol.TCP, loopback=False),)


async def test_declared_ports_are_never_asked(side: Side) -> None:
    traffic = side.world.containers[side.handle].traffic
    await side.world.listen(side.handle, 8501, HTTP)
    async with side.scouting():
        await side.until(lambda: side.told.get(TASK) == (WEB,))
    assert (traffic.received, traffic.sent) == (0, 0)


async def test_ports_without_a_name_give_way_when_there_are_too_many(side: Side) -> None:
    for port in range(40000, 40000 + MOST_FOUND):
        await side.world.listen(side.handle, port, echo(Counter()))
    await side.scout.look()
    await side.world.listen(side.handle, 8501, HTTP)
    async with side.scouting():
        await side.until(lambda: len(side.told.get(TASK, ())) == MOST_FOUND and 8501 in ports(side))
    assert 40000 + MOST_FOUND - 1 not in ports(side)


async def test_everything_is_told_again_once_web_is_back(side: Side) -> None:
    await side.world.listen(side.handle, 8501, HTTP)
    async with side.scouting():
        await side.until(lambda: side.told.get(TASK) == (WEB,))
        side.away = True
        await side.world.listen(side.handle, 8502, HTTP)
        side.told.clear()
        side.away = False
        await side.directory.keep(computings={"local"}, tasks={TASK})
        await side.until(lambda: len(side.told.get(TASK, ())) == 2)


async def test_what_could_not_be_told_is_told_later(side: Side) -> None:
    side.away = True
    await side.world.listen(side.handle, 8501, HTTP)
    await side.scout.look()
    assert side.reports == []
    side.away = False
    async with side.scouting():
        await side.until(lambda: side.told.get(TASK) == (WEB,))


async def test_nothing_is_left_of_a_task_that_is_gone(side: Side) -> None:
    await side.world.listen(side.handle, 8501, HTTP)
    async with side.scouting():
        await side.until(lambda: side.told.get(TASK) == (WEB,))
        await side.directory.drop_way(TASK)
        await side.until(lambda: side.told[TASK] == ())
        count = len(side.reports)
        await side.scout.look()
    assert len(side.reports) == count


async def test_computing_that_does_not_answer_changes_nothing(side: Side) -> None:
    await side.world.listen(side.handle, 8501, HTTP)
    async with side.scouting():
        await side.until(lambda: side.told.get(TASK) == (WEB,))
        side.world.break_down()
        await side.scout.look()
        side.world.mend()
    assert side.reports[-1] == {TASK: (WEB,)}
    assert Interface(name="port-8501", port=8501) == WEB.interface
