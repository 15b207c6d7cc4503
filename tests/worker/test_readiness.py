"""Whether an interface answers, tried on real sockets."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from specola.domain.software import Health, Interface, Protocol
from specola.domain.task import Endpoint
from specola.worker.readiness import answers

pytestmark = pytest.mark.anyio

Speaker = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def served(speak: Speaker) -> AsyncIterator[Endpoint]:
    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            # A visitor that only tries goes away without a word.
            with contextlib.suppress(OSError):
                await speak(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with server:
        yield Endpoint(host="127.0.0.1", port=server.sockets[0].getsockname()[1])


def replying(line: str) -> Speaker:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"GET /") and b"\r\nHost: localhost\r\n" in head  # noqa: PT018 - one request line
        writer.write(f"{line}\r\nContent-Length: 0\r\n\r\n".encode())

    return speak


async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    _ = await reader.read()


async def closing(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    return


LAB = Interface(name="lab", port=1)
API = Interface(name="api", port=1, health=Health(path="/api", expect="200-399,401,403"))
SHELL = Interface(name="shell", port=1, protocol=Protocol.SSH)


@pytest.mark.parametrize(
    ("interface", "line", "ready"),
    [
        (LAB, "HTTP/1.1 200 OK", True),
        (LAB, "HTTP/1.0 503 No", True),
        (API, "HTTP/1.1 302 Found", True),
        (API, "HTTP/1.1 401 Who", True),
        (API, "HTTP/1.1 503 No", False),
        (API, "HTTP/1.1 404 No", False),
        (LAB, "SSH-2.0-x y", False),
        (LAB, "HTTP/1.1 abc", False),
        (LAB, "", False),
    ],
)
async def test_http_is_judged_by_its_answer(interface: Interface, line: str, *, ready: bool) -> None:
    async with served(replying(line)) as endpoint:
        assert await answers(interface, endpoint) is ready


async def test_a_silent_http_server_is_not_ready_and_is_waited_for_only_so_long() -> None:
    async with served(silent) as endpoint:
        assert not await answers(LAB, endpoint, patience=0.1)


async def test_another_protocol_is_ready_when_it_keeps_the_connection() -> None:
    async with served(silent) as endpoint:
        assert await answers(SHELL, endpoint)


async def test_a_proxy_that_accepts_and_closes_is_not_ready() -> None:
    async with served(closing) as endpoint:
        assert not await answers(SHELL, endpoint)
        assert not await answers(LAB, endpoint)


async def test_nobody_there_is_not_ready() -> None:
    async with served(silent) as endpoint:
        pass
    assert not await answers(SHELL, endpoint)
    assert not await answers(LAB, Endpoint(path="/nowhere/x.sock"))
