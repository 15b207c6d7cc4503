"""Tunnels: one WebSocket for each TCP connection into a task."""

import asyncio
import ssl
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import websockets

from specola.gateway.tls import server_tls
from specola.websocket import PING, PONG, TEXT, frame, head
from tests.support.certificates import make_certificate
from tests.support.peers import Peer
from tests.support.sockets import HANDSHAKE, Message, Socket, both, handshake
from tests.support.stage import COOKIE, HOST, ORIGIN, TOKEN, Stage, request
from tests.support.web_side import TASK

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

BEARER = f"Authorization: Bearer {TOKEN}"
DATABASE = f"db--{TASK}.localhost:8080"


async def all_closed(stage: Stage) -> None:
    """Wait until the gateway holds no tunnel."""
    async with asyncio.timeout(10):
        while True:
            if not stage.hub.pipes:
                return
            await asyncio.sleep(0.01)


# -- bytes and ends


async def test_bytes_go_both_ways_as_they_are(stage: Stage) -> None:
    socket, task = await both(stage)
    block = bytes(range(256)) * 300
    await socket.send(block)
    assert await task.exactly(len(block)) == block
    await task.send(block)
    assert await socket.exactly(len(block)) == block


async def test_who_speaks_first_is_heard(stage: Stage) -> None:
    async def greet(peer: Peer) -> None:
        await peer.send(b"SSH-2.0-task\r\n")
        assert await peer.exactly(5) == b"hello"
        await peer.send(b"bye")
        peer.end()

    async with Stage.open(play=greet) as other:
        socket = await Socket.open(other)
        assert await socket.exactly(14) == b"SSH-2.0-task\r\n"
        await socket.send(b"hello")
        assert await socket.exactly(3) == b"bye"
        await socket.ended()


async def test_what_comes_with_the_handshake_is_carried(stage: Stage) -> None:
    peer = await stage.visitor()
    await peer.send(handshake() + head(5, masked=True) + b"early")
    task = await stage.task.accept()
    assert await task.exactly(5) == b"early"


async def test_a_browser_masks_with_keys_of_its_own(stage: Stage) -> None:
    socket, task = await both(stage)
    key, payload = b"\x9a\x01\xfe\x77", bytes(range(256)) * 400
    body = bytes(one ^ key[place % 4] for place, one in enumerate(payload))
    await socket.peer.send(b"\x02\xff" + struct.pack("!Q", len(payload)) + key + body + b"\x80\x80" + key)
    assert await task.exactly(len(payload)) == payload


async def test_each_half_ends_by_itself(stage: Stage) -> None:
    socket, task = await both(stage)
    await socket.send(b"all I say")
    await socket.end()
    assert await task.rest() == b"all I say"
    await task.send(b"answer " * 10_000)
    task.end()
    assert await socket.exactly(70_000) == b"answer " * 10_000
    await socket.ended()
    assert await socket.closed() == (1000, "")


async def test_the_other_half_too(stage: Stage) -> None:
    socket, task = await both(stage)
    await task.send(b"bye")
    task.end()
    assert await socket.exactly(3) == b"bye"
    await socket.ended()
    await socket.send(b"more")
    await socket.end()
    assert await task.rest() == b"more"
    assert await socket.closed() == (1000, "")


async def test_a_close_ends_both_halves(stage: Stage) -> None:
    socket, task = await both(stage)
    await socket.send(b"last")
    await socket.close()
    assert await task.rest() == b"last"
    assert (await socket.message()).code == 1000
    assert await socket.peer.ended()
    await all_closed(stage)


async def test_a_visitor_that_vanishes_is_a_loss_to_the_task(stage: Stage) -> None:
    socket, task = await both(stage)
    socket.peer.reset()
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await task.exactly(1)


async def test_a_task_that_breaks_off_is_told(stage: Stage) -> None:
    socket, task = await both(stage)
    await task.send(b"half an ans")
    assert await socket.exactly(11) == b"half an ans"
    task.reset()
    assert await socket.closed() == (1011, "The application broke off the connection.")


