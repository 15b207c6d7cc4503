"""The tables of groups, with who belongs to them."""

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from specola.storage.schema.base import Base

__all__ = ["GroupRow", "MemberRow"]


class GroupRow(Base):
    """A group. SQL has a word “group” of its own."""

    __tablename__ = "person_group"

    id: Mapped[str] = mapped_column(String(20), primary_key=True)
    name: Mapped[str] = mapped_column(String(32), unique=True)
    title: Mapped[str] = mapped_column(String(100))
    created: Mapped[datetime]


class MemberRow(Base):
    """That a person belongs to a group, and whether they manage it."""

    __tablename__ = "group_member"

    belongs_to: Mapped[str] = mapped_column(ForeignKey("person_group.id", ondelete="CASCADE"), primary_key=True)
    person: Mapped[str] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"), primary_key=True, index=True)
    manages: Mapped[bool]
