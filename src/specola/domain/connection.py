"""Connections: who reached which interface of a task, from where, by what, when, and how much went through."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from specola.domain.person import PersonId
from specola.domain.task import TaskId

__all__ = ["UNHEARD", "Connection", "ConnectionId", "ConnectionKind"]

ConnectionId = str

UNHEARD = timedelta(minutes=15)
"""An open connection is told of every 5 minutes; after three silences nobody carries it any more."""


class ConnectionKind(StrEnum):
    """By what a task was reached. `http` is a visit: all requests of one person from one address."""

    HTTP = "http"
    WEBSOCKET = "websocket"
    TUNNEL = "tunnel"
    TLS = "tls"
    TERMINAL = "terminal"
    DESKTOP = "desktop"
    SSH = "ssh"
    SFTP = "sftp"
    FORWARD = "forward"

    @property
    def bytes_are_use(self) -> bool:
        """Whether whatever comes from a visitor shows that somebody uses the task.

        Browsers poll over HTTP, ping over WebSockets and ask again and again for a desktop's screen. There whoever
        reads the protocol says what was a person's doing.
        """
        return self not in {ConnectionKind.HTTP, ConnectionKind.WEBSOCKET, ConnectionKind.DESKTOP}


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """The record of one connection, or of one refused visitor.

    `person` is empty for an unknown visitor, `name` is how the person is called. `received` are bytes from the visitor,
    `sent` those to the visitor. `refused` is a stable code, empty where the visitor was let in; the same visitor refused
    several times in a short while is one record, with how many `times`. `heard` is when it was last told of.
    """

    id: ConnectionId
    task: TaskId
    interface: str
    kind: ConnectionKind
    person: PersonId = ""
    name: str = ""
    address: str
    began: datetime
    ended: datetime | None = None
    heard: datetime
    received: int = 0
    sent: int = 0
    refused: str = ""
    times: int = 1

    def end(self, now: datetime) -> datetime | None:
        """Return when it ended, None if it is open.

        One that was not heard of for `UNHEARD` ended when it was last heard of: what carried it was killed, and could
        not tell.
        """
        if self.ended is not None:
            return self.ended
        return self.heard if now - self.heard > UNHEARD else None

    def is_open(self, now: datetime) -> bool:
        """Tell whether it is open, as far as is known."""
        return self.end(now) is None