async def test_a_reader_that_stops_holds_the_sender_and_loses_nothing(stage: Stage) -> None:
    block, count = bytes(range(256)) * 256, 256
    socket, task = await both(stage)

    async def pour(write: Callable[[bytes], object], drain: Callable[[], object]) -> None:
        for _ in range(count):
            write(block)
            await drain()  # type: ignore[misc]  # a coroutine function

    pouring = asyncio.create_task(pour(task.writer.write, task.writer.drain))
    done, _ = await asyncio.wait({pouring}, timeout=0.2)
    assert not done
    for _ in range(count):
        assert await socket.exactly(len(block)) == block
    await pouring
    writer = socket.peer.writer
    whole = head(len(block), masked=True)
    pouring = asyncio.create_task(pour(lambda data: writer.write(whole + data), writer.drain))
    done, _ = await asyncio.wait({pouring}, timeout=0.2)
    assert not done
    for _ in range(count):
        assert await task.exactly(len(block)) == block
    await pouring


async def test_a_hundred_at_once(stage: Stage) -> None:
    async def echo(peer: Peer) -> None:
        while data := await peer.reader.read(65536):
            await peer.send(data)
        peer.end()

    async with Stage.open(play=echo) as other:

        async def one(number: int) -> None:
            socket = await Socket.open(other)
            said = b"%d " % number * 2000
            await socket.send(said)
            await socket.end()
            assert await socket.exactly(len(said)) == said
            await socket.ended()
            assert await socket.closed() == (1000, "")

        await asyncio.gather(*(one(number) for number in range(100)))
        await all_closed(other)


# -- who may


async def test_a_program_comes_with_a_token(stage: Stage) -> None:
    socket, task = await asyncio.gather(
        Socket.open(stage, BEARER, "Origin: http://elsewhere.test", cookie=None), stage.task.accept()
    )
    await socket.send(b"SELECT 1")
    assert await task.exactly(8) == b"SELECT 1"


@pytest.mark.parametrize(
    "headers",
    [
        ("Origin: http://other--k3f9x2ab4c.localhost:8080",),
        ("Origin: null",),
        (f"Origin: {ORIGIN}", "Sec-Fetch-Site: same-site"),
        (f"Origin: {ORIGIN}", "Sec-Fetch-Site: cross-site"),
    ],
)
async def test_a_cookie_counts_for_nothing_across_origins(stage: Stage, headers: tuple[str, ...]) -> None:
    answer = await stage.refused(handshake(*headers))
    assert (answer.status, b"cross_origin" in answer.body) == (403, True)
    assert not stage.task.peers


async def test_strangers_are_sent_away_with_a_hint(stage: Stage) -> None:
    answer = await stage.refused(handshake(cookie=None))
    assert (answer.status, b'"code": "sign_in"' in answer.body) == (401, True)
    assert (await stage.refused(handshake(cookie="stolen"))).status == 401
    missing = await stage.refused(handshake(host=DATABASE))
    assert missing.status == 404


async def test_not_ready_is_told_before_the_upgrade(stage: Stage) -> None:
    reason = {"code": "requested", "sentence": "It waits.", "hint": ""}
    stage.web.serve_interface("lab", {}, state="queued", reason=reason)
    answer = await stage.refused(handshake(BEARER, cookie=None))
    assert (answer.status, answer.header("retry-after")) == (503, "2")
    assert b'"sentence": "It waits."' in answer.body


