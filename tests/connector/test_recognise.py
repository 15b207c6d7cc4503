"""What speaks at a port: hand-written peers that greet, answer, say nothing, say too much or break off."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from specola.computing.tcp import SocketStream
from specola.connector.recognise import Recognition, recognise
from specola.domain.software import Protocol
from tests.support.certificates import make_certificate

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
MYSQL = b"\x2f\x00\x00\x00\x0a8.4.3\x00" + bytes(40)
BLOCKED = b"\x10\x00\x00\x00\xffHost is blocked"
FRAME_SETTINGS = bytes((0, 0, 6, 4, 0, 0, 0, 0, 0)) + b"\x00\x03\x00\x00\x00\x64"
HTTP = b"HTTP/1.1 302 Found\r\nLocation: /lab\r\n\r\n"


class Server:
    """A peer on a loopback port, which counts its connections."""

    def __init__(self, serve: Serve) -> None:
        self.serve = serve
        self.connections = 0
        self.port = 0
        self.tasks: set[asyncio.Task[None]] = set()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        # Cancelled at the end of the test, which is no failure.
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await self.serve(reader, writer)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        self.tasks.discard(task)

    async def dial(self) -> SocketStream:
        return await SocketStream.connect("127.0.0.1", self.port)


@asynccontextmanager
async def serving(serve: Serve, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    server = Server(serve)
    async with await asyncio.start_server(server.connected, "127.0.0.1", 0, ssl=tls) as listening:
        server.port = listening.sockets[0].getsockname()[1]
        try:
            yield server
        finally:
            for task in server.tasks:
                task.cancel()
            await asyncio.gather(*server.tasks)


def greets(greeting: bytes) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        await reader.read()

    return serve


def answers(question: bytes, answer: bytes, otherwise: bytes = b"") -> Serve:
    """Answer one question; to others say something else and leave."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (await reader.read(4096)).startswith(question):
            writer.write(answer)
            await reader.read()
        writer.write(otherwise)

    return serve


async def known(serve: Serve, *, port: int = 0, tls: ssl.SSLContext | None = None) -> tuple[Recognition, int]:
    async with serving(serve, tls=tls) as server:
        found = await recognise(server.dial, port or server.port)
        return found, server.connections


