"""The port's byte stream over one TCP or Unix connection of asyncio."""

import asyncio
import contextlib
import socket

from specola.closing import close

__all__ = ["SocketStream"]


class SocketStream:
    """A `Stream` over an asyncio connection; each half is ended by itself."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, host: str, port: int) -> "SocketStream":
        """Connect to a TCP address; small writes are sent at once. Raises OSError."""
        return cls._prompt(*await asyncio.open_connection(host, port))

    @classmethod
    async def over(cls, connected: socket.socket) -> "SocketStream":
        """Take over a TCP socket that is connected already; it is closed if that fails."""
        try:
            return cls._prompt(*await asyncio.open_connection(sock=connected))
        except BaseException:
            connected.close()
            raise

    @classmethod
    def _prompt(cls, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> "SocketStream":
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return cls(reader, writer)

    async def read(self, most: int = 65536) -> bytes:
        """Return up to `most` bytes; empty once the other side has ended its half."""
        return await self._reader.read(most)

    async def write(self, data: bytes) -> None:
        """Send `data`, waiting while the other side is slow."""
        self._writer.write(data)
        await self._writer.drain()

    async def end(self) -> None:
        """Say that nothing more will be written; reading goes on."""
        # The other side may have closed already: then there is nobody left to tell.
        with contextlib.suppress(OSError):
            self._writer.write_eof()

    async def close(self) -> None:
        """Give the stream up, both halves."""
        await close(self._writer)
