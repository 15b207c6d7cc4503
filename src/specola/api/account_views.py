"""People, sessions and tokens as JSON."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from specola.domain.person import Role, Scope, Session

__all__ = ["CertificateView", "PersonView", "SessionView", "TokenView"]


class PersonView(BaseModel):
    """Somebody with an account."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    name: str
    full_name: str
    role: Role
    number: int = Field(description="owner of the person's files, a POSIX uid")
    created: datetime
    disabled: datetime | None = Field(description="since when the account is switched off")
    has_password: bool
    last_seen: datetime | None


class SessionView(BaseModel):
    """One signed-in browser."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    created: datetime
    last_seen: datetime
    expires: datetime
    client: str
    address: str
    current: bool = Field(default=False, description="it is the one that asks")

    @classmethod
    def of(cls, session: Session, *, current: str | None) -> "SessionView":
        """Return a session as JSON shows it; `current` is the id of the one that asks."""
        return cls.model_validate(session).model_copy(update={"current": session.id == current})


class TokenView(BaseModel):
    """A personal token, without its secret."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    name: str
    scopes: list[Scope]
    created: datetime
    expires: datetime | None
    last_used: datetime | None


class CertificateView(BaseModel):
    """A client certificate, by which a program reaches tasks."""

    model_config = ConfigDict(from_attributes=True)

    serial: str = Field(description="serial number in hex")
    created: datetime
    expires: datetime
