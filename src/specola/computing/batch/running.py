"""A command that an agent runs inside its task."""

import asyncio
import contextlib
import json

from specola.computing.batch.agent.pieces import CODE, END, ERRORS, INPUT, OUTPUT, RESIZE, piece, read_piece
from specola.domain.computing import Channel, WindowSize
from specola.ports.computing import Stream

__all__ = ["CommandRunning"]

FORCED, HUNG_UP = 137, 129
CHANNELS = {OUTPUT: Channel.OUTPUT, ERRORS: Channel.ERRORS}
# What the driver of a terminal takes for the end of input.
END_OF_INPUT = b"\x04"
PIECE = 32768


class CommandRunning:
    """A `Running` over a stream of pieces."""

    def __init__(self, stream: Stream, *, terminal: bool) -> None:
        self._stream = stream
        self._terminal = terminal
        self._rest = (Channel.OUTPUT, b"")
        self._ended = False
        self._code: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def read(self, most: int = 65536) -> tuple[Channel, bytes]:
        """Return up to `most` bytes that it wrote; no bytes once both of its outputs have ended."""
        while not self._rest[1] and not self._code.done():
            try:
                kind, content = await read_piece(self._stream)
            except OSError:
                # The task has ended, or nobody can tell.
                kind, content = b"", b""
            if kind in CHANNELS:
                self._rest = (CHANNELS[kind], content)
            elif kind == CODE:
                self._over(int(content))
            elif not kind:
                self._over(FORCED)
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
        """Return its exit code once its outputs have been read to their end."""
        return await asyncio.shield(self._code)

    async def close(self) -> None:
        """Hang up; the agent ends it, with all it has started."""
        self._over(HUNG_UP)
        self._rest = (Channel.OUTPUT, b"")
        self._ended = True
        await self._stream.close()

    def _over(self, code: int) -> None:
        if not self._code.done():
            self._code.set_result(code)

    async def _say(self, data: bytes) -> None:
        if not self._code.done():
            with contextlib.suppress(OSError):
                await self._stream.write(data)
