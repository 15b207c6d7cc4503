"""A byte stream over a local connection, in frames, so that its end is told from its loss in both directions."""

import asyncio
import contextlib
import json

from specola.closing import close
from specola.domain.errors import SpecolaError
from specola.problems import problem_of, raised

__all__ = ["Framed"]

HEAD = 4
LARGEST = 1024 * 1024
FAILED = 1 << 31
END = bytes(HEAD)


class Framed:
    """A `Stream` of `specola.ports.computing` over a connection of asyncio; both sides use it.

    Notes
    -----
    A frame is its length in four bytes and so many bytes. Length 0 ends a half. The highest bit says that the rest is no
    data but a failure, as JSON. A connection that closes before a half was ended has been lost, on either side.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._left = 0
        self._ended = False

    async def read(self, most: int = 65536) -> bytes:
        """Return up to `most` bytes; empty once the other side has ended its half.

        Raises
        ------
        ConnectionResetError
            It was lost.
        SpecolaError
            The other side says why.
        """
        if not self._left and not self._ended:
            await self._next()
        if self._ended:
            return b""
        data = await self._reader.read(min(most, self._left))
        if not data:
            raise ConnectionResetError("the connection broke off")
        self._left -= len(data)
        return data

    async def _next(self) -> None:
        """Read the head of the next frame."""
        try:
            size = int.from_bytes(await self._reader.readexactly(HEAD))
            if size & FAILED:
                problem = json.loads(await self._reader.readexactly(size & ~FAILED))
                self._ended = True
                raise ConnectionResetError(problem["lost"]) if "lost" in problem else raised(problem)
        except asyncio.IncompleteReadError as error:
            raise ConnectionResetError("the connection broke off") from error
        self._left, self._ended = size, size == 0

    async def write(self, data: bytes) -> None:
        """Send `data`, waiting while the other side is slow."""
        for start in range(0, len(data), LARGEST):
            part = data if len(data) <= LARGEST else data[start : start + LARGEST]
            self._writer.writelines((len(part).to_bytes(HEAD), part))
            await self._writer.drain()

    async def end(self) -> None:
        """Say that nothing more will be written; reading goes on."""
        with contextlib.suppress(OSError):
            self._writer.write(END)
            await self._writer.drain()

    async def fail(self, error: SpecolaError | OSError) -> None:
        """Say that nothing more will come, and why."""
        told = problem_of(error) if isinstance(error, SpecolaError) else {"lost": str(error) or type(error).__name__}
        text = json.dumps(told).encode()
        with contextlib.suppress(OSError):
            self._writer.writelines(((len(text) | FAILED).to_bytes(HEAD), text))
            await self._writer.drain()

    async def close(self) -> None:
        """Give the stream up, both halves."""
        await close(self._writer)
