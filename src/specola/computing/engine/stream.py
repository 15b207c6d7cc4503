"""The ways into a container: a TCP connection where its address is within reach, else a relay by the engine's exec."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence

from specola.computing.engine.api import Engine
from specola.computing.engine.frames import frames

__all__ = ["ExecStream", "run"]


class ExecStream:
    """A `Stream` over the input and output of a command inside a container."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._frames = self._output(reader)
        self._rest = b""

    @classmethod
    async def open(cls, engine: Engine, container: str, command: Sequence[str]) -> "ExecStream":
        """Start `command` in the container and take over its input and output."""
        execution = await engine.docker.containers.container(container).exec(
            list(command), stdin=True, stdout=True, stderr=True, user="0"
        )
        reader, writer = await engine.hijack(f"exec/{execution.id}/start", {"Detach": False, "Tty": False})
        return cls(reader, writer)

    async def read(self, most: int = 65536) -> bytes:
        """Return up to `most` bytes of the command's output; empty at its end."""
        if not self._rest:
            self._rest = await anext(self._frames, b"")
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
        await self._frames.aclose()
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def _output(self, reader: asyncio.StreamReader) -> AsyncGenerator[bytes, None]:
        with contextlib.suppress(EOFError, OSError):
            async for stream, data in frames(reader):
                if stream == "stdout" and data:
                    yield data


async def run(engine: Engine, container: str, command: Sequence[str]) -> tuple[int, bytes, bytes]:
    """Run `command` in a container to its end; return exit code, output and error output."""
    execution = await engine.docker.containers.container(container).exec(list(command), stdout=True, stderr=True)
    reader, writer = await engine.hijack(f"exec/{execution.id}/start", {"Detach": False, "Tty": False})
    output = {"stdout": bytearray(), "stderr": bytearray()}
    try:
        async for stream, data in frames(reader):
            output[stream] += data
    finally:
        writer.close()
    code = (await execution.inspect()).get("ExitCode")
    return int(code if code is not None else -1), bytes(output["stdout"]), bytes(output["stderr"])
