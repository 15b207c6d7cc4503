"""A command that an agent runs inside its task."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from specola.computing.batch.agent.pieces import CODE, END, ERRORS, INPUT, OUTPUT, RESIZE, piece, read_piece
from specola.domain.computing import Channel, WindowSize
from specola.ports.computing import Stream

__all__ = ["CommandRunning", "Lost"]

Lost: TypeAlias = Callable[[], Awaitable[int]]

HUNG_UP = 129
CHANNELS = {OUTPUT: Channel.OUTPUT, ERRORS: Channel.ERRORS}
# What the driver of a terminal takes for the end of input.
END_OF_INPUT = b"\x04"
PIECE = 32768


class CommandRunning:
    """A `Running` over a stream of pieces.

    Parameters
    ----------
    lost
        Tells how a command ended whose stream broke off before its agent said so, or raises why nobody can; None: nobody can.
    """

    def __init__(self, stream: Stream, *, terminal: bool, lost: Lost | None = None) -> None:
        self._stream = stream
        self._terminal = terminal
        self._rest = (Channel.OUTPUT, b"")
        self._ended = False
        self._lost = lost or _lost
        self._over = asyncio.Event()
        self._code: int | None = None

    async def read(self, most: int = 65536) -> tuple[Channel, bytes]:
        """Return up to `most` bytes that it wrote; no bytes once both of its outputs have ended."""
        while not self._rest[1] and not self._over.is_set():
            try:
                kind, content = await read_piece(self._stream)
            except OSError:
                kind, content = b"", b""
            if kind in CHANNELS:
                self._rest = (CHANNELS[kind], content)
            elif kind == CODE and content.isdigit():
                self._end(int(content))
            elif not kind:
                # The task has ended, or nobody can tell.
                self._end(None)
        channel, data = self._rest
        self._rest = (channel, data[most:])
        return channel, data[:most]

    async def write(self, data: bytes) -> None:
        """Send `data` to its input, waiting while it is slow; what comes after its end is dropped."""
        if self._ended:
            return
        for at in range(0, len(data), PIECE):
            await self._say(piece(INPUT, data[at : at + PIECE]))

    async def end(self) -> None:
        """End its input; its output goes on."""
        if self._terminal:
            await self.write(END_OF_INPUT)
        elif not self._ended:
            self._ended = True
            await self._say(piece(END))

    async def resize(self, size: WindowSize) -> None:
        """Give its terminal another size; nothing happens without one, or once it has ended."""
        if self._terminal:
            await self._say(piece(RESIZE, json.dumps([size.columns, size.rows]).encode()))

    async def wait(self) -> int:
        """Return its exit code once its outputs have been read to their end.

        Raises
        ------
        ComputingUnreachableError
            The connection to it broke, and its task goes on.
        """
        await self._over.wait()
        if self._code is None:
            self._code = await self._lost()
        return self._code

    async def close(self) -> None:
        """Hang up; the agent ends it, with all it has started."""
        self._end(HUNG_UP)
        self._rest = (Channel.OUTPUT, b"")
        self._ended = True
        await self._stream.close()

    def _end(self, code: int | None) -> None:
        if not self._over.is_set():
            self._code = code
            self._over.set()

    async def _say(self, data: bytes) -> None:
        if not self._over.is_set():
            with contextlib.suppress(OSError):
                await self._stream.write(data)


async def _lost() -> int:
    raise ConnectionResetError("the connection to the command broke")
