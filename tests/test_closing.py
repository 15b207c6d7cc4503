"""The end of a connection whose other side reads slowly, or not at all."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from specola.closing import close

pytestmark = pytest.mark.anyio

MOST = 64 * 1024**2


@asynccontextmanager
async def full() -> AsyncIterator[tuple[asyncio.StreamWriter, socket.socket, int]]:
    """Give a connection that has more to send than the other side takes, that side, and how much it is."""
    ours, theirs = socket.socketpair()
    _, writer = await asyncio.open_connection(sock=ours)
    data = bytes(MOST)
    writer.write(data)
    with theirs:
        yield writer, theirs, len(data)


async def test_who_reads_nothing_holds_nobody_up() -> None:
    async with full() as (writer, theirs, size):
        async with asyncio.timeout(20):
            await close(writer, seconds=0.05)
        received = 0
        while data := await asyncio.to_thread(theirs.recv, 1 << 20):
            received += len(data)
        assert received < size


async def test_who_reads_in_time_gets_the_rest() -> None:
    async with full() as (writer, theirs, size):
        closing = asyncio.create_task(close(writer))
        received = 0
        while data := await asyncio.to_thread(theirs.recv, 1 << 20):
            received += len(data)
        await closing
        assert received == size
