"""The platform's end of the connection to one task's agent."""

import asyncio
import contextlib
import json
import math
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from specola.computing.batch.kept import read_line
from specola.computing.batch.lines import whole_lines
from specola.computing.batch.mux import HostileError, Link, Reply, Request
from specola.computing.batch.running import CommandRunning, Lost
from specola.domain.computing import LogLine, Terminal, Usage
from specola.domain.errors import LaunchError, TaskNotRunningError
from specola.ports.computing import NOTHING, Stream

__all__ = ["RefusedError", "Session"]

GREETING_SECONDS = 60.0
LAST_PORT = 65535
MOST_CPUS, MOST_BYTES = 1e6, 2.0**60
"""Beyond these, a measurement is none."""


class RefusedError(ConnectionError):
    """The agent did not do what it was asked; `code` says why."""

    def __init__(self, code: str, sentence: str) -> None:
        self.code = code
        super().__init__(sentence)


class Session:
    """One connection to an agent, for all that is done with its task. When it breaks, all its streams break off.

    Verbs raise `ConnectionError` when the connection breaks, `TaskNotRunningError` when the task has not begun or has
    ended, and `RefusedError` for the rest.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._running = asyncio.create_task(link.run())

    @classmethod
    async def over(cls, stream: Stream, *, seconds: float = GREETING_SECONDS) -> Self:
        """Begin a session over a byte stream to `relay`, or to the agent's socket; the stream is closed with it.

        Raises
        ------
        ConnectionError
            No agent answers there in time; what was said instead is in the text.
        """
        link = Link(stream)
        try:
            async with asyncio.timeout(seconds):
                await link.greeted()
        except TimeoutError as error:
            await stream.close()
            raise ConnectionError(f"The task's agent did not answer within {seconds:.0f} s.") from error
        except BaseException:
            await stream.close()
            raise
        return cls(link)

    @property
    def is_open(self) -> bool:
        """Whether it can be used."""
        return self._link.is_open

    async def wait_closed(self) -> None:
        """Return once it has ended, for whatever reason."""
        await asyncio.wait([self._running])

    async def close(self) -> None:
        """End it, and all its streams."""
        self._running.cancel()
        await asyncio.wait([self._running])
        await self._link.close()

    async def open(self, request: Request) -> tuple[Reply, Stream]:
        """Ask for something; return the reply, and the stream that comes with it."""
        reply, stream = await self._link.open(request)
        if "error" in reply:
            raise _error(reply["error"])
        return reply, stream

    async def ask(self, request: Request) -> Reply:
        """Ask for something that is answered by the reply alone."""
        reply, stream = await self.open(request)
        await stream.close()
        return reply

    async def dial(self, port: int) -> Stream:
        """Open a byte stream to a port of the task's own loopback.

        Raises
        ------
        ConnectionRefusedError
            Nobody listens there.
        """
        return (await self.open({"do": "dial", "port": port}))[1]

    async def execute(
        self,
        command: Sequence[str],
        *,
        terminal: Terminal | None = None,
        environment: Mapping[str, str] = NOTHING,
        lost: Lost | None = None,
    ) -> CommandRunning:
        """Start a command in the task, as `Executes.execute` means it; see `CommandRunning` for `lost`."""
        asked: Request = {"do": "execute", "command": list(command), "environment": dict(environment)}
        if terminal is not None:
            size = terminal.size
            asked["terminal"] = {"kind": terminal.kind, "columns": size.columns, "rows": size.rows}
        _, stream = await self.open(asked)
        return CommandRunning(stream, terminal=terminal is not None, lost=lost)

    async def files(self) -> Stream:
        """Open a session of the SSH file transfer protocol, as `HasFiles.files` means it."""
        return (await self.open({"do": "files"}))[1]

    async def logs(self, *, follow: bool = False, tail: int | None = None) -> AsyncIterator[LogLine]:
        """Yield what the task wrote, as `HasLogs.logs` means it."""
        async for line in self._lines({"do": "logs", "follow": follow, "tail": tail}):
            if (told := read_line(line)) is not None:
                yield told

    async def events(self) -> AsyncIterator[Mapping[str, Any]]:
        """Yield the task's status as it is now, and then each time it changes."""
        async for line in self._lines({"do": "events"}):
            with _understood():
                yield dict(json.loads(line))

    async def status(self) -> Mapping[str, Any]:
        """Return the task's status, as `status.json` has it."""
        told = await self.ask({"do": "status"})
        with _understood():
            return dict(told["status"])

    async def usage(self) -> Usage:
        """Measure what the task uses."""
        told = await self.ask({"do": "usage"})
        with _understood():
            return Usage(
                at=datetime.fromtimestamp(float(told["at"]), UTC),
                cpus=_amount(told["cpus"], most=MOST_CPUS),
                memory=int(_amount(told["memory"])),
                received=int(_amount(told["received"])),
                sent=int(_amount(told["sent"])),
            )

    async def ports(self) -> Mapping[int, bool]:
        """Return the ports that are listened to, each with whether on the task's loopback alone."""
        told = await self.ask({"do": "ports"})
        with _understood():
            found = {int(port): bool(alone) for port, alone in told["ports"].items()}
        return {port: alone for port, alone in found.items() if 0 < port <= LAST_PORT}

    async def stop(self, grace: timedelta) -> None:
        """Have the task asked to end, and forced after `grace`; return at once."""
        await self.ask({"do": "stop", "grace": grace.total_seconds()})

    async def tell(self, text: str) -> int:
        """Write a line to the task's terminals and its log; return how many terminals there are."""
        told = await self.ask({"do": "tell", "text": text})
        with _understood():
            return int(told["terminals"])

    async def _lines(self, request: Request) -> AsyncIterator[bytes]:
        _, stream = await self.open(request)
        try:
            async for line in whole_lines(stream):
                yield line
        finally:
            with contextlib.suppress(OSError):
                await stream.close()


@contextlib.contextmanager
def _understood() -> Iterator[None]:
    """Take an answer that is not as it should be for what it is: an agent runs as its account, which may run another."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise HostileError(f"An answer that cannot be read ({type(error).__name__}).") from error


def _amount(told: Any, *, most: float = MOST_BYTES) -> float:
    amount = float(told)
    if not math.isfinite(amount):
        raise ValueError("no amount")
    return min(max(amount, 0.0), most)


def _error(told: Any) -> Exception:
    if not isinstance(told, dict):
        return HostileError("An answer that cannot be read.")
    code, sentence = str(told.get("code")), str(told.get("sentence"))
    if code == "not_running":
        return TaskNotRunningError()
    if code == "refused":
        return ConnectionRefusedError(sentence)
    if code in {"no_commands", "no_files"}:
        return LaunchError(sentence, hint=str(told.get("hint") or "Start it again."), code=code)
    return RefusedError(code, sentence)
