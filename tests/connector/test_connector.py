"""The connector: questions over its socket, and streams into tasks, with real sockets."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from specola.clock import Clock
from specola.computing.kinds import Context, open_computing
from specola.computing.memory import World
from specola.connector.client import ConnectorClient
from specola.connector.direct import DirectConnector
from specola.connector.directory import Directory, Way
from specola.connector.relay import Relays
from specola.connector.sampler import Sampler
from specola.connector.server import create_app
from specola.domain.budget import Budget
from specola.domain.computing import Progress
from specola.domain.errors import (
    ComputingUnreachableError,
    ConnectorUnreachableError,
    ImageUnknownError,
    ImageUnreachableError,
    InvalidError,
    LimitError,
    MissingError,
    NoSpaceError,
    SpecolaError,
    TooManyAttemptsError,
)
from specola.domain.software import Interface, Protocol
from specola.listening import Listener, bind, listener
from specola.problems import problem_of, raised
from specola.worker.launching import launch_of
from tests.support.harness import short_folder
from tests.worker.records import task as record_of

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

MEBIBYTES = 192
ECHO = Interface(name="echo", port=7, protocol=Protocol.TCP)


class Place:
    """A connector on its socket, over a computing in memory with one running task that echoes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "c.sock"
        self.world = World()
        self.context = Context(installation="testing", data=folder, clock=Clock(), world=self.world)
        self.directory = Directory(
            lambda name, kind, values: open_computing(kind, name=name, settings=values, context=self.context)
        )
        self.sampler = Sampler(self.directory, kept=3)
        self.relays = Relays(folder / "s", self.directory)
        self.client = ConnectorClient(self.socket)
        self.server: Listener | None = None
        self.serving: asyncio.Task[None] | None = None
        self.relaying: asyncio.Task[None] | None = None
        self.task = "task000001"
        self.handle = ""

    async def open(self) -> None:
        (self.folder / "s").mkdir()
        await self.directory.add_computing("local", "memory", {})
        await self.directory.keep(computings={"local"}, tasks=())
        computing = await self.directory.computing("local")

        async def report(_step: Progress) -> None:
            return

        record = record_of(id=self.task, declared=(ECHO,))
        record_image = launch_of(record, credential="s", number=100000)
        self.world.images[record_image.reference] = self.world.images["example.test/web:1"]
        self.handle = await computing.launch(record_image, report=report, budget=Budget(5, "Starting"))
        await self.directory.add_way(Way(task=self.task, computing="local", handle=self.handle, ports=(7,)))
        self.begin()
        self.relaying = asyncio.create_task(self.relays.run())

    def begin(self) -> None:
        self.server = listener(create_app(DirectConnector(self.directory, self.sampler)))
        self.serving = asyncio.create_task(self.server.serve([bind(self.socket)]))

    async def end(self) -> None:
        assert self.server is not None
        assert self.serving is not None
        self.server.should_exit = True
        await self.serving
        self.socket.unlink(missing_ok=True)

    async def close(self) -> None:
        await self.client.close()
        await self.end()
        if self.relaying is not None:
            self.relaying.cancel()
            _ = await asyncio.gather(self.relaying, return_exceptions=True)
        await self.directory.close()
        await self.world.close()

    @contextlib.asynccontextmanager
    async def stream(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        path = self.relays.path(self.task, 7)
        await until(path.exists)
        reader, writer = await asyncio.open_unix_connection(path)
        try:
            yield reader, writer
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def until(met: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while True:
            if met():
                return
            await asyncio.sleep(0.005)


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    with short_folder() as folder:
        opened = Place(folder)
        await opened.open()
        yield opened
        await opened.close()


async def test_the_questions_are_answered_as_in_process(place: Place) -> None:
    direct = DirectConnector(place.directory, place.sampler)
    await place.client.health()
    assert await place.client.probe("local") == await direct.probe("local")
    assert (await place.client.probe_draft("local", "memory", {"cpus": 64, "token": "x"})).cpus == 64
    assert (await place.client.probe("local")).cpus != 64
    details = await place.client.inspect_image("local", "example.test/web:1")
    assert details == await direct.inspect_image("local", "example.test/web:1")


async def test_logs_come_with_their_times_and_end(place: Place) -> None:
    lines = [line async for line in place.client.logs(place.task)]
    assert [(line.stream, line.text) for line in lines] == [("stdout", "serving")]
    assert lines[0].at is not None
    assert [line async for line in place.client.logs(place.task, tail=0)] == []


async def test_followed_logs_come_as_they_are_written_and_end_with_the_task(place: Place) -> None:
    texts: list[str] = []

    async def follow() -> None:
        async for line in place.client.logs(place.task, follow=True):
            texts.append(line.text)  # noqa: PERF401 - looked at while it grows

    following = asyncio.create_task(follow())
    await until(lambda: texts == ["serving"])
    await place.world.say(place.handle, "second")
    await until(lambda: texts == ["serving", "second"])
    await place.world.kill(place.handle)
    async with asyncio.timeout(60):
        await following


async def test_a_line_is_told_to_those_in_a_task(place: Place) -> None:
    await place.client.tell(place.task, "It ends in 5 minutes.")
    assert place.world.containers[place.handle].told == ["It ends in 5 minutes."]
    with pytest.raises(MissingError):
        await place.client.tell("task000009", "It ends in 5 minutes.")
    for text in ("", "x" * 2000):
        with pytest.raises(InvalidError, match="malformed"):
            await place.client.tell(place.task, text)


async def test_usage_is_kept_in_a_ring(place: Place) -> None:
    for _ in range(5):
        await place.sampler.measure()
    kept = (await place.client.usage([place.task, "unknown"]))[place.task]
    assert len(kept) == 3
    assert kept[0].memory > 0
    assert [one.at for one in kept] == sorted(one.at for one in kept)
    await place.directory.drop_way(place.task)
    await place.sampler.measure()
    assert list((await place.client.usage([place.task]))[place.task]) == []


async def test_failures_come_back_as_the_classes_they_were(place: Place) -> None:
    with pytest.raises(MissingError, match="no computing “nowhere”"):
        await place.client.probe("nowhere")
    with pytest.raises(ImageUnknownError) as unknown:
        await place.client.inspect_image("local", "example.test/none:1")
    assert unknown.value.reference == "example.test/none:1"
    place.world.break_down()
    with pytest.raises(ComputingUnreachableError, match="switched off"):
        await place.client.probe("local")
    with pytest.raises(MissingError):
        _ = [line async for line in place.client.logs("unknown")]


@pytest.mark.parametrize(
    "error",
    [
        ImageUnreachableError("a:1", "registry.test", "refused"),
        NoSpaceError("local"),
        LimitError("CPUs", "9", "8"),
        TooManyAttemptsError(7),
        InvalidError("No.", hint="Yes.", field="a.b"),
    ],
)
def test_a_failure_survives_the_wire(error: SpecolaError) -> None:
    back = raised(problem_of(error))
    assert type(back) is type(error)
    assert (vars(back), str(back)) == (vars(error), str(error))


async def test_a_question_is_asked_again_while_the_connector_restarts(place: Place) -> None:
    await place.end()
    asking = asyncio.create_task(place.client.probe("local"))
    await asyncio.sleep(0.2)
    assert not asking.done()
    place.begin()
    assert (await asking).product == "memory"


async def test_a_connector_that_does_not_come_back_is_named() -> None:
    with short_folder() as folder:
        client = ConnectorClient(folder / "none.sock", patience=0.1)
        for question in (client.health(), client.probe("local"), anext(aiter(client.logs("t")))):
            with pytest.raises(ConnectorUnreachableError):
                await question
        await client.close()


async def test_a_stream_carries_both_ways_and_each_half_ends_by_itself(place: Place) -> None:
    async with place.stream() as (reader, writer):
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        writer.write(b"last words")
        writer.write_eof()
        assert await reader.read() == b"last words"


@pytest.mark.parametrize("size", [150_000, 230_000, 270_000])
async def test_what_a_visitor_takes_late_is_not_lost_when_both_halves_have_ended(place: Place, size: int) -> None:
    loop, data = asyncio.get_running_loop(), os.urandom(size)
    path = place.relays.path(place.task, 7)
    await until(path.exists)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as visitor:
        visitor.setblocking(False)
        await loop.sock_connect(visitor, str(path))
        await loop.sock_sendall(visitor, data)
        visitor.shutdown(socket.SHUT_WR)
        # Longer than it takes to carry all that there is room for; were it shorter, this would only show less.
        await asyncio.sleep(0.3)
        came = b""
        while piece := await loop.sock_recv(visitor, 4096):
            came += piece
        assert len(came) == size
        assert came == data


async def test_a_stream_holds_back_a_fast_writer(place: Place) -> None:
    async with place.stream() as (reader, writer):
        sent = 0

        async def fill() -> None:
            nonlocal sent
            for _ in range(MEBIBYTES * 16):
                writer.write(bytes(65536))
                await writer.drain()
                sent += 65536

        filling = asyncio.create_task(fill())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await asyncio.shield(filling)
        # Nobody reads the echo, so what is under way fits into the buffers on it; the kernel gives a connection up to 32 MiB.
        assert sent < MEBIBYTES // 2 * 1024**2
        received = 0
        while received < MEBIBYTES * 1024**2:
            received += len(await reader.read(1 << 20))
        await filling


async def test_a_stream_of_a_dead_task_is_closed_and_its_socket_goes(place: Place) -> None:
    async with place.stream() as (reader, writer):
        writer.write(b"x")
        assert await reader.readexactly(1) == b"x"
        await place.directory.drop_way(place.task)
        async with asyncio.timeout(60):
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
    await until(lambda: not place.relays.path(place.task, 7).exists())


async def test_what_cannot_be_dialled_is_closed_at_once(place: Place) -> None:
    place.world.break_down()
    async with place.stream() as (reader, _):
        async with asyncio.timeout(60):
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""


async def test_sockets_that_a_killed_connector_left_are_swept(place: Place) -> None:
    left = place.folder / "s" / "gone.80.sock"
    left.touch()
    await place.directory.add_way(Way(task="task000002", computing="local", handle="h", ports=(80,)))
    await until(lambda: not left.exists())
    assert place.relays.path("task000002", 80).stat().st_mode & 0o777 == 0o600


async def test_found_port_that_goes_ends_no_connection(place: Place) -> None:
    [known] = place.directory.ways
    async with place.stream() as (reader, writer):
        writer.write(b"a")
        assert await reader.readexactly(1) == b"a"
        await place.directory.add_way(replace(known, ports=(8, 9)))
        await until(lambda: not place.relays.path(place.task, 7).exists() and place.relays.path(place.task, 9).exists())
        writer.write(b"b")
        assert await reader.readexactly(1) == b"b"
        await place.directory.drop_way(place.task)
        assert await reader.read() == b""


async def test_more_ports_leave_those_that_are_there(place: Place) -> None:
    [known] = place.directory.ways
    async with place.stream() as (reader, writer):
        offered = place.relays.path(place.task, 7).stat().st_ino
        await place.directory.add_way(replace(known, ports=(7, 9)))
        await until(place.relays.path(place.task, 9).exists)
        assert place.relays.path(place.task, 7).stat().st_ino == offered
        writer.write(b"a")
        assert await reader.readexactly(1) == b"a"


async def test_a_trial_is_told_by_its_own_name_and_forgotten(place: Place) -> None:
    forgotten: list[str] = []
    place.directory.on_forgetting(forgotten.append)
    async with place.directory.trial("local", "memory", {"cpus": 64, "token": "x"}) as tried:
        assert tried.name != "local"
        assert await place.directory.settings(tried.name) == {"cpus": 64, "token": "x"}
        assert (await place.directory.settings("local")).get("cpus") != 64
    assert forgotten == [tried.name]
    with pytest.raises(MissingError):
        await place.directory.settings(tried.name)
    place.world.break_down()
    with pytest.raises(ComputingUnreachableError, match="The computing “far” does not answer"):
        await place.client.probe_draft("far", "memory", {})
    with pytest.raises(InvalidError, match="no kind of computing"):
        await place.client.probe_draft("far", "cloud", {})
    with pytest.raises(InvalidError) as refused:
        await place.client.probe_draft("far", "memory", {"cpus": "canary", "token": "canary"})
    assert "canary" not in f"{refused.value.sentence} {refused.value.hint}"
