"""The guards inside containers, each of which ends the commands that were run there through one connection.

An engine does not end a command when its client goes away, and its API has no order for it. A guard is a process beside
the commands (see `inside/guard`) that is told of each; when its own input ends, for whatever reason, it ends them all.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from specola.computing.inside.paths import GUARD, HELPER
from specola.domain.computing import Handle
from specola.domain.errors import LaunchError
from specola.ports.computing import Stream

__all__ = ["COMMAND", "Guard", "Guards", "Process", "Watched"]

COMMAND = (HELPER, "sh", GUARD)
"""What a guard is, inside a container."""
Opener = Callable[[Handle], Awaitable[Stream]]
"""Starts a guard in a container, as its user, and gives its input and output."""

# A guard is done with a command in 10 s at the most.
PATIENCE = 15.0


@dataclass(frozen=True, slots=True)
class Process:
    """A process as its container knows it: its number, and when it began, since numbers are used again."""

    number: int
    began: int

    def text(self) -> str:
        """Return it as a guard reads it."""
        return f"{self.number} {self.began}"


class Guard:
    """The guard in one container; it is started when it is first needed, and again if it has been ended."""

    def __init__(
        self, opener: Opener, container: Handle, *, failures: tuple[type[Exception], ...], lost: Callable[[], None]
    ) -> None:
        self._opener = opener
        self._container = container
        self._failures = failures
        self._lost = lost
        self._lock = asyncio.Lock()
        self._stream: Stream | None = None
        self._reading: asyncio.Task[None] | None = None
        self._running: set[Process] = set()
        self._leaving: dict[int, asyncio.Future[bool]] = {}

    async def open(self) -> None:
        """Start it unless it runs. Raises what the opener does."""
        async with self._lock:
            if self._stream is not None:
                return
            stream = await self._opener(self._container)
            if await stream.read() != b"ready\n":
                await stream.close()
                raise LaunchError("This task gives no way to run commands in it.", hint="Start it again.")
            self._stream = stream
            self._reading = asyncio.create_task(self._read(stream))
            for process in self._running:
                await self._tell("begin", process)

    async def begin(self, process: Process) -> None:
        """Have it watch over a process that runs now."""
        self._running.add(process)
        await self._tell("begin", process)

    async def over(self, process: Process) -> None:
        """Tell it that a process has ended."""
        if process in self._running:
            self._running.discard(process)
            await self._tell("over", process)
            self._forget()

    async def end(self, process: Process) -> None:
        """Have it end a process with all it has started; return when they are gone.

        A guard that was ended may be told before anybody here knows of its end, so another one is told then.
        """
        with contextlib.suppress(*self._failures, LaunchError, OSError, TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while not await self._end(process):
                    pass
        await self.over(process)

    async def _end(self, process: Process) -> bool:
        """Have it end a process; tell whether it did, and was not ended itself before."""
        await self.open()
        gone = self._leaving.setdefault(process.number, asyncio.get_running_loop().create_future())
        await self._tell("end", process)
        return await asyncio.shield(gone)

    async def close(self) -> None:
        """Give it up: it ends all that it watches over, and then itself."""
        async with self._lock:
            if self._stream is not None:
                await self._stream.close()
            if self._reading is not None:
                await self._reading

    async def _tell(self, verb: str, process: Process) -> None:
        if self._stream is not None:
            with contextlib.suppress(OSError):
                await self._stream.write(f"{verb} {process.text()}\n".encode())

    async def _read(self, stream: Stream) -> None:
        rest = b""
        while data := await stream.read():
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                # The task's own processes can write there too.
                with contextlib.suppress(ValueError):
                    self._left(int(line.removeprefix(b"gone ")), gone=True)
        self._stream = None
        await stream.close()
        for number in list(self._leaving):
            self._left(number, gone=False)
        self._forget()

    def _forget(self) -> None:
        if self._stream is None and not self._running:
            self._lost()

    def _left(self, number: int, *, gone: bool) -> None:
        waiting = self._leaving.pop(number, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(gone)


class Watched:
    """A process together with the guard that will end it."""

    def __init__(self, guard: Guard, process: Process) -> None:
        self._guard = guard
        self._process = process

    async def over(self) -> None:
        """Tell that it has ended."""
        await self._guard.over(self._process)

    async def end(self) -> None:
        """End it, with all it has started."""
        await self._guard.end(self._process)


class Guards:
    """The guards of one computing, one for each container that commands are run in.

    Parameters
    ----------
    failures
        What the opener raises where a container cannot be asked.
    """

    def __init__(self, opener: Opener, *, failures: tuple[type[Exception], ...]) -> None:
        self._opener = opener
        self._failures = failures
        self._guards: dict[Handle, Guard] = {}

    async def of(self, container: Handle) -> Guard:
        """Return a container's guard, started. Raises what the opener does."""
        guard = self._guards.get(container)
        if guard is None:
            guard = Guard(self._opener, container, failures=self._failures, lost=lambda: self._drop(container))
            self._guards[container] = guard
        try:
            await guard.open()
        except BaseException:
            self._drop(container)
            raise
        return guard

    def _drop(self, container: Handle) -> None:
        self._guards.pop(container, None)

    async def close(self) -> None:
        """Give all of them up."""
        for guard in list(self._guards.values()):
            await guard.close()
