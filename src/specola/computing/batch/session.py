"""The platform's end of the connection to one task's agent."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from specola.computing.batch.mux import Link, Reply, Request
from specola.computing.batch.running import CommandRunning
from specola.domain.computing import LogLine, Terminal, Usage
from specola.domain.errors import LaunchError, TaskNotRunningError
from specola.ports.computing import NOTHING, Stream

__all__ = ["RefusedError", "Session"]

GREETING_SECONDS = 60.0


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
        self, command: Sequence[str], *, terminal: Terminal | None = None, environment: Mapping[str, str] = NOTHING
    ) -> CommandRunning:
        """Start a command in the task, as `Executes.execute` means it."""
        asked: Request = {"do": "execute", "command": list(command), "environment": dict(environment)}
        if terminal is not None:
            size = terminal.size
            asked["terminal"] = {"kind": terminal.kind, "columns": size.columns, "rows": size.rows}
        _, stream = await self.open(asked)
        return CommandRunning(stream, terminal=terminal is not None)

    async def files(self) -> Stream:
        """Open a session of the SSH file transfer protocol, as `HasFiles.files` means it."""
        return (await self.open({"do": "files"}))[1]

    async def logs(self, *, follow: bool = False, tail: int | None = None) -> AsyncIterator[LogLine]:
        """Yield what the task wrote, as `HasLogs.logs` means it."""
        async for at, channel, text in self._lines({"do": "logs", "follow": follow, "tail": tail}):
            yield LogLine(at=datetime.fromtimestamp(at, UTC), stream=channel, text=text)

    async def events(self) -> AsyncIterator[Mapping[str, Any]]:
        """Yield the task's status as it is now, and then each time it changes."""
        async for status in self._lines({"do": "events"}):
            yield status

    async def status(self) -> Mapping[str, Any]:
        """Return the task's status, as `status.json` has it."""
        return dict((await self.ask({"do": "status"}))["status"])

    async def usage(self) -> Usage:
        """Measure what the task uses."""
        told = await self.ask({"do": "usage"})
        return Usage(
            at=datetime.fromtimestamp(told["at"], UTC),
            cpus=told["cpus"],
            memory=told["memory"],
            received=told["received"],
            sent=told["sent"],
        )

    async def ports(self) -> Mapping[int, bool]:
        """Return the ports that are listened to, each with whether on the task's loopback alone."""
        return {int(port): bool(alone) for port, alone in (await self.ask({"do": "ports"}))["ports"].items()}

    async def stop(self, grace: timedelta) -> None:
        """Have the task asked to end, and forced after `grace`; return at once."""
        await self.ask({"do": "stop", "grace": grace.total_seconds()})

    async def tell(self, text: str) -> int:
        """Write a line to the task's terminals and its log; return how many terminals there are."""
        return int((await self.ask({"do": "tell", "text": text}))["terminals"])

    async def _lines(self, request: Request) -> AsyncIterator[Any]:
        _, stream = await self.open(request)
        rest = b""
        try:
            while data := await stream.read():
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    yield json.loads(line)
        finally:
            with contextlib.suppress(OSError):
                await stream.close()


def _error(told: Mapping[str, Any]) -> Exception:
    code, sentence = str(told.get("code")), str(told.get("sentence"))
    if code == "not_running":
        return TaskNotRunningError()
    if code == "refused":
        return ConnectionRefusedError(sentence)
    if code in {"no_commands", "no_files"}:
        return LaunchError(sentence, hint=str(told.get("hint") or "Start it again."), code=code)
    return RefusedError(code, sentence)
