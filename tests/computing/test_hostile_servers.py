"""Engines and clusters that people name: an answer without an end does not fill the memory of whoever asked."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from specola.computing.engine import api as engine_api
from specola.computing.engine.api import Engine
from specola.computing.kubernetes import api as cluster_api
from specola.computing.kubernetes.api import Api
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