@pytest.mark.parametrize(
    ("greeting", "protocol"),
    [
        (b"SSH-2.0-OpenSSH_10.2\r\n", Protocol.SSH),
        (b"RFB 003.008\n", Protocol.RFB),
        (MYSQL, Protocol.MYSQL),
        (BLOCKED, Protocol.MYSQL),
        (b"-DENIED Redis is running in protected mode\r\n", Protocol.REDIS),
        (FRAME_SETTINGS, Protocol.GRPC),
        (b"220 mail.example.test ESMTP\r\n", Protocol.TCP),
        (b"+OK\r\n", Protocol.TCP),
        (b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f", Protocol.TCP),
    ],
)
async def test_what_greets_is_known_by_one_connection(greeting: bytes, protocol: Protocol) -> None:
    assert await known(greets(greeting)) == (Recognition(protocol, certain=True), 1)


@pytest.mark.parametrize(
    ("question", "answer", "otherwise", "protocol"),
    [
        (b"HEAD / HTTP/1.0", HTTP, b"", Protocol.HTTP),
        (b"HEAD / HTTP/1.0", b"HTTP/1.0 501 Unsupported method\r\n\r\n", b"", Protocol.HTTP),
        (b"HEAD / HTTP/1.0", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", Protocol.HTTP),
        (b"HEAD / HTTP/1.0", b"-ERR unknown command 'HEAD'\r\n", b"", Protocol.REDIS),
        (b"PING\r\n", b"+PONG\r\n", b"", Protocol.REDIS),
        (b"PING\r\n", b"-NOAUTH Authentication required.\r\n", b"", Protocol.REDIS),
        (b"\x00\x00\x00\x08\x04\xd2\x16\x2f", b"N", b"", Protocol.POSTGRES),
        (b"\x00\x00\x00\x08\x04\xd2\x16\x2f", b"S", b"", Protocol.POSTGRES),
        (b"PRI * HTTP/2.0", FRAME_SETTINGS, b"", Protocol.GRPC),
        (b"HEAD / HTTP/1.0", FRAME_SETTINGS, b"", Protocol.GRPC),
        (b"HEAD / HTTP/1.0", b"ERROR\r\nERROR\r\n", b"", Protocol.TCP),
    ],
)
async def test_what_answers_is_known_by_its_answer(
    question: bytes, answer: bytes, otherwise: bytes, protocol: Protocol
) -> None:
    found, connections = await known(answers(question, answer, otherwise))
    assert found == Recognition(protocol, certain=True)
    assert connections <= 6


@pytest.mark.parametrize(
    ("port", "question", "answer", "protocol"),
    [
        (5432, b"\x00\x00\x00\x08\x04\xd2\x16\x2f", b"N", Protocol.POSTGRES),
        (6379, b"PING\r\n", b"+PONG\r\n", Protocol.REDIS),
        (50051, b"PRI * HTTP/2.0", FRAME_SETTINGS, Protocol.GRPC),
    ],
)
async def test_what_usually_speaks_at_a_port_is_asked_for_first(
    port: int, question: bytes, answer: bytes, protocol: Protocol
) -> None:
    assert await known(answers(question, answer), port=port) == (Recognition(protocol, certain=True), 1)


@pytest.mark.parametrize("port", [443, 5432, 6379, 50051])
async def test_web_server_at_the_port_of_something_else_is_known_all_the_same(port: int) -> None:
    serve = answers(b"HEAD / HTTP/1.0", HTTP, b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert (await known(serve, port=port))[0] == Recognition(Protocol.HTTP, certain=True)


def tls_of(folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*make_certificate(folder, "localhost"))
    return context


async def test_https_is_known_and_so_is_tls_with_something_else_inside(tmp_path: Path) -> None:
    tls = tls_of(tmp_path)
    serve = answers(b"HEAD / HTTP/1.0", HTTP)
    assert (await known(serve, tls=tls))[0] == Recognition(Protocol.HTTPS, certain=True)
    assert (await known(greets(b"* OK IMAP4rev1 ready\r\n"), tls=tls))[0] == Recognition(Protocol.TCP, certain=True)


async def test_server_of_https_that_answers_plain_http_by_a_complaint_is_known(tmp_path: Path) -> None:
    tls = tls_of(tmp_path)
    async with serving(answers(b"HEAD / HTTP/1.0", HTTP), tls=tls) as inner:

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            first = await reader.read(4096)
            if first.startswith(b"HEAD"):
                writer.write(b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")
                return
            stream = await inner.dial()
            await stream.write(first)

            async def back() -> None:
                while data := await stream.read():
                    writer.write(data)

            backwards = asyncio.create_task(back())
            try:
                while data := await reader.read(4096):
                    await stream.write(data)
            finally:
                backwards.cancel()
                await stream.close()

        assert (await known(serve))[0] == Recognition(Protocol.HTTPS, certain=True)


async def test_silence_is_not_certain() -> None:
    async def serve(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)

    found, connections = await known(serve)
    assert found == Recognition(Protocol.TCP, certain=False)
    assert connections == 5


async def test_what_breaks_off_every_connection_is_asked_no_more_than_once_each() -> None:
    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    found, connections = await known(serve)
    assert found == Recognition(Protocol.TCP, certain=False)
    assert connections == 5


async def test_endless_banner_is_not_read_to_its_end() -> None:
    sent = 0

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        while True:
            writer.write(b"N" * 65536)
            await writer.drain()
            sent += 65536

    found, connections = await known(serve)
    assert (found, connections) == (Recognition(Protocol.TCP, certain=True), 1)
    assert sent < 16 * 1024**2


async def test_endless_answer_inside_a_handshake_is_given_up() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (await reader.read(4096))[:1] == b"\x16":
            while True:
                # The head of a record of 16 KiB, again and again, of which no handshake is made.
                writer.write(b"\x16\x03\x03\x40\x00" + bytes(16384))
                await writer.drain()

    assert (await known(serve))[0] == Recognition(Protocol.TCP, certain=True)


async def test_bytes_that_trickle_are_waited_for_only_so_long() -> None:
    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for byte in b"SSH-2.0-slow and slower and slowest\r\n":
            writer.write(bytes((byte,)))
            await writer.drain()
            await asyncio.sleep(0.02)

    assert (await known(serve))[0] == Recognition(Protocol.SSH, certain=True)


async def test_echo_is_not_taken_for_what_was_said_to_it() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(4096):
            writer.write(data)

    for port in (0, 443, 5432, 6379, 50051):
        assert (await known(serve, port=port))[0].protocol is Protocol.TCP


async def test_port_that_cannot_be_dialled_is_told_as_such() -> None:
    async with serving(greets(b"")) as server:
        pass
    with pytest.raises(OSError, match=r"refused|Connect call failed"):
        await recognise(server.dial, server.port)
