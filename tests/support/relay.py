"""A way to an engine's socket that a test can cut and mend, so that the engine seems to be down; and what carries its bytes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

__all__ = ["Dial", "Passage", "Way", "carry", "relayed"]

Dial = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


class Way:
    """A Unix socket in front of another."""

    def __init__(self, target: Path, path: Path) -> None:
        self._target = target
        self._path = path
        self._server: asyncio.Server | None = None
        self._carrying: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Listen."""
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._accept, self._path)

    def close(self) -> None:
        """Stop listening, and cut every connection."""
        if self._server is not None:
            self._server.close()
        self._path.unlink(missing_ok=True)
        for task in self._carrying:
            task.cancel()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)
        with contextlib.suppress(asyncio.CancelledError):
            await carry(reader, writer, lambda: asyncio.open_unix_connection(self._target))


class Passage:
    """A port of this machine in front of a server of another, which a test can cut and shut."""

    def __init__(self, address: str, port: int) -> None:
        self._onward = partial(asyncio.open_connection, address, port)
        self._server: asyncio.Server | None = None
        self._carrying: set[asyncio.Task[None]] = set()
        self.port = 0

    async def open(self) -> None:
        """Listen; at the same port as before, if it was open."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Cut every connection; new ones are let through."""
        carrying = list(self._carrying)
        for task in carrying:
            task.cancel()
        await asyncio.gather(*carrying, return_exceptions=True)

    async def close(self) -> None:
        """Cut every connection, and let no more through."""
        if self._server is not None:
            self._server.close()
        await self.cut()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)
        with contextlib.suppress(asyncio.CancelledError):
            await carry(reader, writer, self._onward)


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, dial: Dial) -> None:
    """Carry bytes both ways between a connection and another that is dialled, until both have ended or one is cut."""
    onward: asyncio.StreamWriter | None = None
    try:
        back, onward = await dial()
        await asyncio.gather(_copy(reader, onward), _copy(back, writer))
    except OSError:
        pass
    finally:
        for one in (writer, onward):
            if one is not None:
                one.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        with contextlib.suppress(OSError):
            writer.write_eof()


@asynccontextmanager
async def relayed(target: Path, path: Path) -> AsyncIterator[Way]:
    """Give a way to `target` at `path` for the body."""
    way = Way(target, path)
    await way.open()
    try:
        yield way
    finally:
        way.close()