@pytest.mark.parametrize(
    ("target", "headers", "status"),
    [
        ("/.specola/tunnel", (f"Origin: {ORIGIN}",), 426),
        ("/.specola/tunnel", (f"Origin: {ORIGIN}", "Upgrade: tcp", "Connection: Upgrade"), 426),
        ("/.specola/tunnel", (f"Origin: {ORIGIN}", *HANDSHAKE[:2], HANDSHAKE[3], "Sec-WebSocket-Version: 8"), 400),
        ("/.specola/tunnel", (f"Origin: {ORIGIN}", *HANDSHAKE[:3]), 400),
        ("/.specola/tunnel", (f"Origin: {ORIGIN}", *HANDSHAKE[:3], "Sec-WebSocket-Key: short"), 400),
        ("/.specola/tunnel/other", (f"Origin: {ORIGIN}", *HANDSHAKE), 404),
        ("/.specola/terminal", (f"Origin: {ORIGIN}", *HANDSHAKE), 404),
    ],
)
async def test_what_is_no_proper_handshake_is_refused(
    stage: Stage, target: str, headers: tuple[str, ...], status: int
) -> None:
    assert (await stage.refused(request(target, *headers))).status == status
    assert not stage.task.peers


@pytest.mark.parametrize(("offered", "echoed"), [("binary", b"binary"), ("a, specola.tunnel", b"specola.tunnel")])
async def test_a_known_sub_protocol_is_echoed(stage: Stage, offered: str, echoed: bytes) -> None:
    socket = await Socket.open(stage, f"Sec-WebSocket-Protocol: {offered}")
    assert b"Sec-WebSocket-Protocol: " + echoed + b"\r\n" in socket.head
    plain = await Socket.open(stage, "Sec-WebSocket-Protocol: chat")
    assert b"Sec-WebSocket-Protocol" not in plain.head


# -- what ends it


async def test_a_right_taken_back_closes_it(stage: Stage) -> None:
    socket, task = await both(stage)
    await stage.web.revoke(f"session:{COOKIE}")
    assert await socket.closed() == (4003, "Your right to use this task has been taken back.")
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await task.exactly(1)


async def test_a_stopped_task_closes_it(stage: Stage) -> None:
    socket, _ = await both(stage)
    await stage.web.revoke(f"task:{TASK}")
    assert await socket.closed() == (4002, "The task has been stopped.")


async def test_a_visitor_that_reads_nothing_is_cut_off_all_the_same(stage: Stage) -> None:
    socket, task = await both(stage)
    task.writer.write(bytes(64 * 1024 * 1024))
    await socket.peer.exactly(1)
    await stage.web.revoke("person:ada")
    await all_closed(stage)
    assert len(await socket.peer.rest()) < 32 * 1024 * 1024


async def test_a_right_taken_back_while_the_task_is_dialled_counts(stage: Stage) -> None:
    stage.web.hold = asyncio.Event()
    peer = await stage.visitor()
    await peer.send(handshake())
    await stage.web.until(lambda: len(stage.web.decisions()) == 1)
    await stage.web.revoke("person:ada")
    del stage.web.cookies[COOKIE]
    stage.web.hold.set()
    assert (await peer.answer()).status == 401


async def test_what_cannot_be_reached_is_asked_about_once_more_and_told(stage: Stage) -> None:
    stage.task.stop()
    socket = await Socket.open(stage)
    assert await socket.closed() == (4001, "The application does not accept connections.")
    assert len(stage.web.decisions()) == 2


async def test_a_task_that_has_moved_is_found(stage: Stage) -> None:
    socket, _ = await both(stage)
    moved = stage.task.endpoint
    stage.web.serve_interface("lab", {"host": "127.0.0.1", "port": 1})
    await stage.web.change(f"task:{TASK}")
    stage.web.hold = asyncio.Event()
    peer = await stage.visitor()
    await peer.send(handshake())
    await stage.web.until(lambda: len(stage.web.decisions()) == 2)
    stage.web.serve_interface("lab", moved)
    stage.web.hold.set()
    assert (await peer.head()).startswith(b"HTTP/1.1 101 ")
    await stage.task.accept()
    await socket.close()


