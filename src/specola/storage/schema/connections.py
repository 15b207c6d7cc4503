"""The table of connections: who reached a task, from where, by what, and when."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from specola.storage.schema.base import Base

__all__ = ["ConnectionRow"]


class ConnectionRow(Base):
    """One connection, or one visitor that was refused. A person may have gone since, so `person` is no foreign key."""

    __tablename__ = "connection"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    task: Mapped[str] = mapped_column(ForeignKey("task.id", ondelete="CASCADE"))
    interface: Mapped[str] = mapped_column(String(60))
    kind: Mapped[str] = mapped_column(String(20))
    person: Mapped[str] = mapped_column(String(20))
    address: Mapped[str] = mapped_column(String(64))
    began: Mapped[datetime]
    ended: Mapped[datetime | None]
    heard: Mapped[datetime] = mapped_column(index=True)
    received: Mapped[int] = mapped_column(BigInteger)
    sent: Mapped[int] = mapped_column(BigInteger)
    refused: Mapped[str] = mapped_column(String(60))
    times: Mapped[int] = mapped_column(Integer)

    __table_args__ = (Index("ix_connection_task_began_id", "task", "began", "id"),)
