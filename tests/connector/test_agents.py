"""Agents that dial out: who is let in, who is not, and that a task is reached again whatever breaks."""

import asyncio
import struct
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from specola.computing.batch.agent.frames import BINARY, FrameError, Frames, frame
from specola.computing.batch.enrolment import Enrolment
from specola.computing.batch.session import Session
from specola.connector.agents import MOST_UNKNOWN
from specola.gateway.tls import server_tls
from specola.websocket import Reader, closing, frame as platforms_frame
from tests.support.certificates import make_certificate
from tests.support.outward import TASK, House, Node, head_of, house
from tests.support.peers import Answer, Peer
from tests.support.relay import carry

pytestmark = pytest.mark.anyio


@pytest.fixture
async def here() -> AsyncIterator[House]:
    """A platform."""
    async with house() as made:
        yield made


async def echoes(session: Session) -> bool:
    """Tell whether bytes come back from the task."""
    _, stream = await session.open({"do": "echo"})
    await stream.write(b"x" * 300_000)
    await stream.end()
    came = 0
    while data := await stream.read():
        came += len(data)
    return came == 300_000


async def reached(here: House) -> Session:
    """Return a session once the task's agent has come."""
    async with asyncio.timeout(20):
        return await here.computing.arrivals.get(TASK)


async def asked(here: House, *fields: str) -> Answer:
    """Return what an agent's request is answered."""
    return await (await here.stage.visitor()).ask(head_of(*fields))


async def let_in(here: House) -> Peer:
    """Return a visitor who has shown a task's secret."""
    visitor = await here.stage.visitor()
    await visitor.send(head_of(f"Authorization: {here.shown()}"))
    assert b" 101 " in (await visitor.head()).split(b"\r\n")[0]
    return visitor


async def test_task_is_reached_by_what_its_agent_opens_and_again_when_that_breaks(here: House) -> None:
    url = f"http://127.0.0.1:{here.stage.port}"
    async with Node.opened(url=url, secret=here.enrolment.secret(TASK)):
        session = await reached(here)
        assert await echoes(session)
        await here.hang_up()
        await session.wait_closed()
        again = await reached(here)
        assert again is not session
        assert await echoes(again)
        for tunnel in tuple(here.stage.hub.tunnels):
            # As a gateway that ends.
            tunnel.revoke()
        await again.wait_closed()
        assert await echoes(await reached(here))


async def test_newest_connection_wins(here: House) -> None:
    secret = here.enrolment.secret(TASK)
    url = f"http://127.0.0.1:{here.stage.port}"
    async with Node.opened(url=url, secret=secret):
        first = await reached(here)
        async with Node.opened(url=url, secret=secret):
            await first.wait_closed()
            assert await echoes(await reached(here))


async def test_who_does_not_know_the_secret_is_refused(here: House) -> None:
    other = here.enrolment.secret("other00000")
    for fields in (
        (),
        ("Authorization: Bearer specola_" + "t" * 43,),
        (f"Authorization: {here.shown(secret='')}",),
        (f"Authorization: {here.shown(secret=other)}",),
        (f"Authorization: {here.shown(secret='é')}",),
        (f"Authorization: {here.shown()[:-1]}",),
        (f"Authorization: {here.shown().replace(TASK, 'other00000')}",),
        (f"Authorization: {here.shown()} more",),
        ("Cookie: __Host-specola=entry-of-ada",),
    ):
        answer = await asked(here, *fields)
        assert (answer.status, answer.body) == (403, b""), fields
        assert answer.header("authentication-info") is None
    assert not here.stage.web.public


async def test_task_that_has_ended_is_refused_whoever_has_kept_its_secret(here: House) -> None:
    here.computing.running.clear()
    assert (await asked(here, f"Authorization: {here.shown()}")).status == 403


async def test_task_that_is_gone_is_refused(here: House) -> None:
    await here.directory.drop_way(TASK)
    assert (await asked(here, f"Authorization: {here.shown()}")).status == 403


async def test_only_a_websocket_is_carried_on(here: House) -> None:
    visitor = await here.stage.visitor()
    plain = b"GET /.specola/agents HTTP/1.1\r\nHost: localhost:8080\r\n\r\n"
    assert (await visitor.ask(plain)).status == 426
    body = head_of(f"Authorization: {here.shown()}", "Content-Length: 5") + b"hello"
    assert (await (await here.stage.visitor()).ask(body)).status == 426


async def test_agent_that_comes_too_often_has_to_wait(here: House) -> None:
    await let_in(here)
    assert (await asked(here, f"Authorization: {here.shown()}")).status == 429


