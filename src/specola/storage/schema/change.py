"""The table of changes: what was written, numbered in the order in which it was committed."""

from datetime import datetime

from sqlalchemy import Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from specola.storage.schema.base import Base

__all__ = ["ChangeRow"]


class ChangeRow(Base):
    """One change; kept for an hour, the last one for good, since numbers go on from it."""

    __tablename__ = "change"

    sequence: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(index=True)
    topic: Mapped[str] = mapped_column(String(20))
    key: Mapped[str] = mapped_column(String(200))
    owner: Mapped[str | None] = mapped_column(String(20))
