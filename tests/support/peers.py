"""Hand-written TCP peers for the gateway: a visitor and a task, byte by byte, with no HTTP library between."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

__all__ = ["Answer", "Peer", "Task", "connect", "plain"]

PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it arrived; `raw` is its head byte for byte."""

    status: int
    raw: bytes
    body: bytes = b""

    def headers(self, name: str) -> list[str]:
        """Return every value of a header, in order."""
        lines = self.raw.decode("latin-1").split("\r\n")[1:]
        return [line.partition(":")[2].strip() for line in lines if line.lower().startswith(f"{name.lower()}:")]

    def header(self, name: str) -> str | None:
        """Return a header's first value."""
        return next(iter(self.headers(name)), None)


class Peer:
    """One end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        """Send bytes, however long the other side takes to read them."""
        self.writer.write(data)
        async with asyncio.timeout(PATIENCE):
            await self.writer.drain()

    async def head(self) -> bytes:
        """Read up to and with the empty line."""
        async with asyncio.timeout(PATIENCE):
            return await self.reader.readuntil(b"\r\n\r\n")

    async def exactly(self, size: int) -> bytes:
        """Read so many bytes."""
        async with asyncio.timeout(PATIENCE):
            return await self.reader.readexactly(size)

    async def until(self, mark: bytes) -> bytes:
        """Read up to and with `mark`."""
        async with asyncio.timeout(PATIENCE):
            return await self.reader.readuntil(mark)

    async def rest(self) -> bytes:
        """Read until the other side ends; a reset counts as an end."""
        found = b""
        async with asyncio.timeout(PATIENCE):
            try:
                while data := await self.reader.read(65536):
                    found += data
            except ConnectionError:
                pass
            return found

    async def answer(self, *, to: str = "GET") -> Answer:
        """Read one answer, its body by Content-Length, in chunks (kept as sent), or up to the end."""
        raw = await self.head()
        status = int(raw.split(b" ")[1])
        found = Answer(status, raw)
        if to == "HEAD" or status in {204, 304} or status < 200:
            return found
        if (found.header("transfer-encoding") or "").lower() == "chunked":
            body = await self.until(b"0\r\n")
            while (line := await self.until(b"\r\n")) != b"\r\n":
                body += line
            return Answer(status, raw, body + b"\r\n")
        length = found.header("content-length")
        return Answer(status, raw, await self.rest() if length is None else await self.exactly(int(length)))

    async def ask(self, request: bytes, *, to: str = "GET") -> Answer:
        """Send a request and read its answer."""
        await self.send(request)
        return await self.answer(to=to)

    def end(self) -> None:
        """Send no more."""
        self.writer.write_eof()

    def close(self) -> None:
        """Close at once."""
        self.writer.transport.abort()

    def reset(self) -> None:
        """Close at once, and throw away what is on its way."""
        if self.writer.transport.is_closing():
            return
        connection: socket.socket = self.writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def ended(self) -> bool:
        """Wait for the other side to end; False if it sent something instead."""
        return await self.rest() == b""


async def connect(port: int) -> Peer:
    """Connect to the gateway."""
    return Peer(*await asyncio.open_connection("127.0.0.1", port))


class Task:
    """A server for the test to play: each connection that arrives is handed out by `accept`."""

    def __init__(self, server: asyncio.Server, arrived: asyncio.Queue[Peer]) -> None:
        self._server = server
        self._arrived = arrived
        self.peers: list[Peer] = []

    @classmethod
    @asynccontextmanager
    async def listening(
        cls, play: Callable[[Peer], Awaitable[None]] | None = None, *, path: Path | None = None
    ) -> AsyncIterator[Self]:
        """Listen for the body of the statement; with `play`, each connection is played by it."""
        arrived: asyncio.Queue[Peer] = asyncio.Queue()

        async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            peer = Peer(reader, writer)
            made.peers.append(peer)
            if play is None:
                arrived.put_nowait(peer)
                return
            try:
                await play(peer)
            except (asyncio.IncompleteReadError, ConnectionError):
                peer.close()

        server = (
            await asyncio.start_server(take, "127.0.0.1", 0)
            if path is None
            else await asyncio.start_unix_server(take, path)
        )
        made = cls(server, arrived)
        try:
            yield made
        finally:
            server.close()
            for peer in made.peers:
                peer.close()

    def stop(self) -> None:
        """Accept nothing more."""
        self._server.close()

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def endpoint(self) -> dict[str, object]:
        """Where it listens, as `web` says it."""
        return {"host": "127.0.0.1", "port": self.port}

    async def accept(self) -> Peer:
        """Wait for the next connection."""
        async with asyncio.timeout(PATIENCE):
            return await self._arrived.get()


def plain(body: bytes = b"hello", *headers: str, status: str = "200 OK") -> bytes:
    """Make an answer with Content-Length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body
