"""Relays an upgraded connection: bytes as they come, both ways, each way with its own end."""

import asyncio
from collections.abc import Callable

from typing_extensions import override

from specola.flow import pause, resume
from specola.gateway.decisions import Lease
from specola.gateway.frames import Frames
from specola.records import Record

__all__ = ["Tunnel"]


class Tunnel:
    """Two connections that have become one. Held by its ends, its lease and the process; forgotten when both close."""

    __slots__ = ("_forget", "_frames", "_lease", "_open", "_record", "_revoked", "_task", "_used", "_visitor")

    def __init__(  # noqa: PLR0913 - a bill of materials
        self,
        *,
        visitor: asyncio.Transport,
        task: asyncio.Transport,
        lease: Lease | None,
        record: Record | None,
        used: bool,
        frames: Frames | None,
        forget: Callable[["Tunnel"], None],
    ) -> None:
        self._lease = lease
        self._record = record
        self._used = used
        """Whether what the visitor sends can be a use."""
        self._frames = frames
        """What tells which of it is, if that can be told."""
        if record is not None:
            record.by_bytes = used and frames is None
        self._revoked = False
        self._forget = forget
        self._open = 2
        self._visitor = VisitorEnd(visitor, self)
        self._task = TaskEnd(task, self)
        self._visitor.other = self._task
        self._task.other = self._visitor
        visitor.set_protocol(self._visitor)
        task.set_protocol(self._task)
        if lease is not None:
            lease.live.add(self)

    def revoke(self) -> None:
        """Close both connections at once."""
        self._revoked = True
        self._visitor.transport.abort()
        self._task.transport.abort()

    def received(self, data: bytes) -> None:
        """Count what came from the visitor."""
        record = self._record
        if record is not None:
            record.received += len(data)
            if self._used and self._frames is not None and self._frames.feed(data):
                record.used = True

    def sent(self, size: int) -> None:
        """Count bytes to the visitor; an application may talk to itself, so they are no use."""
        if self._record is not None:
            self._record.sent += size

    def closed(self) -> None:
        """Note that one end is closed."""
        self._open -= 1
        if self._open:
            return
        if self._lease is not None:
            self._lease.live.discard(self)
        if self._record is not None:
            self._record.end(refused=self._refused())
        self._forget(self)

    def _refused(self) -> str:
        # A task that was stopped takes everybody's connection with it, which nobody was refused.
        taken = self._revoked and self._lease is not None and not self._lease.taken_by.startswith("task:")
        return "revoked" if taken else ""


class End(asyncio.Protocol):
    """One end of a tunnel."""

    __slots__ = ("ended", "other", "transport", "tunnel")

    def __init__(self, transport: asyncio.Transport, tunnel: Tunnel) -> None:
        self.transport = transport
        self.tunnel = tunnel
        self.other: End = self
        self.ended = False

    @override
    def data_received(self, data: bytes) -> None:
        self.other.transport.write(data)

    @override
    def pause_writing(self) -> None:
        pause(self.other.transport)

    @override
    def resume_writing(self) -> None:
        if not self.other.transport.is_closing():
            resume(self.other.transport)

    @override
    def eof_received(self) -> bool:
        # TLS has no half-close: there the end of one way is the end of both.
        self.ended = True
        if self.transport.get_extra_info("sslcontext") is not None or self.other.ended:
            return False
        if self.other.transport.is_closing():
            return False
        if not self.other.transport.can_write_eof():
            return False
        self.other.transport.write_eof()
        return True

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if exc is None:
            self.other.transport.close()
        else:
            self.other.transport.abort()
        self.tunnel.closed()


class VisitorEnd(End):
    """The end at the visitor."""

    __slots__ = ()

    @override
    def data_received(self, data: bytes) -> None:
        self.tunnel.received(data)
        self.other.transport.write(data)


class TaskEnd(End):
    """The end at the task."""

    __slots__ = ()

    @override
    def data_received(self, data: bytes) -> None:
        self.tunnel.sent(len(data))
        self.other.transport.write(data)
