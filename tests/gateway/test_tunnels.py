"""Upgraded connections: bytes as they come, half-close, early data, whatever the protocol."""

import asyncio

import pytest
import websockets

from tests.support.peers import Peer
from tests.support.stage import HOST, ORIGIN, Stage, request

pytestmark = pytest.mark.anyio

UPGRADE = (f"Origin: {ORIGIN}", "Connection: keep-alive, Upgrade", "Upgrade: websocket", "Sec-WebSocket-KEY: abc")
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


async def tunnel(stage: Stage) -> tuple[Peer, Peer]:
    visitor, task, _ = await stage.pair(request("/socket", *UPGRADE))
    await task.send(SWITCHED)
    assert await visitor.head() == SWITCHED
    return visitor, task


async def test_the_request_keeps_its_case(stage: Stage) -> None:
    _, _, head = await stage.pair(request("/socket", *UPGRADE))
    for line in (b"Connection: Upgrade\r\n", b"Upgrade: websocket\r\n", b"Sec-WebSocket-KEY: abc\r\n"):
        assert line in head


async def test_early_data_arrives_in_both_directions(stage: Stage) -> None:
    visitor, task, _ = await stage.pair(request("/socket", *UPGRADE) + b"early")
    await visitor.send(b" and late")
    await task.send(SWITCHED + b"first words")
    assert await visitor.exactly(len(SWITCHED) + 11) == SWITCHED + b"first words"
    assert await task.exactly(14) == b"early and late"


async def test_each_way_ends_by_itself(stage: Stage) -> None:
    visitor, task = await tunnel(stage)
    await visitor.send(b"all I say")
    visitor.end()
    assert await task.rest() == b"all I say"
    await task.send(b"answer " * 1000)
    task.end()
    assert await visitor.rest() == b"answer " * 1000


async def test_the_other_way_too(stage: Stage) -> None:
    visitor, task = await tunnel(stage)
    await task.send(b"bye")
    task.end()
    assert await visitor.rest() == b"bye"
    await visitor.send(b"more")
    visitor.end()
    assert await task.rest() == b"more"


async def test_a_lost_end_ends_the_other(stage: Stage) -> None:
    visitor, task = await tunnel(stage)
    visitor.reset()
    assert await task.ended()
    visitor, task = await tunnel(stage)
    task.reset()
    assert await visitor.ended()


async def test_a_reader_that_stops_holds_the_sender_and_loses_nothing(stage: Stage) -> None:
    visitor, task = await tunnel(stage)
    block, size = bytes(range(256)) * 256, 64 * 1024 * 1024

    async def pour() -> None:
        for _ in range(size // len(block)):
            task.writer.write(block)
            await task.writer.drain()

    pouring = asyncio.create_task(pour())
    done, _ = await asyncio.wait({pouring}, timeout=0.3)
    assert not done
    for _ in range(size // len(block)):
        assert await visitor.exactly(len(block)) == block
    await pouring


async def test_a_refused_upgrade_is_an_ordinary_answer(stage: Stage) -> None:
    visitor, task, _ = await stage.pair(request("/socket", *UPGRADE))
    await task.send(b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno")
    answer = await visitor.answer()
    assert (answer.status, answer.body) == (426, b"no")
    await visitor.send(request("/next"))
    assert (await task.head()).startswith(b"GET /next ")


async def test_any_protocol_may_be_changed_to(stage: Stage) -> None:
    sent = request("/", f"Origin: {ORIGIN}", "Connection: Upgrade", "Upgrade: tcp", method="POST")
    visitor, task, _ = await stage.pair(sent)
    await task.send(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
    await visitor.head()
    await visitor.send(b"\x00\xff")
    assert await task.exactly(2) == b"\x00\xff"


@pytest.mark.parametrize("code", [1000, 1001, 1011, 3000, 4999])
async def test_websocket_close_codes_and_empty_frames_pass(stage: Stage, code: int) -> None:
    async def play(connection: websockets.ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)
            if message == b"end":
                await connection.close(code, "because")

    async with websockets.serve(play, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        stage.web.serve_interface("lab", {"host": "127.0.0.1", "port": port})
        cookie = {"Cookie": "__Host-specola=entry-of-ada"}
        address = f"ws://{HOST}/"
        async with websockets.connect(
            address, host="127.0.0.1", port=stage.port, origin=websockets.Origin(ORIGIN), additional_headers=cookie
        ) as client:
            for message in ("", b"", "text", b"\x00" * 200_000, b"end"):
                await client.send(message)
                assert await client.recv() == message
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await client.recv()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (code, "because")
