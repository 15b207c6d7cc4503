"""Commands inside pods, by the cluster's exec."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial

from specola.computing.inside.commands import FORCED, Command, Output, kept, program, variables
from specola.computing.inside.guards import COMMAND, Guard, Guards, Watched
from specola.computing.inside.paths import HELPER
from specola.computing.kubernetes.api import Api
from specola.computing.kubernetes.errors import ApiError, PodGoneError, asking
from specola.computing.kubernetes.names import Place
from specola.computing.kubernetes.session import Session, SessionStream
from specola.domain.computing import Handle, Terminal, WindowSize
from specola.domain.errors import ComputingUnreachableError, LaunchError, TaskNotRunningError

__all__ = ["Commands"]


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
    ) -> Command:
        """Start a command as the task's user."""
        try:
            return await kept(self._start(handle, command, terminal, environment))
        except PodGoneError as error:
            raise TaskNotRunningError from error

    async def close(self) -> None:
        """End all that was started here."""
        await self._guards.close()

    async def _guard(self, handle: Handle) -> SessionStream:
        return SessionStream(await Session.start(self._api, _place(handle), COMMAND))

    async def _start(
        self, handle: Handle, command: Sequence[str], terminal: Terminal | None, environment: Mapping[str, str]
    ) -> Command:
        words = [f"{name}={value}" for name, value in variables(environment, terminal).items()]
        argv = [*([HELPER, "env", *words] if words else []), *program(command, terminal)]
        place = _place(handle)
        async with self._border():
            guard = await self._guarded(handle)
            session = await Session.start(
                self._api, place, argv, terminal=terminal is not None, errors=terminal is None
            )
            output = Output(session.read)
            try:
                process = await output.announcement()
            except BaseException as error:
                await session.close()
                if isinstance(error, EOFError):
                    raise PodGoneError("the connection ended before the command began") from error
                raise
            await guard.begin(process)
        return Command(PodCarrier(session, partial(self._lost, handle)), output, Watched(guard, process))

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


class PodCarrier:
    """The connection that a cluster gives for a command.

    Parameters
    ----------
    lost
        Tells how the command ended if the connection broke before it was told.
    """

    def __init__(self, session: Session, lost: Callable[[], Awaitable[int]]) -> None:
        self._session = session
        self._lost = lost
        self._code: int | None = None
        self._closed = False
        self.terminal = session.terminal
        self.read, self.write, self.end = session.read, session.write, session.end

    async def resize(self, size: WindowSize) -> None:
        """Give its terminal another size."""
        self._session.resize(size)

    async def code(self) -> int:
        """Return its exit code once its outputs have ended. Raises ComputingUnreachableError."""
        if self._code is None:
            if self._closed:
                return FORCED
            code = await self._session.code()
            self._code = await self._lost() if code is None else code
        return self._code

    async def close(self) -> None:
        """Give the connection up."""
        self._closed = True
        await self._session.close()


def _place(handle: Handle) -> Place:
    place = Place.of(handle)
    if place is None:
        raise PodGoneError(handle)
    return place
