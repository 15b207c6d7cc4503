"""The table of links, by which guests look at desktops."""

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from specola.storage.schema.base import Base
from specola.storage.schema.people import HASH

__all__ = ["ViewLinkRow"]


class ViewLinkRow(Base):
    """A link to one interface of one task; it goes with the task, with its maker, and with the token it was made by."""

    __tablename__ = "view_link"

    id: Mapped[str] = mapped_column(String(20), primary_key=True)
    secret: Mapped[str] = mapped_column(HASH, unique=True)
    task: Mapped[str] = mapped_column(ForeignKey("task.id", ondelete="CASCADE"), index=True)
    interface: Mapped[str] = mapped_column(String(60))
    person: Mapped[str] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"), index=True)
    token: Mapped[str | None] = mapped_column(ForeignKey("token.id", ondelete="CASCADE"), index=True)
    created: Mapped[datetime]
    expires: Mapped[datetime] = mapped_column(index=True)
