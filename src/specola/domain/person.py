"""People: who acts, in which role, and by which right."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

__all__ = ["Actor", "Invitation", "Person", "PersonId", "Role", "Scope", "Session", "Token"]

PersonId = str


class Role(StrEnum):
    """What a person may do on this installation."""

    ADMINISTRATOR = "administrator"
    PERSON = "person"


class Scope(StrEnum):
    """What a token may be used for. A session may do all that its person may."""

    READ = "read"
    TASKS = "tasks"
    SOFTWARE = "software"
    CONNECT = "connect"
    COMPUTINGS = "computings"
    ADMINISTRATION = "administration"


ALL_SCOPES = frozenset(Scope)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody with an account.

    `number` is the person's numeric owner of files on every computing (a POSIX uid, at least 100000).
    """

    id: PersonId
    name: str
    full_name: str
    role: Role
    number: int
    created: datetime
    disabled: datetime | None = None
    has_password: bool = False
    last_seen: datetime | None = None

    @property
    def is_administrator(self) -> bool:
        """Whether this person administers the installation."""
        return self.role is Role.ADMINISTRATOR


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One signed-in browser."""

    id: str
    person: PersonId
    created: datetime
    last_seen: datetime
    expires: datetime
    client: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A personal API token; the secret itself is shown once and only its hash is kept."""

    id: str
    person: PersonId
    name: str
    scopes: frozenset[Scope]
    created: datetime
    expires: datetime | None
    last_used: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """A link that lets somebody make an account, once."""

    id: str
    role: Role
    note: str
    invited_by: PersonId
    created: datetime
    expires: datetime
    accepted_by: PersonId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acts, and by which right: a session, a token, or a command on the host.

    Somebody at the SSH front door came by a `key` or a `certificate`, which may hang on a session or a token.
    """

    person: Person
    scopes: frozenset[Scope]
    session: str | None = None
    token: str | None = None
    key: str | None = None
    certificate: str | None = None

    @property
    def marks(self) -> tuple[str, ...]:
        """The names under which what this actor came with can be taken back, the most particular first."""
        came_with = (
            ("key", self.key),
            ("certificate", self.certificate),
            ("session", self.session),
            ("token", self.token),
            ("person", self.person.id),
        )
        return tuple(f"{kind}:{name}" for kind, name in came_with if name is not None)

    def may(self, scope: Scope) -> bool:
        """Tell whether what this actor came with covers `scope`."""
        return scope in self.scopes

    @property
    def administers(self) -> bool:
        """Whether this actor may do what administrators may: by role, and by what they came with."""
        return self.person.is_administrator and self.may(Scope.ADMINISTRATION)
