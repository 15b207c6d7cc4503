"""Pipes and terminals, read and written without waiting in the way of others."""

from __future__ import annotations

import asyncio
import contextlib
import os

__all__ = ["Sink", "Source", "readable"]


class _UntilTheEnd(asyncio.StreamReaderProtocol):
    """Takes an error for the end: a reader with an error gives nothing more of what it has read before."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that nothing more comes."""
        del exc
        super().connection_lost(None)


class Source:
    """What comes out of a pipe or a terminal."""

    def __init__(self, reader: asyncio.StreamReader, transport: asyncio.BaseTransport) -> None:
        self._reader = reader
        self._transport = transport

    @classmethod
    async def of(cls, descriptor: int) -> Source:
        """Own a descriptor from now on."""
        reader = asyncio.StreamReader()
        file = os.fdopen(descriptor, "rb", buffering=0)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(lambda: _UntilTheEnd(reader), file)
        return cls(reader, transport)

    async def read(self, most: int = 65536) -> bytes:
        """Return up to `most` bytes; empty at the end, which a terminal tells by an error."""
        with contextlib.suppress(OSError):
            return await self._reader.read(most)
        return b""

    async def line(self) -> bytes:
        """Return a line, with its end if that came."""
        with contextlib.suppress(OSError, ValueError):
            return await self._reader.readline()
        return b""

    def close(self) -> None:
        """Give it back."""
        self._transport.close()


class Sink(asyncio.Protocol):
    """What goes into a pipe or a terminal."""

    def __init__(self) -> None:
        self._room = asyncio.Event()
        self._room.set()
        self._transport: asyncio.WriteTransport
        self._lost = False

    @classmethod
    async def of(cls, descriptor: int) -> Sink:
        """Own a descriptor from now on."""
        file = os.fdopen(descriptor, "wb", buffering=0)
        transport, sink = await asyncio.get_running_loop().connect_write_pipe(cls, file)
        sink._transport = transport  # noqa: SLF001 -- it is one of us
        return sink

    def pause_writing(self) -> None:
        """Note that the other side is slow."""
        self._room.clear()

    def resume_writing(self) -> None:
        """Note that there is room again."""
        self._room.set()

    def connection_lost(self, _: Exception | None) -> None:
        """Note that nobody reads any more."""
        self._lost = True
        self._room.set()

    async def write(self, data: bytes) -> None:
        """Write, waiting while the other side is slow; what nobody reads any more is dropped."""
        if not self._lost and not self._transport.is_closing():
            self._transport.write(data)
            await self._room.wait()

    def close(self) -> None:
        """Say that nothing more comes, once all was written."""
        self._transport.close()

    def abort(self) -> None:
        """Give it back at once."""
        if not self._lost:
            self._transport.abort()


async def readable(descriptor: int) -> None:
    """Return once there is something to read."""
    loop = asyncio.get_running_loop()
    ready = loop.create_future()

    def tell() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(descriptor, tell)
    try:
        await ready
    finally:
        loop.remove_reader(descriptor)
