"""The tables of the catalogue: entries, their releases, and what came with the installation."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, Integer, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from specola.storage.schema.base import Base

__all__ = ["ReleaseRow", "ShippedRow", "SoftwareRow"]


class SoftwareRow(Base):
    """One entry; `owner` NULL: the installation's own."""

    __tablename__ = "software"

    id: Mapped[str] = mapped_column(String(20), primary_key=True)
    name: Mapped[str] = mapped_column(String(63), index=True)
    owner: Mapped[str | None] = mapped_column(String(20), index=True)
    title: Mapped[str] = mapped_column(String(100))
    description: Mapped[str] = mapped_column(Text)
    shared: Mapped[bool]
    needs_registry: Mapped[bool]
    tags: Mapped[list[Any]]
    homepage: Mapped[str] = mapped_column(String(1000))
    created: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("owner", "name"),
        # NULL is unlike NULL in a unique constraint, so the installation's own names need an index of their own.
        Index(
            "uq_software_installation_name",
            "name",
            unique=True,
            sqlite_where=text("owner IS NULL"),
            postgresql_where=text("owner IS NULL"),
        ),
    )


class ReleaseRow(Base):
    """One release; `place` 0 is the current one. `body` holds what is read and written as a whole."""

    __tablename__ = "release"

    id: Mapped[str] = mapped_column(String(20), primary_key=True)
    software: Mapped[str] = mapped_column(ForeignKey("software.id", ondelete="CASCADE"))
    place: Mapped[int] = mapped_column(Integer)
    version: Mapped[str] = mapped_column(String(80))
    body: Mapped[dict[str, Any]]
    created: Mapped[datetime]

    __table_args__ = (UniqueConstraint("software", "version"),)


class ShippedRow(Base):
    """The text of an entry that came with the installation, as it was last installed (SHA-256, in hex)."""

    __tablename__ = "shipped"

    name: Mapped[str] = mapped_column(String(63), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
