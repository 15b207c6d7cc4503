"""Many streams over one connection: order, half-ends, back-pressure, turns, and a hostile other side."""

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest
from hypothesis import given, settings, strategies as st

from specola.computing.batch.agent.flow import FIRST_WINDOW, LAST_WINDOW
from specola.computing.batch.agent.mux import GREETING, HEADER
from specola.computing.batch.mux import HostileError, Link, Request, Stream
from specola.computing.batch.session import Session
from specola.computing.tcp import SocketStream

pytestmark = pytest.mark.anyio

OPEN, REPLY, DATA, END, RESET, CREDIT, PING, PONG = range(1, 9)


def frame(number: int, kind: int, content: bytes = b"") -> bytes:
    return HEADER.pack(number, kind, len(content)) + content


class Far:
    """The agent's side, which echoes, unless it is asked for something else."""

    def __init__(self) -> None:
        self.streams: list[Stream] = []
        self.link: Link

    async def accept(self, request: Request, stream: Stream) -> None:
        self.streams.append(stream)
        if request["do"] == "refuse":
            return await stream.reply({"error": {"code": "refused", "sentence": "Nobody listens there."}})
        if request["do"] == "fail":
            raise OSError("broken")
        await stream.reply({"ok": True})
        if request["do"] == "hold":
            await asyncio.Event().wait()
        while data := await stream.read():
            await stream.write(data)
        return None


@dataclass
class Pair:
    session: Session
    far: Far


async def ends() -> tuple[SocketStream, SocketStream]:
    near, far = socket.socketpair()
    return (
        SocketStream(*await asyncio.open_connection(sock=near)),
        SocketStream(*await asyncio.open_connection(sock=far)),
    )


@contextlib.asynccontextmanager
async def joined() -> AsyncIterator[Pair]:
    near, other = await ends()
    far = Far()
    far.link = Link(other, accept=far.accept)
    running = asyncio.create_task(far.link.run())
    session = await Session.over(near)
    try:
        yield Pair(session, far)
    finally:
        await session.close()
        await asyncio.wait([running])


@contextlib.asynccontextmanager
async def raw() -> AsyncIterator[tuple[Link, SocketStream, "asyncio.Task[None]"]]:
    """An agent's side, and the bare connection to it."""
    near, other = await ends()
    far = Far()
    link = Link(other, accept=far.accept)
    running = asyncio.create_task(link.run())
    assert (await near.read(len(GREETING))) == GREETING
    try:
        yield link, near, running
    finally:
        await near.close()
        await asyncio.wait([running])


async def through(pair: Pair, data: bytes, piece: int) -> bytes:
    _, stream = await pair.session.open({"do": "echo"})

    async def send() -> None:
        for at in range(0, len(data), piece):
            await stream.write(data[at : at + piece])
        await stream.end()

    sending, came = asyncio.create_task(send()), bytearray()
    try:
        while part := await stream.read():
            came += part
        await sending
    finally:
        sending.cancel()
        await asyncio.wait([sending])
    return bytes(came)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.binary(max_size=5000), st.integers(1, 4000)), min_size=1, max_size=20))
def test_what_is_sent_arrives(sent: list[tuple[bytes, int]]) -> None:
    async def main() -> None:
        async with joined() as pair:
            came = await asyncio.gather(*(through(pair, data, piece) for data, piece in sent))
            assert came == [data for data, _ in sent]

    asyncio.run(main())


async def test_megabytes_pass_both_ways() -> None:
    data = bytes(range(256)) * 4096 * 8
    async with joined() as pair:
        assert await through(pair, data, 1 << 20) == data


async def test_thousand_streams_at_once_leave_nothing() -> None:
    async with joined() as pair:
        came = await asyncio.gather(*(through(pair, b"%d" % number * 100, 7) for number in range(1000)))
        assert came == [b"%d" % number * 100 for number in range(1000)]
        assert not pair.far.link._streams
        assert not pair.session._link._streams


async def test_end_of_one_half_leaves_the_other() -> None:
    async with joined() as pair:
        _, stream = await pair.session.open({"do": "hold"})
        await stream.end()
        assert await pair.far.streams[0].read() == b""
        await pair.far.streams[0].write(b"still here")
        assert await stream.read() == b"still here"
        with pytest.raises(BrokenPipeError):
            await stream.write(b"too late")


async def test_stream_that_nobody_reads_stops_alone() -> None:
    async with joined() as pair:
        _, stuck = await pair.session.open({"do": "hold"})
        sending = asyncio.create_task(stuck.write(bytes(4 * LAST_WINDOW)))
        assert await through(pair, bytes(1 << 20), 1 << 16) == bytes(1 << 20)
        held = pair.far.streams[0].incoming._size
        assert 0 < held <= FIRST_WINDOW
        assert not sending.done()
        sending.cancel()
        await asyncio.wait([sending])


