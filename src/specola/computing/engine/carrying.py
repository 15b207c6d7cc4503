"""A transport over a stream of the port, so that what is written for sockets speaks through whatever way there is."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, cast

import aiohttp
from typing_extensions import override

from specola.ports.computing import Stream

__all__ = ["CarriedTransport", "StreamConnector", "Way"]

Way = Callable[[], Awaitable[Stream]]
"""Opens a new connection to an engine's API. Raises our own errors."""

PIECE = 65536
HIGH, LOW = 256 * 1024, 64 * 1024


class CarriedTransport(asyncio.Transport):
    """Hands what a stream brings to a protocol, and sends what the protocol writes; each half may end by itself.

    A pair of sockets with a pump between would be shorter, but could not tell that its user closed from that its user
    has nothing more to say, and so would keep streams that nobody reads.
    """

    def __init__(self, stream: Stream, protocol: asyncio.BaseProtocol) -> None:
        super().__init__()
        self._stream = stream
        self._protocol = cast("asyncio.Protocol", protocol)
        self._kept = bytearray()
        self._high, self._low = HIGH, LOW
        self._full = False
        self._ending = False
        self._closing = False
        self._failure: Exception | None = None
        self._wanted = asyncio.Event()
        self._wanted.set()
        self._work = asyncio.Event()
        self._protocol.connection_made(self)
        self._reader = asyncio.create_task(self._read())
        self._writer = asyncio.create_task(self._write())

    async def _read(self) -> None:
        try:
            while not self._closing:
                await self._wanted.wait()
                data = await self._stream.read(PIECE)
                # Nothing is handed over while the protocol wants nothing, not even what was on its way.
                await self._wanted.wait()
                if self.is_closing():
                    return
                if not data:
                    if not self._protocol.eof_received():
                        self.close()
                    return
                self._protocol.data_received(data)
        except OSError as error:
            self._break(error)

    async def _write(self) -> None:
        """Send what is kept, then end our half or the whole, as it was asked for."""
        try:
            while True:
                await self._work.wait()
                self._work.clear()
                while self._kept and self._failure is None:
                    data = bytes(self._kept[:PIECE])
                    del self._kept[:PIECE]
                    await self._stream.write(data)
                    self._relent()
                if self._closing:
                    return
                if self._ending:
                    await self._stream.end()
        except OSError as error:
            self._break(error)
        finally:
            self._reader.cancel()
            with contextlib.suppress(OSError):
                await self._stream.close()
            self._protocol.connection_lost(self._failure)

    def _relent(self) -> None:
        if self._full and len(self._kept) <= self._low:
            self._full = False
            self._protocol.resume_writing()

    def _break(self, error: Exception) -> None:
        self._failure = self._failure or error
        self.close()

    @override
    def write(self, data: Any) -> None:
        if self._closing or self._ending:
            return
        self._kept += data
        self._work.set()
        if len(self._kept) > self._high and not self._full:
            self._full = True
            self._protocol.pause_writing()

    @override
    def can_write_eof(self) -> bool:
        return True

    @override
    def write_eof(self) -> None:
        self._ending = True
        self._work.set()

    @override
    def close(self) -> None:
        self._closing = True
        self._wanted.set()
        self._work.set()

    @override
    def abort(self) -> None:
        self._kept.clear()
        self.close()

    @override
    def is_closing(self) -> bool:
        return self._closing

    @override
    def pause_reading(self) -> None:
        if not self._closing:
            self._wanted.clear()

    @override
    def resume_reading(self) -> None:
        self._wanted.set()

    @override
    def is_reading(self) -> bool:
        return self._wanted.is_set() and not self._closing

    @override
    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = cast("asyncio.Protocol", protocol)

    @override
    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    @override
    def get_write_buffer_size(self) -> int:
        return len(self._kept)

    @override
    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high

    @override
    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = HIGH if high is None else high
        self._low = self._high // 4 if low is None else low


class StreamConnector(aiohttp.BaseConnector):
    """Gives aiohttp connections that are streams; made as its own connector for Unix sockets is.

    Parameters
    ----------
    keep
        Seconds for which a connection that nobody uses is kept: behind a long way a new one is dear.
    """

    allowed_protocol_schema_set = frozenset({"http"})

    def __init__(self, way: Way, *, keep: float) -> None:
        # No limit: every stream of logs and events holds a connection of its own.
        super().__init__(limit=0, keepalive_timeout=keep)
        self._way = way

    @override
    async def _create_connection(self, req: Any, traces: Any, timeout: Any) -> Any:
        protocol = self._factory()
        CarriedTransport(await self._way(), protocol)
        return protocol
