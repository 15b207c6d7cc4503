"""Tunnels into tasks: a WebSocket of a visitor, joined to a TCP connection, for as long as its right lasts."""

import asyncio
from collections.abc import Callable

from typing_extensions import override

from specola.gateway.decisions import Lease
from specola.piping import Early, EndCode, Pipe
from specola.records import Record

__all__ = ["TaskPipe"]


class TaskPipe(Pipe):
    """A tunnel. Held by its ends, its lease and the process; forgotten when both ends are closed."""

    __slots__ = ("_forget", "_lease", "_refused", "record")

    def __init__(
        self,
        *,
        visitor: asyncio.Transport,
        stream: Early,
        lease: Lease,
        record: Record,
        forget: Callable[["TaskPipe"], None],
    ) -> None:
        super().__init__(socket=visitor, stream=stream, meter=record)
        self.stream_lost = "The application broke off the connection."
        self._lease = lease
        self.record = record
        self._refused = ""
        self._forget = forget
        lease.live.add(self)

    def revoke(self) -> None:
        """Close both connections at once, saying why."""
        if self._lease.taken_by.startswith("task:"):
            self.close(EndCode.TASK_ENDED, "The task has been stopped.")
        else:
            self._refused = "revoked"
            self.close(EndCode.REVOKED, "Your right to use this task has been taken back.")

    def stop(self) -> None:
        """Close both connections, since this process ends."""
        self.close(EndCode.GOING_AWAY, "The platform is restarting.")

    @override
    def finished(self) -> None:
        self._lease.live.discard(self)
        self.record.end(refused=self._refused)
        self._forget(self)
