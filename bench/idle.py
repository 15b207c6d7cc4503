"""Memory that the gateway needs for a WebSocket on which nothing happens."""

import asyncio
import resource
from pathlib import Path

from bench.contenders import COOKIE, HOST, free_port, gateway
from bench.measuring import resident

__all__ = ["bytes_per_idle_websocket"]

UPGRADE = (
    f"GET /socket HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    f"Origin: http://{HOST}:%d\r\nSec-Fetch-Site: same-origin\r\nCookie: __Host-specola={COOKIE}\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
WARM = 200


def bytes_per_idle_websocket(folder: Path, count: int) -> float:
    """Open `count` WebSockets through a fresh gateway; return the growth of its memory for each, in bytes."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    backend = free_port()
    with gateway(folder / "idle", backend) as one:
        return asyncio.run(measure(one.port, one.pid, backend, count))


async def measure(port: int, pid: int, backend: int, count: int) -> float:
    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(SWITCHED)

    async def connect() -> asyncio.StreamWriter:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write((UPGRADE % port).encode())
        await reader.readuntil(b"\r\n\r\n")
        return writer

    async with await asyncio.start_server(accept, "127.0.0.1", backend, backlog=1024):
        held = [await connect() for _ in range(WARM)]
        before = resident(pid)
        held += [await connect() for _ in range(count)]
        growth = resident(pid) - before
        for writer in held:
            writer.transport.abort()
        return growth / count
