"""The tables of computings: records, leases, and tasks found there that nobody has a record of."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Integer, LargeBinary, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from specola.storage.schema.base import Base

__all__ = ["ComputingRow", "LeaseRow", "OrphanRow"]


class ComputingRow(Base):
    """One computing; `place` orders them, the default one first.

    `secrets` are sealed settings, whose names stand in `secret_names`. There is no foreign key to the owner, since no
    person is ever removed.
    """

    __tablename__ = "computing"

    id: Mapped[str] = mapped_column(String(20), primary_key=True)
    name: Mapped[str] = mapped_column(String(63), unique=True)
    place: Mapped[int] = mapped_column(Integer)
    title: Mapped[str] = mapped_column(String(100))
    kind: Mapped[str] = mapped_column(String(20))
    description: Mapped[str] = mapped_column(Text, server_default=text("''"))
    owner: Mapped[str | None] = mapped_column(String(20))
    audience: Mapped[str] = mapped_column(String(10), server_default="everybody")
    groups: Mapped[list[Any]] = mapped_column(server_default="[]")
    intake: Mapped[str] = mapped_column(String(10), server_default="open")
    offer: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    settings: Mapped[dict[str, Any]]
    secrets: Mapped[bytes | None] = mapped_column(LargeBinary)
    secret_names: Mapped[list[Any]] = mapped_column(server_default="[]")
    revision: Mapped[str] = mapped_column(String(20), server_default=text("''"))
    created: Mapped[datetime]
    asked: Mapped[datetime | None]
    probe: Mapped[dict[str, Any] | None]
    unreachable_since: Mapped[datetime | None]
    error: Mapped[str] = mapped_column(Text)


class LeaseRow(Base):
    """Which worker looks after a computing, and until when."""

    __tablename__ = "lease"

    computing: Mapped[str] = mapped_column(ForeignKey("computing.name", ondelete="CASCADE"), primary_key=True)
    holder: Mapped[str] = mapped_column(String(100))
    until: Mapped[datetime]


class OrphanRow(Base):
    """A task that carries our label on a computing and has no record; `unwanted`: an administrator wants it removed."""

    __tablename__ = "orphan"

    computing: Mapped[str] = mapped_column(ForeignKey("computing.name", ondelete="CASCADE"), primary_key=True)
    task: Mapped[str] = mapped_column(String(63), primary_key=True)
    handle: Mapped[str] = mapped_column(String(200))
    unwanted: Mapped[bool]
