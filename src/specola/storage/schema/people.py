"""The tables of people: accounts, links and invitations, sessions and tokens, failed attempts to sign in."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from specola.storage.schema.base import Base

__all__ = ["AttemptRow", "InvitationRow", "LinkRow", "PersonRow", "SessionRow", "TokenRow"]

HASH = String(64)


class PersonRow(Base):
    """An account; `password` is an argon2id hash with its parameters, NULL: none."""

    __tablename__ = "person"

    id: Mapped[str] = mapped_column(String(20), primary_key=True)
    name: Mapped[str] = mapped_column(String(32), unique=True)
    full_name: Mapped[str] = mapped_column(String(100))
    role: Mapped[str] = mapped_column(String(20))
    number: Mapped[int] = mapped_column(Integer, unique=True)
    password: Mapped[str | None] = mapped_column(Text)
    created: Mapped[datetime]
    disabled: Mapped[datetime | None]
    last_seen: Mapped[datetime | None]


class LinkRow(Base):
    """The one-time sign-in link of a person; there is one at a time."""

    __tablename__ = "link"

    person: Mapped[str] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"), primary_key=True)
    secret: Mapped[str] = mapped_column(HASH, unique=True)
    expires: Mapped[datetime]


class InvitationRow(Base):
    """An invitation; once accepted it stays as the record of who let whom in."""

    __tablename__ = "invitation"

    id: Mapped[str] = mapped_column(String(20), primary_key=True)
    secret: Mapped[str] = mapped_column(HASH, unique=True)
    role: Mapped[str] = mapped_column(String(20))
    note: Mapped[str] = mapped_column(String(200))
    invited_by: Mapped[str] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"))
    created: Mapped[datetime]
    expires: Mapped[datetime]
    accepted_by: Mapped[str | None] = mapped_column(ForeignKey("person.id", ondelete="SET NULL"))


class SessionRow(Base):
    """A signed-in browser; what was entered by it hangs on it and goes with it."""

    __tablename__ = "session"

    id: Mapped[str] = mapped_column(String(20), primary_key=True)
    person: Mapped[str] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"), index=True)
    secret: Mapped[str] = mapped_column(HASH, unique=True)
    created: Mapped[datetime]
    last_seen: Mapped[datetime]
    expires: Mapped[datetime] = mapped_column(index=True)
    client: Mapped[str] = mapped_column(String(200))
    address: Mapped[str] = mapped_column(String(64))


class TokenRow(Base):
    """A personal API token."""

    __tablename__ = "token"

    id: Mapped[str] = mapped_column(String(20), primary_key=True)
    person: Mapped[str] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(60))
    secret: Mapped[str] = mapped_column(HASH, unique=True)
    scopes: Mapped[list[Any]]
    created: Mapped[datetime]
    expires: Mapped[datetime | None] = mapped_column(index=True)
    last_used: Mapped[datetime | None]

    __table_args__ = (UniqueConstraint("person", "name"),)


class AttemptRow(Base):
    """Failed attempts to sign in, counted by what they have in common: a name, or an address they came from."""

    __tablename__ = "attempt"

    subject: Mapped[str] = mapped_column(String(80), primary_key=True)
    failures: Mapped[int] = mapped_column(Integer)
    last: Mapped[datetime] = mapped_column(index=True)