async def test_small_stream_has_its_turn_beside_a_large_one() -> None:
    async with joined() as pair:
        large = asyncio.create_task(through(pair, bytes(64 << 20), 1 << 20))
        await asyncio.sleep(0)
        for _ in range(20):
            assert await through(pair, b"x", 1) == b"x"
        assert not large.done()
        large.cancel()
        await asyncio.wait([large])


async def test_refusal_is_told() -> None:
    async with joined() as pair:
        with pytest.raises(ConnectionRefusedError, match="Nobody listens"):
            await pair.session.open({"do": "refuse"})
        assert not pair.far.link._streams


async def test_failure_over_there_breaks_the_stream_alone() -> None:
    async with joined() as pair:
        with pytest.raises(ConnectionResetError, match="broken"):
            await pair.session.open({"do": "fail"})
        assert await through(pair, b"x", 1) == b"x"


async def test_close_reaches_the_other_side() -> None:
    async with joined() as pair:
        _, stream = await pair.session.open({"do": "echo"})
        await stream.close()
        assert await through(pair, b"x", 1) == b"x"
        with pytest.raises(ConnectionResetError):
            await pair.far.streams[0].read()


async def test_opening_that_is_given_up_is_dropped_over_there() -> None:
    async with joined() as pair:
        opening = asyncio.create_task(pair.session.open({"do": "hold"}))
        await asyncio.sleep(0)
        opening.cancel()
        assert await through(pair, b"x", 1) == b"x"
        assert len(pair.session._link._streams) == 0


async def test_broken_connection_ends_all_streams() -> None:
    async with joined() as pair:
        _, stream = await pair.session.open({"do": "hold"})
        await pair.far.link._carrier.close()
        with pytest.raises(ConnectionError, match="ended"):
            await stream.read()
        await pair.session.wait_closed()
        assert not pair.session.is_open
        with pytest.raises(ConnectionError):
            await pair.session.open({"do": "echo"})


async def test_message_of_the_day_is_passed_over() -> None:
    near, other = await ends()
    await other.write(b"Welcome to the cluster!\n")
    link = Link(other, accept=Far().accept)
    running = asyncio.create_task(link.run())
    session = await Session.over(near)
    assert session.is_open
    await session.close()
    await asyncio.wait([running])


async def test_somebody_else_over_there_is_told() -> None:
    near, other = await ends()
    await other.write(b"srun: error: Invalid job id specified\n")
    await other.close()
    with pytest.raises(ConnectionError, match="Invalid job id"):
        await Session.over(near)


def too_much_data(size: int = FIRST_WINDOW) -> bytes:
    opened = frame(1, OPEN, json.dumps({"do": "hold"}).encode())
    return opened + frame(1, DATA, bytes(65536)) * (size // 65536 + 1)


HOSTILE: dict[str, Callable[[], bytes]] = {
    "more than there is credit for": too_much_data,
    "a frame that is too long": lambda: frame(1, DATA)[:5] + struct.pack(">I", 1 << 30),
    "an unknown kind": lambda: frame(1, 99),
    "a request that is not JSON": lambda: frame(1, OPEN, b"\xff"),
    "a request that is no object": lambda: frame(1, OPEN, b"[]"),
    "a number used again": lambda: frame(1, OPEN, b'{"do": "hold"}') * 2,
    "endless credit": lambda: frame(1, OPEN, b'{"do": "hold"}') + frame(1, CREDIT, b"\xff\xff\xff\xff"),
    "credit without a number": lambda: frame(1, OPEN, b'{"do": "hold"}') + frame(1, CREDIT, b"1"),
    "a reply to its own question": lambda: frame(1, OPEN, b'{"do": "hold"}') + frame(1, REPLY, b"{}"),
}


@pytest.mark.parametrize("bytes_of", HOSTILE.values(), ids=HOSTILE.keys())
async def test_hostile_side_is_hung_up_on(bytes_of: Callable[[], bytes]) -> None:
    async with raw() as (link, near, running):
        with contextlib.suppress(OSError):
            await near.write(bytes_of())
        async with asyncio.timeout(10):
            await asyncio.wait([running])
        assert isinstance(link._broken, HostileError)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=2000))
def test_noise_ends_or_waits_and_never_fails(noise: bytes) -> None:
    async def main() -> None:
        async with raw() as (_, near, running):
            with contextlib.suppress(OSError):
                await near.write(noise)
                await near.end()
            async with asyncio.timeout(10):
                await running

    asyncio.run(main())


async def test_questions_whose_answers_nobody_reads_are_bounded() -> None:
    async with raw() as (link, near, _):
        flooding = asyncio.create_task(near.write(frame(0, PING) * 400_000))
        for _ in range(200):
            await asyncio.sleep(0)
        assert len(link._control) < 100_000
        flooding.cancel()
        await asyncio.wait([flooding])
