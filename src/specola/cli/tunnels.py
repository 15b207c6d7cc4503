"""Listens on this machine, and carries every connection that comes there through a tunnel of its own."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Protocol

from typing_extensions import override

from specola.cli.dialling import Handshake, dial
from specola.cli.failures import AnsweredError
from specola.cli.reaching import Target
from specola.domain.errors import RevokedError, SpecolaError, TaskEndedError, TunnelError
from specola.piping import Early, EndCode, Meter, Pipe, reset

__all__ = ["Door", "Failure", "Tally", "Watcher", "carry", "is_final"]

Failure = SpecolaError | AnsweredError


class Tally(Meter):
    """Counts the bytes of one interface, and its connections."""

    def __init__(self) -> None:
        self.received = 0
        self.sent = 0
        self.used = False
        self.open = 0
        self.total = 0


class Watcher(Protocol):
    """Who is told what happens to tunnels."""

    def changed(self, door: "Door") -> None:
        """Take note that a connection has begun or ended."""

    def failed(self, door: "Door", error: Failure) -> None:
        """Take note of a tunnel that could not be opened, or broke off."""


def is_final(error: Failure) -> bool:
    """Tell whether no other connection will fare better."""
    if isinstance(error, AnsweredError):
        return error.status in {401, 403, 404}
    return isinstance(error, RevokedError | TaskEndedError)


class Link(Pipe):
    """A local connection, joined to its tunnel."""

    __slots__ = ("done",)

    def __init__(self, shake: Handshake, stream: Early, tally: Tally) -> None:
        super().__init__(socket=shake.transport, stream=stream, meter=tally, client=True)
        self.stream_lost = "The local connection broke off."
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @override
    def finished(self) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def trouble(self, target: Target) -> Failure | None:
        """Return what went wrong, once it is closed; None: nothing, or it is this side's own doing."""
        if self.ours or self.code in {EndCode.DONE, 1005}:
            return None
        match self.code:
            case EndCode.REVOKED:
                return RevokedError(target.task_name)
            case EndCode.TASK_ENDED:
                return TaskEndedError(target.task_name, "being stopped")
            case EndCode.LOST:
                return TunnelError(target.interface, "The connection to the platform broke off.")
            case _:
                return TunnelError(target.interface, self.reason or f"The tunnel was closed with code {self.code}.")


async def carry(target: Target, stream: Early, tally: Tally) -> Failure | None:
    """Carry a local connection through a tunnel until both have ended; returns what went wrong."""
    try:
        shake = await dial(target)
    except (SpecolaError, AnsweredError) as error:
        reset(stream.transport)
        return refined(error, target)
    except asyncio.CancelledError:
        stream.transport.abort()
        raise
    link = Link(shake, stream, tally)
    link.begin(shake.held, stream)
    try:
        await link.done
    finally:
        if not link.done.done():
            link.close(EndCode.GOING_AWAY)
    return link.trouble(target)


def refined(error: Failure, target: Target) -> Failure:
    """Say of a task that is not ready whether it ever will be."""
    state = error.problem.get("state") if isinstance(error, AnsweredError) else None
    if state in {"stopping", "stopped", "finished", "failed"}:
        return TaskEndedError(target.task_name, "being stopped" if state == "stopping" else state)
    return error


class Local(Early):
    """A connection that has come in on this machine."""

    __slots__ = ("_came", "_gone")

    def __init__(self, came: Callable[["Local"], asyncio.Task[None]]) -> None:
        super().__init__()
        self._came = came
        self._gone: asyncio.Task[None] | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._gone = self._came(self)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._gone is not None:
            self._gone.cancel()


class Door:
    """One local port, behind which one interface stands."""

    def __init__(self, target: Target, watcher: Watcher) -> None:
        self.target = target
        self.tally = Tally()
        self._watcher = watcher
        self._carrying: set[asyncio.Task[None]] = set()

    def came(self, stream: Local) -> asyncio.Task[None]:
        """Carry a connection that has come."""
        carrying = asyncio.get_running_loop().create_task(self._carry(stream))
        self._carrying.add(carrying)
        carrying.add_done_callback(self._carrying.discard)
        return carrying

    def accept(self) -> Local:
        """Make the protocol of a connection that comes."""
        return Local(self.came)

    async def drain(self, seconds: float) -> None:
        """Let connections end by themselves, for a while: what a client wrote last may still be on its way."""
        if self._carrying:
            await asyncio.wait(self._carrying, timeout=seconds)

    async def close(self) -> None:
        """End every connection."""
        for carrying in tuple(self._carrying):
            carrying.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*self._carrying, return_exceptions=True)

    async def _carry(self, stream: Local) -> None:
        tally = self.tally
        tally.open += 1
        tally.total += 1
        self._watcher.changed(self)
        error: Failure | None = None
        try:
            error = await carry(self.target, stream, tally)
        finally:
            tally.open -= 1
            self._watcher.changed(self)
        if error is not None:
            self._watcher.failed(self, error)
