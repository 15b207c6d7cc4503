"""The tables of access: how browsers were let into tasks' origins, and what was carried."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from specola.storage.schema.base import Base
from specola.storage.schema.people import HASH

__all__ = ["CodeRow", "EntryRow", "TrafficRow"]


class CodeRow(Base):
    """A hand-over code, for half a minute, to be spent once; person and rights are those of its session."""

    __tablename__ = "code"

    secret: Mapped[str] = mapped_column(HASH, primary_key=True)
    session: Mapped[str] = mapped_column(ForeignKey("session.id", ondelete="CASCADE"), index=True)
    task: Mapped[str] = mapped_column(ForeignKey("task.id", ondelete="CASCADE"), index=True)
    interface: Mapped[str] = mapped_column(String(60))
    nonce: Mapped[str] = mapped_column(HASH)
    origin: Mapped[str] = mapped_column(String(300))
    path: Mapped[str] = mapped_column(Text)
    expires: Mapped[datetime] = mapped_column(index=True)


class EntryRow(Base):
    """A browser that was let into one interface of one task, as long as its session lasts."""

    __tablename__ = "entry"

    cookie: Mapped[str] = mapped_column(HASH, primary_key=True)
    session: Mapped[str] = mapped_column(ForeignKey("session.id", ondelete="CASCADE"))
    task: Mapped[str] = mapped_column(ForeignKey("task.id", ondelete="CASCADE"), index=True)
    interface: Mapped[str] = mapped_column(String(60))
    created: Mapped[datetime]

    __table_args__ = (Index("ix_entry_session_task_interface", "session", "task", "interface"),)


class TrafficRow(Base):
    """What the gateways carried for one person through one interface: bytes since the task's start, and last use."""

    __tablename__ = "traffic"

    task: Mapped[str] = mapped_column(ForeignKey("task.id", ondelete="CASCADE"), primary_key=True)
    interface: Mapped[str] = mapped_column(String(60), primary_key=True)
    person: Mapped[str] = mapped_column(String(20), primary_key=True)
    received: Mapped[int] = mapped_column(BigInteger)
    sent: Mapped[int] = mapped_column(BigInteger)
    last_used: Mapped[datetime | None]
