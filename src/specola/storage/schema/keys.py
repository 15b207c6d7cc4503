"""The tables of public keys on accounts, and of the certificates that were issued."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from specola.storage.schema.base import Base

__all__ = ["PublicKeyRow", "SshCertificateRow"]


class PublicKeyRow(Base):
    """A public key on an account; one that was added by a token goes with it."""

    __tablename__ = "public_key"

    id: Mapped[str] = mapped_column(String(20), primary_key=True)
    person: Mapped[str] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"), index=True)
    title: Mapped[str] = mapped_column(String(100))
    algorithm: Mapped[str] = mapped_column(String(60))
    fingerprint: Mapped[str] = mapped_column(String(60), unique=True)
    text: Mapped[str] = mapped_column(Text)
    created: Mapped[datetime]
    last_used: Mapped[datetime | None]
    token: Mapped[str | None] = mapped_column(ForeignKey("token.id", ondelete="CASCADE"), index=True)


class SshCertificateRow(Base):
    """A user certificate; it goes with the session or the token that asked for it."""

    __tablename__ = "ssh_certificate"

    serial: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    person: Mapped[str] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"), index=True)
    fingerprint: Mapped[str] = mapped_column(String(60))
    created: Mapped[datetime]
    expires: Mapped[datetime] = mapped_column(index=True)
    session: Mapped[str | None] = mapped_column(ForeignKey("session.id", ondelete="CASCADE"), index=True)
    token: Mapped[str | None] = mapped_column(ForeignKey("token.id", ondelete="CASCADE"), index=True)
