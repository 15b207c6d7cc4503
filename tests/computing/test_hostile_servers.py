"""Engines and clusters that people name: an answer without an end does not fill the memory of whoever asked."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiodocker.exceptions import DockerError

from specola.clock import Clock
from specola.computing.engine import api as engine_api
from specola.computing.engine.api import Engine
from specola.computing.kinds import Context, open_computing
from specola.computing.kubernetes import api as cluster_api
from specola.computing.kubernetes.api import Api
from specola.computing.kubernetes.errors import ApiError
from specola.computing.kubernetes.kubeconfig import Access
from specola.domain.budget import Budget
from specola.domain.errors import ComputingUnreachableError

pytestmark = pytest.mark.anyio

KUBECONFIG = """\
current-context: a
contexts: [{name: a, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "http://127.0.0.1:PORT"}}]
users: [{name: u, user: {}}]
"""
PART = b"[" * 1024 * 1024


@pytest.fixture
async def server() -> AsyncIterator[tuple[int, list[int]]]:
    """A server whose every answer goes on for ever: its port, and how much it could send to each who asked."""
    sent: list[int] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        place = len(sent)
        sent.append(0)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n")
        try:
            while True:
                writer.write(PART)
                await writer.drain()
                sent[place] += len(PART)
        except OSError:
            writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as listening:
        yield listening.sockets[0].getsockname()[1], sent


async def test_endless_answer_of_an_engine(server: tuple[int, list[int]]) -> None:
    port, sent = server
    engine = Engine(f"tcp://127.0.0.1:{port}")
    with pytest.raises(aiohttp.ClientPayloadError, match="no end"):
        await engine.docker.version()
    await engine.close()
    assert sent[0] < 2 * engine_api.MOST_ANSWER


async def test_endless_answer_of_a_cluster(server: tuple[int, list[int]]) -> None:
    port, sent = server
    api = Api(lambda: Access(server=f"http://127.0.0.1:{port}"), local=True)
    with pytest.raises(EOFError, match="no end"):
        await api.get("/version")
    await api.close()
    assert sent[0] < 2 * cluster_api.MOST_ANSWER


@pytest.mark.parametrize(
    "answer", [b"404 Not Found\r\nContent-Length: 0\r\n\r\n", b"200 OK\r\nContent-Length: 2\r\n\r\nhi"]
)
async def test_server_of_something_else_is_neither_an_engine_nor_a_cluster(answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 " + answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        kubeconfig = KUBECONFIG.replace("PORT", str(port))
        context = Context(installation="abcdefghjkmn", data=Path("/nowhere"), clock=Clock())
        for kind, settings in (
            ("engine", {"url": f"tcp://127.0.0.1:{port}"}),
            ("kubernetes", {"kubeconfig": kubeconfig}),
        ):
            computing = open_computing(kind, name="there", settings=settings, context=context)
            with pytest.raises(ComputingUnreachableError, match="what answers there is no"):
                await computing.probe(Budget(10.0, "Asking"))
            with pytest.raises(ComputingUnreachableError):
                await computing.discover()
            await computing.close()


async def test_usual_answers_are_read_whole_over_one_connection() -> None:
    came = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal came
        came += 1
        while head := await reader.readuntil(b"\r\n\r\n"):
            missing = b"/missing" in head
            body = b'{"message": "no such thing"}' if missing else b'{"ApiVersion": "1.41", "items": [1, 2]}'
            status = b"404 Not Found" if missing else b"200 OK"
            kind = b"Content-Type: application/json"
            writer.write(b"HTTP/1.1 %s\r\n%s\r\nContent-Length: %d\r\n\r\n%s" % (status, kind, len(body), body))

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            await answer(reader, writer)
        writer.close()

    async with await asyncio.start_server(served, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        engine = Engine(f"tcp://127.0.0.1:{port}")
        for _ in range(3):
            assert (await engine.get("info", {}))["items"] == [1, 2]
        with pytest.raises(DockerError, match="no such thing"):
            await engine.get("missing", {})
        await engine.close()
        assert came == 1
        api = Api(lambda: Access(server=f"http://127.0.0.1:{port}"), local=True)
        for _ in range(3):
            assert (await api.get("/version"))["items"] == [1, 2]
        with pytest.raises(ApiError, match="no such thing"):
            await api.get("/missing")
        await api.close()
        assert came == 2
