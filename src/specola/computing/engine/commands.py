"""Commands inside containers, by the engine's exec."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial

from aiodocker.exceptions import DockerError
from aiodocker.execs import Exec

from specola.computing.engine.api import Engine
from specola.computing.engine.errors import ContainerGoneError, asking, is_missing
from specola.computing.engine.frames import frame
from specola.computing.engine.stream import DETACH, ExecStream
from specola.computing.inside.announcing import announced, no_way
from specola.computing.inside.guards import COMMAND, Guards, Process, Watched
from specola.computing.inside.paths import HELPER, RUNNER
from specola.domain.computing import Channel, Handle, Terminal, WindowSize
from specola.domain.errors import LaunchError, TaskNotRunningError

__all__ = ["Command", "Commands", "Output"]

FORCED = 137  # 128 + SIGKILL, as an engine reports it
# What the driver of a terminal takes for the end of input.
END_OF_INPUT = b"\x04"
FIRST_PAUSE, LAST_PAUSE = 0.005, 0.5
MOST = 65536


class Commands:
    """Starts commands in the containers of one engine.

    Parameters
    ----------
    computing
        The computing's name, as errors call it.
    seconds
        How long the engine may take to start one.
    """

    def __init__(self, *, computing: str, engine: Engine, seconds: float) -> None:
        self._engine = engine
        self._border = partial(asking, computing, seconds=seconds)
        self._guards = Guards(
            lambda container: ExecStream.open(engine, container, COMMAND, user=""), failures=(DockerError,)
        )

    async def start(
        self, handle: Handle, command: Sequence[str], *, terminal: Terminal | None, environment: Mapping[str, str]
    ) -> "Command":
        """Start a command as the container's user. One that was asked for by somebody who then left is ended."""
        starting = asyncio.create_task(self._start(handle, command, terminal, environment))
        try:
            return await asyncio.shield(starting)
        except ContainerGoneError as error:
            raise TaskNotRunningError from error
        except asyncio.CancelledError:
            with contextlib.suppress(Exception):
                await (await starting).close()
            raise

    async def close(self) -> None:
        """End all that was started here."""
        await self._guards.close()

    async def _start(
        self, handle: Handle, command: Sequence[str], terminal: Terminal | None, environment: Mapping[str, str]
    ) -> "Command":
        size = (str(terminal.size.columns), str(terminal.size.rows)) if terminal else ("-", "-")
        async with self._border():
            guard = await self._guards.of(handle)
            execution = await self._engine.docker.containers.container(handle).exec(
                [HELPER, "sh", RUNNER, *size, *command],
                stdin=True,
                stderr=terminal is None,
                tty=terminal is not None,
                environment={**environment, **({"TERM": terminal.kind} if terminal else {})},
                detach_keys=DETACH,
            )
            body = {"Detach": False, "Tty": terminal is not None}
            connection = await self._engine.hijack(f"exec/{execution.id}/start", body)
            output = Output(connection[0], terminal=terminal is not None)
            try:
                process = await output.announcement()
            except BaseException:
                connection[1].close()
                raise
            await guard.begin(process)
            return Command(self._border, execution, connection[1], output, Watched(guard, process))


class Output:
    """What a command writes: frames of two channels, or with a terminal plain bytes of one."""

    def __init__(self, reader: asyncio.StreamReader, *, terminal: bool) -> None:
        self.terminal = terminal
        self._reader = reader
        self._rest: list[tuple[Channel, bytes]] = []

    async def read(self, most: int) -> tuple[Channel, bytes]:
        """Return up to `most` bytes; none at the end, also where the connection broke."""
        if not self._rest:
            self._rest.append(await self._next())
        channel, data = self._rest.pop(0)
        if len(data) > most:
            self._rest.insert(0, (channel, data[most:]))
        return channel, data[:most]

    async def announcement(self) -> Process:
        """Read the first line of output, by which the runner says which process it is."""
        line, errors = b"", b""
        while b"\n" not in line:
            channel, data = await self._next()
            if not data:
                raise no_way((line + errors).decode(errors="replace"))
            if channel is Channel.OUTPUT:
                line += data
            else:
                errors += data
        line, _, rest = line.partition(b"\n")
        process = announced(line)
        # The two channels have pipes of their own in the engine: what was complained of may have come before this line.
        self._rest = [one for one in ((Channel.ERRORS, errors), (Channel.OUTPUT, rest)) if one[1]]
        return process

    async def _next(self) -> tuple[Channel, bytes]:
        with contextlib.suppress(EOFError, OSError):
            if self.terminal:
                return Channel.OUTPUT, await self._reader.read(MOST)
            while (found := await frame(self._reader)) is not None:
                if found[1]:
                    return Channel(found[0]), found[1]
        return Channel.OUTPUT, b""


class Command:
    """A `Running` over the connection that an engine gives for an exec."""

    def __init__(
        self,
        border: Callable[[], AbstractAsyncContextManager[None]],
        execution: Exec,
        writer: asyncio.StreamWriter,
        output: Output,
        watched: Watched,
    ) -> None:
        self._border = border
        self._execution = execution
        self._writer = writer
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
            self._writer.write(data)
            await self._writer.drain()

    async def end(self) -> None:
        """End its input; its output goes on."""
        if self._output.terminal:
            # Docker takes the end of this half of the connection for the end of all of it.
            await self.write(END_OF_INPUT)
        elif not (self._ended or self._closed):
            self._ended = True
            with contextlib.suppress(OSError):
                self._writer.write_eof()

    async def resize(self, size: WindowSize) -> None:
        """Give its terminal another size; nothing happens once it has ended."""
        if not self._output.terminal:
            return
        # What the engine refuses is a terminal that is no more.
        with contextlib.suppress(LaunchError, ContainerGoneError):
            async with self._border():
                await self._execution.resize(h=size.rows, w=size.columns)

    async def wait(self) -> int:
        """Return its exit code once its outputs have been read to their end."""
        await self._over.wait()
        pause = FIRST_PAUSE
        while True:
            async with self._border():
                try:
                    told = await self._execution.inspect()
                except DockerError as error:
                    # The container was removed, and the command with it.
                    if is_missing(error):
                        return FORCED
                    raise
            if not told["Running"]:
                code = told.get("ExitCode")
                return FORCED if code is None else int(code)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LAST_PAUSE)

    async def close(self) -> None:
        """Hang up; it ends, with all it has started."""
        if self._closed:
            return
        self._closed = True
        if not self._over.is_set():
            await self._watched.end()
        self._over.set()
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()
