"""Commands inside a task over a connection that its computing gives: begun, announced by the runner, used, hung up."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Protocol

from specola.computing.inside.announcing import announced, no_way
from specola.computing.inside.guards import Process, Watched
from specola.computing.inside.paths import HELPER, RUNNER
from specola.domain.computing import Channel, Terminal, WindowSize

__all__ = ["FORCED", "Carrier", "Command", "Output", "kept", "program", "variables"]

FORCED = 137
"""The exit code of what was killed: 128 + SIGKILL."""
# What the driver of a terminal takes for the end of input.
END_OF_INPUT = b"\x04"
MOST = 65536


class Carrier(Protocol):
    """A connection that carries one command.

    `terminal`: whether it is a terminal's, which has one output, and whose input ends by a key.
    """

    terminal: bool

    async def read(self) -> tuple[Channel, bytes]:
        """Return some of what the command wrote; nothing once its outputs have ended, or the connection broke."""

    async def write(self, data: bytes) -> None:
        """Send bytes to its input, waiting while it is slow. Raises OSError."""

    async def end(self) -> None:
        """End its input, where that is no terminal."""

    async def resize(self, size: WindowSize) -> None:
        """Give its terminal another size."""

    async def code(self) -> int:
        """Return its exit code once its outputs have ended. Raises ComputingUnreachableError."""

    async def close(self) -> None:
        """Give the connection up."""


class Output:
    """What a command writes, after the runner's first line.

    Parameters
    ----------
    read
        Reads some of it; nothing at its end.
    """

    def __init__(self, read: Callable[[], Awaitable[tuple[Channel, bytes]]]) -> None:
        self._read = read
        self._rest: list[tuple[Channel, bytes]] = []

    async def read(self, most: int) -> tuple[Channel, bytes]:
        """Return up to `most` bytes; none at the end, also where the connection broke."""
        if not self._rest:
            self._rest.append(await self._read())
        channel, data = self._rest.pop(0)
        if len(data) > most:
            self._rest.insert(0, (channel, data[most:]))
        return channel, data[:most]

    async def announcement(self) -> Process:
        """Read the first line of output, by which the runner says which process it is.

        Raises
        ------
        EOFError
            The connection ended, and nothing was complained of; with what came instead.
        LaunchError
            Something else came.
        """
        line, errors = b"", b""
        while b"\n" not in line:
            channel, data = await self._read()
            if not data:
                if not errors:
                    raise EOFError(line.decode(errors="replace"))
                raise no_way((line + errors).decode(errors="replace"))
            if channel is Channel.OUTPUT:
                line += data
            else:
                errors += data
        line, _, rest = line.partition(b"\n")
        process = announced(line)
        # The two channels may have pipes of their own: what was complained of may have come before this line.
        self._rest = [one for one in ((Channel.ERRORS, errors), (Channel.OUTPUT, rest)) if one[1]]
        return process


class Command:
    """A `Running` over such a connection."""

    def __init__(self, carrier: Carrier, output: Output, watched: Watched) -> None:
        self._carrier = carrier
        self._output = output
        self._watched = watched
        self._over = asyncio.Event()
        self._ended = False
        self._closed = False

    async def read(self, most: int = MOST) -> tuple[Channel, bytes]:
        """Return up to `most` bytes that it wrote; none once both of its outputs have ended."""
        channel, data = await self._output.read(most)
        if not data and not self._over.is_set():
            self._over.set()
            await self._watched.over()
        return channel, data

    async def write(self, data: bytes) -> None:
        """Send `data` to its input, waiting while it is slow."""
        if self._ended or self._closed:
            return
        with contextlib.suppress(OSError):
            await self._carrier.write(data)

    async def end(self) -> None:
        """End its input; its output goes on."""
        if self._carrier.terminal:
            # Docker takes the end of this half of the connection for the end of all of it.
            await self.write(END_OF_INPUT)
        elif not (self._ended or self._closed):
            self._ended = True
            with contextlib.suppress(OSError):
                await self._carrier.end()

    async def resize(self, size: WindowSize) -> None:
        """Give its terminal another size; nothing happens once it has ended."""
        if self._carrier.terminal and not (self._closed or self._over.is_set()):
            await self._carrier.resize(size)

    async def wait(self) -> int:
        """Return its exit code once its outputs have been read to their end."""
        await self._over.wait()
        return await self._carrier.code()

    async def close(self) -> None:
        """Hang up; it ends, with all it has started."""
        if self._closed:
            return
        self._closed = True
        if not self._over.is_set():
            await self._watched.end()
        self._over.set()
        await self._carrier.close()


def program(command: Sequence[str], terminal: Terminal | None) -> list[str]:
    """Return the words that have the runner start a command."""
    size = (str(terminal.size.columns), str(terminal.size.rows)) if terminal else ("-", "-")
    return [HELPER, "sh", RUNNER, *size, *command]


def variables(environment: Mapping[str, str], terminal: Terminal | None) -> dict[str, str]:
    """Return the environment that is said to a command, with the kind of its terminal."""
    return {**environment, **({"TERM": terminal.kind} if terminal else {})}


async def kept(starting: Coroutine[None, None, Command]) -> Command:
    """Await the start of a command; one that was asked for by somebody who then left is ended."""
    task = asyncio.create_task(starting)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        with contextlib.suppress(Exception):
            await (await task).close()
        raise
