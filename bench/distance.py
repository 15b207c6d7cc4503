"""A way to a port that takes as long as one to another town: what lies far away waits for each answer that it needs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

__all__ = ["far_away"]

PIECE = 65536


@asynccontextmanager
async def far_away(address: str, port: int, *, seconds: float) -> AsyncIterator[int]:
    """Have a port of this machine that leads to another while the body runs, each byte taking `seconds` each way; yields it."""
    carrying: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, onward = await asyncio.open_connection(address, port)
        task = asyncio.current_task()
        assert task is not None
        carrying.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await asyncio.gather(_carry(reader, onward, seconds), _carry(back, writer, seconds))
        finally:
            carrying.discard(task)
            for one in (onward, writer):
                one.transport.abort()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(carrying):
            task.cancel()
        await asyncio.gather(*carrying, return_exceptions=True)


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    """Hand on what comes, each piece as much later as the way is long; many pieces are on their way at once."""
    loop = asyncio.get_running_loop()
    on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def arrive() -> None:
        while True:
            due, data = await on_the_way.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not data:
                writer.close()
                return
            writer.write(data)

    arriving = asyncio.create_task(arrive())
    try:
        while data := await reader.read(PIECE):
            on_the_way.put_nowait((loop.time() + seconds, data))
        on_the_way.put_nowait((loop.time() + seconds, b""))
        await arriving
    finally:
        arriving.cancel()
