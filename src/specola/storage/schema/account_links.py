"""The tables of accounts on computings: whose they are, the platform's keys for them, and what was signed."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from specola.storage.schema.base import Base

__all__ = ["AccountKeyRow", "AccountLinkRow", "AccountSignatureRow"]

# By id, not by name: another computing that later has the same name is another place, where nothing is proven.
COMPUTING = "computing.id"
PROVEN = text("proof IS NOT NULL")


class AccountLinkRow(Base):
    """A person's account on a computing; a proven one is nobody else's."""

    __tablename__ = "account_link"

    id: Mapped[str] = mapped_column(String(20), primary_key=True)
    person: Mapped[str] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"))
    computing: Mapped[str] = mapped_column(ForeignKey(COMPUTING, ondelete="CASCADE"))
    account: Mapped[str] = mapped_column(String(64))
    created: Mapped[datetime]
    proof: Mapped[str | None] = mapped_column(String(10))
    proven: Mapped[datetime | None]
    entered_by: Mapped[str | None] = mapped_column(String(20))
    challenge: Mapped[str] = mapped_column(String(64))
    challenge_ends: Mapped[datetime | None]
    last_used: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("person", "computing"),
        Index(
            "ix_account_link_computing_account_proven",
            "computing",
            "account",
            unique=True,
            sqlite_where=PROVEN,
            postgresql_where=PROVEN,
        ),
    )


class AccountKeyRow(Base):
    """A key of the platform's; without a person it is that of the computing's shared account. `sealed` is its private half."""

    __tablename__ = "account_key"

    id: Mapped[str] = mapped_column(String(20), primary_key=True)
    computing: Mapped[str] = mapped_column(ForeignKey(COMPUTING, ondelete="CASCADE"), index=True)
    person: Mapped[str | None] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"), index=True)
    public: Mapped[str] = mapped_column(Text)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    created: Mapped[datetime]


class AccountSignatureRow(Base):
    """A certificate that was signed. It outlives person, computing and link, so it has no foreign key."""

    __tablename__ = "account_signature"

    serial: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    computing: Mapped[str] = mapped_column(String(63), index=True)
    account: Mapped[str] = mapped_column(String(64))
    person: Mapped[str] = mapped_column(String(20))
    purpose: Mapped[str] = mapped_column(String(10))
    fingerprint: Mapped[str] = mapped_column(String(60))
    request: Mapped[str] = mapped_column(String(40))
    created: Mapped[datetime] = mapped_column(index=True)
    expires: Mapped[datetime]