async def test_many_that_say_nothing_stand_in_nobodys_way(here: House) -> None:
    slow = [await here.stage.visitor() for _ in range(3 * MOST_UNKNOWN)]
    for visitor in slow:
        await visitor.send(head_of(f"Authorization: {here.shown()}")[:-2])
    # Their heads are not whole, so the gateway has handed none of them over.
    await let_in(here)
    direct = [await asyncio.open_unix_connection(here.path) for _ in range(MOST_UNKNOWN)]
    async with asyncio.timeout(20):
        while True:
            reader, writer = await asyncio.open_unix_connection(here.path)
            writer.write(head_of())
            status = (await reader.readuntil(b"\r\n\r\n")).split()[1]
            writer.transport.abort()
            if status == b"503":
                break
    for _, writer in direct:
        writer.transport.abort()


@pytest.mark.parametrize(
    "sent",
    [
        struct.pack("!BBQ", 0x82, 0x80 | 127, 1 << 40) + bytes(4) + b"x" * 200_000,
        frame(BINARY, b"\0specola agent 1\n" + struct.pack(">IBI", 1, 3, 1 << 31)),
        frame(BINARY, b"\0specola agent 1\n" + struct.pack(">IBI", 1, 1, 2) + b"{}"),
        platforms_frame(BINARY, b"not masked"),
        frame(0x1, b"text"),
        frame(0xB, b""),
    ],
    ids=["endless", "long frame within", "opens a stream", "not masked", "text", "unknown kind"],
)
async def test_hostile_agent_is_hung_up_on(here: House, sent: bytes) -> None:
    visitor = await let_in(here)
    await visitor.send(sent)
    await visitor.rest()


async def test_agent_believes_no_other_platform(here: House) -> None:
    secret = here.enrolment.secret(TASK)
    async with house() as stranger, Node.opened(url=f"http://127.0.0.1:{stranger.stage.port}", secret=secret) as node:
        assert await node.said() == "the platform does not know this task"

    async def says_yes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came = await reader.readuntil(b"\r\n\r\n")
        assert secret.encode() not in came
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x\r\n\r\n")
        assert await reader.read() == b""
        writer.close()

    server = await asyncio.start_server(says_yes, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with Node.opened(url=f"http://127.0.0.1:{port}", secret=secret) as node:
        assert await node.said() == "what answers is no WebSocket"
        assert not node.links
    server.close()


async def test_agent_dials_no_address_without_tls(here: House) -> None:
    async with Node.opened(url=f"http://localhost:{here.stage.port}", secret="x") as node:
        assert await node.said() == "the platform's address has no TLS"


async def test_tls_is_checked_also_through_the_sites_proxy(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path, "localhost")
    asked_for: list[bytes] = []
    async with house(tls=server_tls(certificate, key), public_url="https://localhost") as platform:
        port = platform.stage.port

        async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked_for.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0])
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await carry(reader, writer, partial(asyncio.open_connection, "127.0.0.1", port))

        secret, url = platform.enrolment.secret(TASK), f"https://localhost:{port}"
        async with Node.opened(url=url, secret=secret) as node:
            assert "CERTIFICATE_VERIFY_FAILED" in await node.said()
        server = await asyncio.start_server(proxy, "127.0.0.1", 0)
        through = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        authority = certificate.read_text(encoding="ascii")
        async with Node.opened(url=url, secret=secret, authority=authority, proxy=through):
            assert await echoes(await reached(platform))
        server.close()
    assert asked_for[0] == f"CONNECT localhost:{port} HTTP/1.1".encode()


def test_both_processes_come_to_the_same_secret(tmp_path: Path) -> None:
    first, second = Enrolment.make(tmp_path), Enrolment.make(tmp_path)
    assert first.secret("a") == second.secret("a") != first.secret("b")
    assert (tmp_path / "agents" / "key").stat().st_mode & 0o777 == 0o600


def test_frames_of_a_server_are_read_in_whatever_pieces() -> None:
    sent = b"".join(platforms_frame(BINARY, b"x" * size) for size in (0, 125, 126, 65535, 65536)) + closing(1000)
    for step in (1, 7, len(sent)):
        frames, came = Frames(), []
        for at in range(0, len(sent), step):
            came += list(frames.feed(sent[at : at + step]))
        assert [len(content) for kind, content in came if kind == BINARY] == [0, 125, 126, 65535, 65536]
    for wrong in (b"\x82\x80", b"\x8f\x00", b"\xc2\x00", b"\x89\x7e", struct.pack("!BBQ", 0x82, 127, 1 << 40)):
        with pytest.raises(FrameError):
            list(Frames().feed(wrong))


def test_frames_of_an_agent_are_what_the_platform_reads() -> None:
    came: list[bytes] = []

    class Sink:
        def took(self, data: bytes | memoryview) -> None:
            came.append(bytes(data))

        def said(self, text: bytes) -> None:
            raise AssertionError(text)

        def pinged(self, payload: bytes) -> None:
            raise AssertionError(payload)

        def closed(self, code: int, reason: str) -> None:
            raise AssertionError(code, reason)

    reader = Reader(Sink(), masked=True)
    for size in (1, 125, 126, 65535, 65536):
        reader.feed(frame(BINARY, b"x" * size))
    assert sum(map(len, came)) == 1 + 125 + 126 + 65535 + 65536
