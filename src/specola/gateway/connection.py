"""A connection at the public port, before any HTTP: its stage, its time limits, its lease, its back-pressure."""

import asyncio
from typing import TYPE_CHECKING, Protocol, cast

from typing_extensions import override

from specola.flow import pause, resume
from specola.gateway.decisions import Decision, Lease
from specola.gateway.stages import (
    HEAD_SECONDS,
    HOLD_LIMIT,
    IDLE_SECONDS,
    LINGER_SECONDS,
    NEVER,
    STALL_SECONDS,
    Known,
    Stage,
)
from specola.records import Record

if TYPE_CHECKING:
    from specola.gateway.hub import Hub
    from specola.gateway.upstream import Upstream

__all__ = ["Connection", "Guest"]


class Guest(Protocol):
    """A visitor's connection, as far as its process has to do with it."""

    deadline: float
    """When its time runs out."""

    def expire(self) -> None:
        """Close after its time has run out."""

    def stop(self) -> None:
        """Close soon."""

    def abort(self) -> None:
        """Close now."""


class Connection(asyncio.Protocol):
    """What a visitor's connection is, whatever is said on it."""

    __slots__ = (
        "_ended", "_full", "_held", "_hub", "_known", "_lease", "_stage", "_via", "_work",
        "deadline", "keep", "meter", "transport", "upstream",
    )  # fmt: skip

    transport: asyncio.Transport

    def __init__(self, hub: "Hub") -> None:
        self._hub = hub
        self._stage = Stage.WAITING
        self._held = b""
        self._work: asyncio.Task[None] | None = None
        self._known: Known | None = None
        self._lease: Lease | None = None
        self._ended = False
        self._full = False
        self.upstream: Upstream | None = None
        self.meter: Record | None = None
        """The visit that this connection counts for."""
        self.keep = True
        """Whether the connection outlives the present answer."""
        self.deadline = hub.tick + HEAD_SECONDS

    @property
    def tick(self) -> float:
        """The time, as exact as idle connections need it."""
        return self._hub.tick

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._via = self._hub.via(self.transport)
        self._hub.visitors.add(self)
        if self._hub.stopping:
            self.transport.close()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._stage = Stage.CLOSED
        self._hub.gone(self)
        if self._work is not None:
            self._work.cancel()
        self.leave_upstream()
        self.bind(None, None)

    @override
    def pause_writing(self) -> None:
        self._full = True
        self.deadline = self._hub.tick + STALL_SECONDS
        if self.upstream is not None:
            pause(self.upstream.transport)

    @override
    def resume_writing(self) -> None:
        self._full = False
        self.deadline = NEVER if self._stage is Stage.RELAYING else self._hub.tick + IDLE_SECONDS
        if self.upstream is not None and not self.upstream.transport.is_closing():
            resume(self.upstream.transport)

    def revoke(self) -> None:
        """Close what stands on a lease that was taken back; between two requests that is the upstream alone."""
        if self._stage is not Stage.WAITING:
            self.abort()
            return
        self._known = None
        self.leave_upstream()
        self.bind(None, None)

    def expire(self) -> None:
        """Close after the time of the present stage has run out."""
        if self._stage is Stage.WAITING:
            self.transport.close()
        elif self._stage is Stage.LINGERING and not self._full and self.transport.get_write_buffer_size():
            # The visitor still reads the last answer, slowly.
            self._full = True
            self.deadline = self._hub.tick + STALL_SECONDS
        else:
            self.abort()

    def stop(self) -> None:
        """Close soon: at once if nothing is going on, else with the present answer."""
        self.keep = False
        self._known = None
        if self._stage is Stage.WAITING and not self._held:
            self.transport.close()

    def abort(self) -> None:
        """Close now; the visitor sees that what it has is not whole."""
        self.transport.abort()

    def pause_reading(self) -> None:
        """Take nothing more from the visitor for now."""
        if not self.transport.is_closing():
            pause(self.transport)

    def resume_reading(self) -> None:
        """Go on reading."""
        if not self.transport.is_closing() and len(self._held) <= HOLD_LIMIT:
            resume(self.transport)

    def leave_upstream(self) -> None:
        """Close the upstream connection, if there is one."""
        upstream, self.upstream = self.upstream, None
        if upstream is not None:
            upstream.drop()

    def bind(self, lease: Lease | None, decision: Decision | None, address: str = "") -> None:
        """Stand on a lease, and count for its person's visit from `address` (empty: the peer's)."""
        if lease is self._lease:
            return
        if self._lease is not None:
            self._lease.live.discard(self)
        if self.meter is not None:
            self._hub.visits.leave(self.meter)
        self._lease, self.meter = lease, None
        if lease is not None and decision is not None:
            lease.live.add(self)
            address = address or self._via.address
            self.meter = self._hub.visits.join(lease.task, lease.interface, decision.person, address)

    def _linger(self) -> None:
        self._stage = Stage.LINGERING
        self._held = b""
        self.deadline = self._hub.tick + (STALL_SECONDS if self._full else LINGER_SECONDS)
        self.leave_upstream()
        if not self._ended and self.transport.can_write_eof() and not self.transport.is_closing():
            resume(self.transport)
            self.transport.write_eof()
        else:
            self.transport.close()
