"""The ways into a container: a TCP connection where its address is within reach, else a relay by the engine's exec."""

import asyncio
import contextlib
from collections.abc import Sequence

from specola.closing import close
from specola.computing.engine.api import Engine
from specola.computing.engine.frames import frame

__all__ = ["DETACH", "ExecStream"]

# Engines give a connection up when they read certain keys in it, ctrl-p and ctrl-q unless told otherwise, Podman also
# without a terminal; and they cannot be told that there are none. Nobody sends these.
DETACH = ",".join(["ctrl-^"] * 16)


class ExecStream:
    """A `Stream` over the input and output of a command inside a container."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._reader = reader
        self._rest = b""

    @classmethod
    async def open(cls, engine: Engine, container: str, command: Sequence[str], *, user: str = "0") -> "ExecStream":
        """Start `command` in the container and take over its input and output; an empty `user` is the container's own."""
        execution = await engine.docker.containers.container(container).exec(
            list(command), stdin=True, stdout=True, stderr=True, user=user, detach_keys=DETACH
        )
        reader, writer = await engine.hijack(f"exec/{execution.id}/start", {"Detach": False, "Tty": False})
        return cls(reader, writer)

    async def read(self, most: int = 65536) -> bytes:
        """Return up to `most` bytes of the command's output; empty at its end."""
        with contextlib.suppress(EOFError, OSError):
            while not self._rest and (found := await frame(self._reader)) is not None:
                if found[0] == "stdout":
                    self._rest = found[1]
        data, self._rest = self._rest[:most], self._rest[most:]
        return data

    async def write(self, data: bytes) -> None:
        """Send `data` to the command's input, waiting while it is slow."""
        self._writer.write(data)
        await self._writer.drain()

    async def end(self) -> None:
        """End the command's input; its output goes on."""
        with contextlib.suppress(OSError):
            self._writer.write_eof()

    async def close(self) -> None:
        """Give the stream up; the command ends with it."""
        await close(self._writer)
