"""Commands inside containers, by the engine's exec."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial

from aiodocker.exceptions import DockerError
from aiodocker.execs import Exec

from specola.closing import close
from specola.computing.engine.api import Engine
from specola.computing.engine.errors import ContainerGoneError, asking, is_missing
from specola.computing.engine.frames import frame
from specola.computing.engine.stream import DETACH, ExecStream
from specola.computing.inside.announcing import no_way
from specola.computing.inside.commands import FORCED, Command, Output, kept, program, variables
from specola.computing.inside.guards import COMMAND, Guards, Watched
from specola.domain.computing import Channel, Handle, Terminal, WindowSize
from specola.domain.errors import LaunchError, TaskNotRunningError

__all__ = ["Commands", "Written"]

FIRST_PAUSE, LAST_PAUSE = 0.005, 0.5
MOST = 65536
Border = Callable[[], AbstractAsyncContextManager[None]]
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


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
    ) -> Command:
        """Start a command as the container's user."""
        try:
            return await kept(self._start(handle, command, terminal, environment))
        except ContainerGoneError as error:
            raise TaskNotRunningError from error

    async def close(self) -> None:
        """End all that was started here."""
        await self._guards.close()

    async def _start(
        self, handle: Handle, command: Sequence[str], terminal: Terminal | None, environment: Mapping[str, str]
    ) -> Command:
        async with self._border():
            guard = await self._guards.of(handle)
            execution = await self._engine.docker.containers.container(handle).exec(
                program(command, terminal),
                stdin=True,
                stderr=terminal is None,
                tty=terminal is not None,
                environment=variables(environment, terminal),
                detach_keys=DETACH,
            )
            body = {"Detach": False, "Tty": terminal is not None}
            connection = await self._engine.hijack(f"exec/{execution.id}/start", body)
            carrier = ExecCarrier(connection, execution, self._border, terminal=terminal is not None)
            output = Output(carrier.read)
            try:
                process = await output.announcement()
            except BaseException as error:
                connection[1].close()
                if isinstance(error, EOFError):
                    raise no_way(str(error)) from error
                raise
            await guard.begin(process)
            return Command(carrier, output, Watched(guard, process))


class Written:
    """What a command writes: frames of two channels, or with a terminal plain bytes of one."""

    def __init__(self, reader: asyncio.StreamReader, *, terminal: bool) -> None:
        self._reader = reader
        self._terminal = terminal

    async def read(self) -> tuple[Channel, bytes]:
        """Return some of it; nothing at the end, also where the connection broke."""
        with contextlib.suppress(EOFError, OSError):
            if self._terminal:
                return Channel.OUTPUT, await self._reader.read(MOST)
            while (found := await frame(self._reader)) is not None:
                if found[1]:
                    return Channel(found[0]), found[1]
        return Channel.OUTPUT, b""


class ExecCarrier:
    """The connection that an engine gives for an exec, and what the engine tells of it beside that."""

    def __init__(self, connection: Connection, execution: Exec, border: Border, *, terminal: bool) -> None:
        reader, self._writer = connection
        self._execution = execution
        self._border = border
        self.read = Written(reader, terminal=terminal).read
        self.terminal = terminal

    async def write(self, data: bytes) -> None:
        """Send bytes to its input, waiting while it is slow. Raises OSError."""
        self._writer.write(data)
        await self._writer.drain()

    async def end(self) -> None:
        """End its input."""
        self._writer.write_eof()

    async def resize(self, size: WindowSize) -> None:
        """Give its terminal another size; what the engine refuses is a terminal that is no more."""
        with contextlib.suppress(LaunchError, ContainerGoneError):
            async with self._border():
                await self._execution.resize(h=size.rows, w=size.columns)

    async def code(self) -> int:
        """Return its exit code, as soon as the engine has it. Raises ComputingUnreachableError."""
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
        """Close the connection."""
        await close(self._writer)
