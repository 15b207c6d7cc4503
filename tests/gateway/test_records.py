"""What a gateway puts on record: visits, WebSockets, refused visitors; and what of it is a use."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from websockets.frames import Frame, Opcode

from tests.support.peers import Peer, plain
from tests.support.sockets import HANDSHAKE, both, handshake
from tests.support.stage import HOST, ORIGIN, TOKEN, Leaping, Stage, request
from tests.support.web_side import TASK

pytestmark = pytest.mark.anyio

UPGRADE = (f"Origin: {ORIGIN}", "Connection: Upgrade", "Upgrade: WebSocket")
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
PAGE = ("Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document", "Sec-Fetch-Site: none", "Accept: text/html")


async def told(stage: Stage) -> list[dict[str, Any]]:
    """Let the gateway report, and return what it had to say of connections."""
    stage.web.connections.clear()
    await stage.report()
    return list(stage.web.connections)


async def used(stage: Stage) -> bool:
    """Let the gateway report, and tell whether something was a use."""
    stage.web.traffic.clear()
    await stage.report()
    return any(one["used"] for one in stage.web.traffic)


async def socket(stage: Stage, target: str = "/socket") -> tuple[Peer, Peer]:
    visitor, task, _ = await stage.pair(request(target, *UPGRADE))
    await task.send(SWITCHED)
    await visitor.head()
    return visitor, task


def frame(opcode: Opcode, payload: bytes = b"") -> bytes:
    return Frame(opcode, payload).serialize(mask=True)


async def test_all_requests_of_one_person_from_one_address_are_one_visit() -> None:
    clock = Leaping()
    async with Stage.open(clock=clock) as stage:
        began = clock.now()
        first, task, _ = await stage.pair(request())
        await task.send(plain(b"hello"))
        await first.answer()
        second, other, _ = await stage.pair(request("/more"))
        (visit,) = await told(stage)
        assert (visit["kind"], visit["task"], visit["interface"], visit["person"]) == ("http", TASK, "lab", "ada")
        assert (visit["address"], visit["began"], visit["ended"]) == ("127.0.0.1", began.isoformat(), None)
        first.reset()
        second.reset()
        assert await task.ended()
        assert await other.ended()
        left = clock.now()
        clock.advance(timedelta(seconds=59))
        again, third, _ = await stage.pair(request())
        assert not await told(stage)
        again.reset()
        assert await third.ended()
        left = clock.now()
        clock.advance(timedelta(seconds=61))
        (over,) = await told(stage)
        assert (over["id"], over["ended"]) == (visit["id"], left.isoformat())
        assert over["received"] > 0
        await stage.pair(request())
        (fresh,) = await told(stage)
        assert fresh["id"] != visit["id"]


async def test_a_websocket_is_on_record_by_itself(stage: Stage) -> None:
    visitor, task = await socket(stage)
    visit, websocket = sorted(await told(stage), key=lambda one: str(one["kind"]))
    assert (visit["kind"], websocket["kind"], websocket["person"]) == ("http", "websocket", "ada")
    sent = frame(Opcode.TEXT, b"question")
    await visitor.send(sent)
    await task.exactly(len(sent))
    await task.send(b"answer")
    await visitor.exactly(6)
    visitor.reset()
    assert await task.ended()
    (ended,) = await told(stage)
    assert (ended["id"], ended["received"], ended["sent"]) == (websocket["id"], len(sent), 6)
    assert (ended["ended"] is not None, ended["refused"]) == (True, "")


@pytest.mark.parametrize(("mark", "refused"), [("session:entry-of-ada", "revoked"), (f"task:{TASK}", "")])
async def test_one_whose_right_is_taken_back_says_so(stage: Stage, mark: str, refused: str) -> None:
    visitor, task = await socket(stage)
    await told(stage)
    await stage.web.revoke(mark)
    assert await visitor.ended()
    assert await task.ended()
    (ended,) = await told(stage)
    assert (ended["kind"], ended["refused"]) == ("websocket", refused)


async def test_a_gateway_that_ends_tells_of_it() -> None:
    async with Stage.open() as stage:
        await socket(stage)
        await told(stage)
        web = stage.web
        web.connections.clear()
    assert {one["kind"] for one in web.connections} == {"http", "websocket"}
    assert all(one["ended"] for one in web.connections)


async def test_whoever_comes_with_something_that_lets_nobody_in_is_on_record(stage: Stage) -> None:
    await stage.refused(request("/", cookie="made-up"))
    await stage.refused(request("/", *PAGE, cookie="made-up"))
    await stage.refused(request("/", f"Authorization: Bearer specola_{'x' * 43}", cookie=None))
    await stage.refused(request("/", host=f"other--{TASK}.localhost:8080"))
    await stage.refused(request("/socket", *UPGRADE, cookie="made-up"))
    found = {(one["kind"], one["interface"], one["refused"], one["times"]) for one in await told(stage)}
    assert found == {
        ("http", "lab", "sign_in", 3),
        ("http", "other", "missing", 1),
        ("websocket", "lab", "sign_in", 1),
    }


async def test_a_code_that_is_spent_is_on_record(stage: Stage) -> None:
    answer = await stage.refused(
        request("/.specola/enter?code=spent", "Cookie: __Host-specola-nonce=" + "n" * 43, cookie=None)
    )
    assert answer.status == 403
    (one,) = await told(stage)
    assert (one["refused"], one["person"]) == ("sign_in", "")


async def test_whoever_is_only_sent_to_sign_in_is_not(stage: Stage) -> None:
    assert (await stage.refused(request("/", *PAGE, cookie=None))).status == 303
    assert (await stage.refused(request("/", cookie=None))).status == 401
    assert not await told(stage)


@pytest.mark.parametrize(
    ("sent", "address"),
    [
        ("198.51.100.4, 203.0.113.9", "203.0.113.9"),
        ("2001:db8::1", "2001:db8::1"),
        ("nonsense", "127.0.0.1"),
        ("", "127.0.0.1"),
    ],
)
async def test_behind_a_trusted_proxy_the_address_is_what_it_added(sent: str, address: str) -> None:
    async with Stage.open(trusted_proxies=["127.0.0.0/8"]) as stage:
        await stage.pair(request("/", f"X-Forwarded-For: {sent}"))
        (visit,) = await told(stage)
        assert visit["address"] == address


async def test_nobody_else_says_what_his_address_is(stage: Stage) -> None:
    await stage.pair(request("/", "X-Forwarded-For: 203.0.113.9"))
    (visit,) = await told(stage)
    assert visit["address"] == "127.0.0.1"


async def test_requests_are_a_use_and_polls_and_endless_answers_are_none(stage: Stage) -> None:
    stage.web.serve_interface("lab", stage.task.endpoint, ignore=["/api/metrics"])
    visitor, task, _ = await stage.pair(request("/api/metrics"))
    await task.send(plain(b"1"))
    await visitor.answer()
    assert not await used(stage)
    await visitor.send(request("/events"))
    await task.head()
    assert await used(stage)
    await task.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nevent\r\n")
    await visitor.head()
    assert not await used(stage)


async def test_a_body_that_goes_on_is_a_use(stage: Stage) -> None:
    visitor, task, _ = await stage.pair(request("/up", f"Origin: {ORIGIN}", "Content-Length: 20", method="PUT"))
    assert await used(stage)
    await visitor.send(b"0123456789")
    await task.exactly(10)
    assert await used(stage)
    assert not await used(stage)


async def test_on_a_websocket_only_messages_of_the_visitor_are_a_use(stage: Stage) -> None:
    visitor, task = await socket(stage)
    assert not await used(stage)
    await task.send(Frame(Opcode.TEXT, b"the kernel says a lot").serialize(mask=False))
    await visitor.exactly(23)
    assert not await used(stage)
    for quiet in (frame(Opcode.PING), frame(Opcode.PONG, b"beat"), frame(Opcode.TEXT, b"3")):
        await visitor.send(quiet)
        await task.exactly(len(quiet))
        assert not await used(stage)
    typed = frame(Opcode.TEXT, b"print(1)")
    await visitor.send(typed)
    await task.exactly(len(typed))
    assert await used(stage)


async def test_what_comes_with_the_change_of_protocol_is_counted_once(stage: Stage) -> None:
    early = frame(Opcode.TEXT, b"early")
    visitor, task, _ = await stage.pair(request("/socket", *UPGRADE) + early)
    await task.send(SWITCHED + b"first words")
    await visitor.exactly(len(SWITCHED) + 11)
    visit, websocket = sorted(await told(stage), key=lambda one: str(one["kind"]))
    assert (websocket["received"], websocket["sent"], visit["sent"]) == (len(early), 11, len(SWITCHED))


async def test_a_websocket_at_a_path_that_does_not_count_does_not(stage: Stage) -> None:
    stage.web.serve_interface("lab", stage.task.endpoint, ignore=["/socket"])
    visitor, task = await socket(stage)
    typed = frame(Opcode.TEXT, b"print(1)")
    await visitor.send(typed)
    await task.exactly(len(typed))
    assert not await used(stage)


async def test_other_upgraded_protocols_count_by_bytes(stage: Stage) -> None:
    sent = request("/", f"Origin: {ORIGIN}", "Connection: Upgrade", "Upgrade: tcp")
    visitor, task, _ = await stage.pair(sent)
    await task.send(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
    await visitor.head()
    assert not await used(stage)
    await visitor.send(b"\x00")
    await task.exactly(1)
    assert await used(stage)


async def test_a_tunnel_is_on_record_without_a_visit_and_only_its_bytes_are_a_use(stage: Stage) -> None:
    socket, task = await both(stage)
    (tunnel,) = await told(stage)
    assert (tunnel["kind"], tunnel["person"], tunnel["address"]) == ("tunnel", "ada", "127.0.0.1")
    await task.send(b"220 ready")
    await socket.exactly(9)
    assert not await used(stage)
    await socket.send(b"hello")
    await task.exactly(5)
    assert await used(stage)
    await stage.web.revoke("session:entry-of-ada")
    assert await task.ended()
    socket.peer.reset()
    async with asyncio.timeout(10):
        while True:
            if not stage.hub.pipes:
                break
            await asyncio.sleep(0.01)
    (ended,) = await told(stage)
    assert (ended["id"], ended["received"], ended["sent"], ended["refused"]) == (tunnel["id"], 5, 9, "revoked")


async def test_a_refused_tunnel_says_that_it_would_have_been_one(stage: Stage) -> None:
    assert (await stage.refused(handshake(cookie="stolen"))).status == 401
    (one,) = await told(stage)
    assert (one["kind"], one["refused"]) == ("tunnel", "sign_in")


async def test_a_terminal_is_on_record_as_one_and_its_use_is_not_told_here(stage: Stage) -> None:
    stage.web.serve_interface("terminal", stage.task.endpoint, protocol="terminal")
    host = f"terminal--{TASK}.localhost:8080"
    asked = request("/.specola/terminal", *HANDSHAKE, f"Origin: http://{host}", host=host)
    visitor, task, _ = await stage.pair(asked)
    await task.send(SWITCHED)
    await visitor.head()
    stage.web.traffic.clear()
    await visitor.send(frame(Opcode.PONG))
    await task.exactly(len(frame(Opcode.PONG)))
    assert {one["kind"] for one in await told(stage)} == {"http", "terminal"}
    assert not any(one["used"] for one in stage.web.traffic)
    # Which messages are keys, the connector knows.
    await visitor.send(frame(Opcode.BINARY, b"ls"))
    await task.exactly(len(frame(Opcode.BINARY, b"ls")))
    _ = await told(stage)
    assert not any(one["used"] for one in stage.web.traffic)


async def test_a_program_is_on_record_like_a_browser(stage: Stage) -> None:
    await stage.pair(request("/", f"Authorization: Bearer {TOKEN}", cookie=None, host=HOST))
    (visit,) = await told(stage)
    assert (visit["kind"], visit["person"]) == ("http", "ada")
