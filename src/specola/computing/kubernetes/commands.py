"""Commands inside pods, by the cluster's exec."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial

from specola.computing.inside.announcing import announced, no_way
from specola.computing.inside.guards import COMMAND, Guard, Guards, Process, Watched
from specola.computing.inside.paths import HELPER, RUNNER
from specola.computing.kubernetes.api import Api
from specola.computing.kubernetes.errors import ApiError, PodGoneError, asking
from specola.computing.kubernetes.names import Place
from specola.computing.kubernetes.session import Session, SessionStream
from specola.domain.computing import Channel, Handle, Terminal, WindowSize
from specola.domain.errors import ComputingUnreachableError, LaunchError, TaskNotRunningError

__all__ = ["Command", "Commands"]

FORCED = 137  # 128 + SIGKILL
END_OF_INPUT = b"\x04"
MOST = 65536


class Commands:
    """Starts commands in the pods of one cluster.

    Parameters
    ----------
    computing
        The computing's name, as errors call it.
    seconds
        How long the cluster may take to start one.
    runs
        Tells whether a task still runs.
    """

    def __init__(self, *, computing: str, api: Api, seconds: float, runs: Callable[[Handle], Awaitable[bool]]) -> None:
        self._computing = computing
        self._api = api
        self._runs = runs
        self._border = partial(asking, computing, seconds=seconds)
        self._guards = Guards(self._guard, failures=(ApiError, PodGoneError, EOFError))

    async def start(
        self, handle: Handle, command: Sequence[str], *, terminal: Terminal | None, environment: Mapping[str, str]
    ) -> "Command":
        """Start a command as the task's user. One that was asked for by somebody who then left is ended."""
        starting = asyncio.create_task(self._start(handle, command, terminal, environment))
        try:
            return await asyncio.shield(starting)
        except PodGoneError as error:
            raise TaskNotRunningError from error
        except asyncio.CancelledError:
            with contextlib.suppress(Exception):
                await (await starting).close()
            raise

    async def close(self) -> None:
        """End all that was started here."""
        await self._guards.close()

    async def _guard(self, handle: Handle) -> SessionStream:
        return SessionStream(await Session.start(self._api, _place(handle), COMMAND))

    async def _start(
        self, handle: Handle, command: Sequence[str], terminal: Terminal | None, environment: Mapping[str, str]
    ) -> "Command":
        size = (str(terminal.size.columns), str(terminal.size.rows)) if terminal else ("-", "-")
        variables = {**environment, **({"TERM": terminal.kind} if terminal else {})}
        words = [f"{name}={value}" for name, value in variables.items()]
        argv = [HELPER, *(["env", *words, HELPER] if words else []), "sh", RUNNER, *size, *command]
        place = _place(handle)
        async with self._border():
            guard = await self._guarded(handle)
            session = await Session.start(
                self._api, place, argv, terminal=terminal is not None, errors=terminal is None
            )
            output = Output(session)
            try:
                process = await output.announcement()
            except BaseException:
                await session.close()
                raise
            await guard.begin(process)
        return Command(session, output, Watched(guard, process), partial(self._lost, handle))

    async def _guarded(self, handle: Handle) -> Guard:
        """Return the guard of a task that runs; a cluster may hand a connection over before it finds that it does not."""
        try:
            return await self._guards.of(handle)
        except LaunchError as error:
            if await self._runs(handle):
                raise
            raise PodGoneError(handle) from error

    async def _lost(self, handle: Handle) -> int:
        """Return the exit code of a command whose connection broke: it ended with its task, or cannot be told."""
        border: AbstractAsyncContextManager[None] = self._border()
        async with border:
            if not await self._runs(handle):
                return FORCED
        raise ComputingUnreachableError(self._computing, "the connection to the command broke")


class Output:
    """What a command writes after the runner's first line."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._rest: list[tuple[Channel, bytes]] = []

    async def read(self, most: int) -> tuple[Channel, bytes]:
        """Return up to `most` bytes; none at the end."""
        if not self._rest:
            return await self._session.read(most)
        channel, found = self._rest.pop(0)
        if len(found) > most:
            self._rest.insert(0, (channel, found[most:]))
        return channel, found[:most]

    async def announcement(self) -> Process:
        """Read the first line of output, by which the runner says which process it is."""
        line, errors = b"", b""
        while b"\n" not in line:
            channel, found = await self._session.read(MOST)
            if not found:
                if not errors:
                    raise PodGoneError("the connection ended before the command began")
                raise no_way((line + errors).decode(errors="replace"))
            if channel is Channel.OUTPUT:
                line += found
            else:
                errors += found
        line, _, rest = line.partition(b"\n")
        process = announced(line)
        self._rest = [one for one in ((Channel.ERRORS, errors), (Channel.OUTPUT, rest)) if one[1]]
        return process


class Command:
    """A `Running` over the connection that a cluster gives for a command."""

    def __init__(self, session: Session, output: Output, watched: Watched, lost: Callable[[], Awaitable[int]]) -> None:
        self._session = session
        self._output = output
        self._watched = watched
        self._lost = lost
        self._over = asyncio.Event()
        self._ended = False
        self._closed = False
        self._code: int | None = None

    async def read(self, most: int = MOST) -> tuple[Channel, bytes]:
        """Return up to `most` bytes that it wrote; none once both of its outputs have ended."""
        channel, found = await self._output.read(most)
        if not found and not self._over.is_set():
            self._over.set()
            await self._watched.over()
        return channel, found

    async def write(self, data: bytes) -> None:
        """Send `data` to its input, waiting while it is slow."""
        if self._ended or self._closed:
            return
        with contextlib.suppress(OSError):
            await self._session.write(data)

    async def end(self) -> None:
        """End its input; its output goes on."""
        if self._session.terminal:
            await self.write(END_OF_INPUT)
        elif not (self._ended or self._closed):
            self._ended = True
            await self._session.end()

    async def resize(self, size: WindowSize) -> None:
        """Give its terminal another size; nothing happens once it has ended."""
        if not (self._closed or self._over.is_set()):
            self._session.resize(size)

    async def wait(self) -> int:
        """Return its exit code once its outputs have been read to their end."""
        await self._over.wait()
        if self._code is None:
            if self._closed:
                return FORCED
            code = await self._session.code()
            self._code = await self._lost() if code is None else code
        return self._code

    async def close(self) -> None:
        """Hang up; it ends, with all it has started."""
        if self._closed:
            return
        if not self._over.is_set():
            await self._watched.end()
        self._closed = True
        self._over.set()
        await self._session.close()


def _place(handle: Handle) -> Place:
    place = Place.of(handle)
    if place is None:
        raise PodGoneError(handle)
    return place
