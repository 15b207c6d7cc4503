"""Connections as JSON."""

from datetime import datetime

from pydantic import BaseModel, Field

from specola.domain.connection import Connection, ConnectionKind

__all__ = ["ConnectionList", "ConnectionView"]


class ConnectionView(BaseModel):
    """One connection to a task, or one visitor that was refused."""

    id: str
    interface: str
    kind: ConnectionKind
    person: str | None = Field(description="id of the person; null: an unknown visitor")
    name: str | None = Field(description="how the person is called; null: unknown, or the account is gone")
    address: str = Field(description="network address of the visitor")
    began: datetime
    ended: datetime | None = Field(description="null while it is open")
    heard: datetime = Field(description="when it was last told of")
    open: bool
    received: int = Field(description="bytes from the visitor")
    sent: int = Field(description="bytes to the visitor")
    refused: str | None = Field(description="why it was refused, as a stable code; null: it was let in")
    times: int = Field(description="how often it was refused in a short while")

    @classmethod
    def of(cls, connection: Connection, now: datetime) -> "ConnectionView":
        """Return a connection as JSON shows it."""
        return cls(
            id=connection.id,
            interface=connection.interface,
            kind=connection.kind,
            person=connection.person or None,
            name=connection.name or None,
            address=connection.address,
            began=connection.began,
            ended=connection.end(now),
            heard=connection.heard,
            open=connection.is_open(now),
            received=connection.received,
            sent=connection.sent,
            refused=connection.refused or None,
            times=connection.times,
        )


class ConnectionList(BaseModel):
    """One page of a task's connections, the latest first."""

    connections: list[ConnectionView]
    cursor: str | None = Field(description="asks for the next page; null: there is none")