async def test_a_visitor_that_leaves_meanwhile_leaves_nothing_behind(stage: Stage) -> None:
    stage.web.hold = asyncio.Event()
    peer = await stage.visitor()
    await peer.send(handshake())
    await stage.web.until(lambda: len(stage.web.decisions()) == 1)
    peer.end()
    stage.web.hold.set()
    assert await peer.ended()
    if stage.task.peers:
        assert await stage.task.peers[0].ended()
    assert not stage.hub.pipes


async def test_bytes_are_counted_without_their_frames(stage: Stage) -> None:
    socket, task = await both(stage)
    await socket.ping()
    await socket.send(b"12345")
    assert await task.exactly(5) == b"12345"
    await task.send(b"123")
    assert (await socket.message()).opcode == PONG
    assert await socket.exactly(3) == b"123"
    await stage.report()
    [entry] = [one for one in stage.web.traffic if one["received"]]
    assert (entry["received"], entry["sent"], entry["used"], entry["person"]) == (5, 3, True, "ada")
    await stage.report()
    await socket.ping()
    assert (await socket.message()).opcode == PONG
    assert all(not one["used"] for one in stage.web.traffic[1:])


# -- frames


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (b"\x82\x01x", 1002),
        (b"\xf2\x81\x00\x00\x00\x00x", 1002),
        (b"\x89\xfe\x00\x7e\x00\x00\x00\x00", 1002),
        (b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00", 1002),
        (frame(TEXT, b"what", masked=True), 1003),
        (frame(TEXT, b"end", masked=True) + frame(2, b"more", masked=True), 1002),
        (frame(TEXT, b"e" * 5000, masked=True), 1009),
    ],
)
async def test_malformed_frames_close_both(stage: Stage, wire: bytes, code: int) -> None:
    socket, task = await both(stage)
    await socket.peer.send(wire)
    assert (await socket.closed())[0] == code
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await task.exactly(1)


async def test_pings_are_answered_and_idle_tunnels_get_some(stage: Stage) -> None:
    socket, task = await both(stage)
    await socket.ping(b"there?")
    assert await socket.message() == Message(PONG, b"there?")
    stage.hub.beat()
    assert (await socket.message()).opcode == PING
    await task.send(b"x")
    assert await socket.exactly(1) == b"x"
    stage.hub.beat()
    stage.hub.beat()
    assert (await socket.message()).opcode == PING
    await task.send(b"y")
    assert await socket.exactly(1) == b"y"


# -- origins of interfaces that are no HTTP


async def test_an_interface_without_http_has_a_page(stage: Stage) -> None:
    stage.web.serve_interface("db", stage.task.endpoint, protocol="postgres")
    navigation = ("Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document", "Sec-Fetch-Site: none")
    for _ in range(2):
        page = await stage.refused(request("/any/path", *navigation, host=DATABASE))
        assert page.body == f'{{"path": "/viewers/{TASK}/db/page"}}'.encode()
    asked = stage.web.asked[-1]
    assert (asked.header("x-specola-person"), asked.header("cookie")) == ("ada", None)
    assert asked.header("x-specola-marks") == f"person:ada,session:{COOKIE}"
    own = "Sec-Fetch-Site: same-origin"
    for path, served in (("static/a.css", "static/a.css"), ("viewer/events?x=1", "events")):
        answer = await stage.refused(request(f"/.specola/{path}", own, host=DATABASE))
        assert answer.body == f'{{"path": "/viewers/{TASK}/db/{served}"}}'.encode()
    assert not stage.task.peers


@pytest.mark.parametrize("headers", [(), (BEARER,), ("Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: cors")])
async def test_requests_never_reach_what_speaks_something_else(stage: Stage, headers: tuple[str, ...]) -> None:
    stage.web.serve_interface("db", stage.task.endpoint, protocol="postgres")
    for _ in range(2):
        answer = await stage.refused(request("/", *headers, host=DATABASE))
        assert (answer.status, b'"code": "no_http"' in answer.body) == (400, True)
    assert not stage.task.peers


