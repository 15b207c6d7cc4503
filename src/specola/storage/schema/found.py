"""The table of ports that were found in running tasks."""

from datetime import datetime

from sqlalchemy import Boolean, ForeignKey, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from specola.storage.schema.base import Base

__all__ = ["FoundPortRow"]


class FoundPortRow(Base):
    """A port at which something in a task listens beyond what its release declares."""

    __tablename__ = "found_port"

    task: Mapped[str] = mapped_column(ForeignKey("task.id", ondelete="CASCADE"), primary_key=True)
    port: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    protocol: Mapped[str] = mapped_column(String(10))
    loopback: Mapped[bool] = mapped_column(Boolean)
    since: Mapped[datetime]
