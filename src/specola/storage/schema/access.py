"""The tables of access: how browsers were let into tasks' origins, and what was carried."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from specola.storage.schema.base import Base
from specola.storage.schema.people import HASH

__all__ = ["CodeRow", "EntryRow", "TrafficRow"]

ONE_WAY = "(session IS NULL) <> (link IS NULL)"


class CodeRow(Base):
    """A hand-over code, for half a minute, to be spent once; its rights are those of its session, or of its link."""

    __tablename__ = "code"

    secret: Mapped[str] = mapped_column(HASH, primary_key=True)
    session: Mapped[str | None] = mapped_column(ForeignKey("session.id", ondelete="CASCADE"), index=True)
    link: Mapped[str | None] = mapped_column(ForeignKey("view_link.id", ondelete="CASCADE"), index=True)
    task: Mapped[str] = mapped_column(ForeignKey("task.id", ondelete="CASCADE"), index=True)
    interface: Mapped[str] = mapped_column(String(60))
    nonce: Mapped[str] = mapped_column(HASH)
    origin: Mapped[str] = mapped_column(String(300))
    path: Mapped[str] = mapped_column(Text)
    expires: Mapped[datetime] = mapped_column(index=True)

    __table_args__ = (CheckConstraint(ONE_WAY, name="one_way"),)


class EntryRow(Base):
    """A browser that was let into one interface of one task, as long as its session or its link lasts."""

    __tablename__ = "entry"

    cookie: Mapped[str] = mapped_column(HASH, primary_key=True)
    session: Mapped[str | None] = mapped_column(ForeignKey("session.id", ondelete="CASCADE"))
    link: Mapped[str | None] = mapped_column(ForeignKey("view_link.id", ondelete="CASCADE"), index=True)
    task: Mapped[str] = mapped_column(ForeignKey("task.id", ondelete="CASCADE"), index=True)
    interface: Mapped[str] = mapped_column(String(60))
    created: Mapped[datetime]

    __table_args__ = (
        CheckConstraint(ONE_WAY, name="one_way"),
        Index("ix_entry_session_task_interface", "session", "task", "interface"),
    )


class TrafficRow(Base):
    """What the gateways carried for one person, or one link's guests, through one interface since the task's start."""

    __tablename__ = "traffic"

    task: Mapped[str] = mapped_column(ForeignKey("task.id", ondelete="CASCADE"), primary_key=True)
    interface: Mapped[str] = mapped_column(String(60), primary_key=True)
    person: Mapped[str] = mapped_column(String(20), primary_key=True)
    received: Mapped[int] = mapped_column(BigInteger)
    sent: Mapped[int] = mapped_column(BigInteger)
    last_used: Mapped[datetime | None]