async def test_its_tunnel_is_open(stage: Stage) -> None:
    stage.web.serve_interface("db", stage.task.endpoint, protocol="postgres")
    socket, task = await asyncio.gather(Socket.open(stage, host=DATABASE), stage.task.accept())
    await socket.send(b"SELECT 1")
    assert await task.exactly(8) == b"SELECT 1"


async def test_a_terminal_is_relayed_with_who_it_is_for(stage: Stage) -> None:
    stage.web.serve_interface("terminal", stage.task.endpoint, protocol="terminal")
    host = f"terminal--{TASK}.localhost:8080"
    sent = request(
        "/.specola/terminal?columns=80", *HANDSHAKE, f"Origin: http://{host}", "X-Specola-Person: eve", host=host
    )
    visitor, task, seen = await stage.pair(sent)
    assert seen.startswith(b"GET /.specola/terminal?columns=80 HTTP/1.1\r\n")
    lines = seen.decode().split("\r\n")
    assert f"X-Specola-Task: {TASK}" in lines
    assert [line for line in lines if line.startswith("X-Specola-Person")] == ["X-Specola-Person: ada"]
    assert "cookie" not in seen.decode().lower()
    assert set(HANDSHAKE) <= set(lines)
    switched = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    await task.send(switched + b"prompt")
    assert await visitor.exactly(len(switched) + 6) == switched + b"prompt"
    await visitor.send(b"\x82\x82\x00\x00\x00\x00ls")
    assert await task.exactly(8) == b"\x82\x82\x00\x00\x00\x00ls"
    assert (await stage.refused(handshake(host=host))).status == 404


async def test_the_way_to_a_plain_interface_is_the_same(stage: Stage) -> None:
    assert (await stage.refused(request("/.specola/viewer/page", f"Origin: {ORIGIN}"))).status == 404
    visitor, _, seen = await stage.pair(request("/x"))
    assert seen.startswith(b"GET /x ")
    assert HOST.encode() in seen
    visitor.close()


# -- around it


@pytest.mark.parametrize("compression", ["deflate", None])
async def test_a_usual_client_gets_through(stage: Stage, compression: str | None) -> None:
    async with websockets.connect(
        f"ws://{HOST}/.specola/tunnel",
        host="127.0.0.1",
        port=stage.port,
        compression=compression,
        additional_headers={"Authorization": f"Bearer {TOKEN}"},
    ) as client:
        task = await stage.task.accept()
        await client.send([b"in ", b"several ", b"", b"parts"])
        assert await task.exactly(16) == b"in several parts"
        await task.send(b"answer")
        assert await client.recv() == b"answer"
        task.end()
        assert await client.recv() == "end"
        await client.send("end")
        with pytest.raises(websockets.ConnectionClosedOK):
            await client.recv()


async def test_a_gateway_that_ends_says_so(stage: Stage) -> None:
    socket, _ = await both(stage)
    stopping = asyncio.create_task(stage.hub.stop())
    assert await socket.closed() == (1001, "The platform is restarting.")
    await stopping


async def test_halves_end_by_themselves_over_tls_too(short_path: Path) -> None:
    certificate, key = make_certificate(short_path, "localhost", f"lab--{TASK}.localhost")
    trusted = ssl.create_default_context(cafile=certificate)
    async with Stage.open(tls=server_tls(certificate, key), public_url="https://localhost") as stage:
        host = f"lab--{TASK}.localhost"
        peer = Peer(*await asyncio.open_connection("127.0.0.1", stage.port, ssl=trusted, server_hostname=host))
        await peer.send(handshake(BEARER, host=host, cookie=None))
        assert b" 101 " in await peer.head()
        socket, task = Socket(peer), await stage.task.accept()
        await socket.send(b"question")
        await socket.end()
        assert await task.rest() == b"question"
        await task.send(b"answer" * 50_000)
        task.end()
        assert await socket.exactly(300_000) == b"answer" * 50_000
        await socket.ended()
        assert await socket.closed() == (1000, "")
