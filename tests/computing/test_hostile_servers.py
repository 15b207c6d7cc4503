"""Engines and clusters that people name: an answer without an end does not fill the memory of whoever asked."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiodocker.exceptions import DockerError

from specola.computing.engine import api as engine_api
from specola.computing.engine.api import Engine
from specola.computing.kubernetes import api as cluster_api
from specola.computing.kubernetes.api import Api
from specola.computing.kubernetes.errors import ApiError
from specola.computing.kubernetes.kubeconfig import Access

pytestmark = pytest.mark.anyio

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
