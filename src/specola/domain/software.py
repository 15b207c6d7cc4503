"""Software: a catalogue entry, its releases, and the interfaces each release serves."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

__all__ = [
    "CAPABILITIES",
    "TERMINAL",
    "Activity",
    "CredentialUse",
    "CredentialWay",
    "Health",
    "HomeAccess",
    "Interface",
    "Origin",
    "Parameter",
    "ParameterKind",
    "PreStop",
    "Protocol",
    "Release",
    "Resources",
    "RunsAs",
    "Software",
]

CAPABILITIES = frozenset({"CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID", "NET_BIND_SERVICE"})
"""The only Linux capabilities that a release may ask for; anyone may own software, so nothing dangerous is among them."""


class Protocol(StrEnum):
    """What an interface speaks."""

    HTTP = "http"
    HTTPS = "https"
    RFB = "rfb"
    SSH = "ssh"
    POSTGRES = "postgres"
    MYSQL = "mysql"
    REDIS = "redis"
    GRPC = "grpc"
    TCP = "tcp"
    TERMINAL = "terminal"
    """The platform's own: no release declares it."""

    @property
    def opens_in_browser(self) -> bool:
        """Whether the gateway serves it to a browser as it is."""
        return self in {Protocol.HTTP, Protocol.HTTPS}

    @property
    def shows_in_browser(self) -> bool:
        """Whether a browser shows it, as it is or by a page of the platform's own: a desktop."""
        return self.opens_in_browser or self is Protocol.RFB


class RunsAs(StrEnum):
    """Which user the container runs as."""

    HOME = "home"
    IMAGE = "image"


class HomeAccess(StrEnum):
    """What a task may do with the home of the person who started it."""

    WRITE = "write"
    READ = "read"
    NONE = "none"


class CredentialWay(StrEnum):
    """How the gateway hands the task's credential to the application for the visitor."""

    HEADER = "header"
    BASIC = "basic"
    QUERY = "query"
    COOKIE = "cookie"


class Origin(StrEnum):
    """What happens to a request's Origin header once it has been checked."""

    KEEP = "keep"
    REWRITE = "rewrite"


class ParameterKind(StrEnum):
    """What a parameter of a release takes."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    CHOICE = "choice"


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialUse:
    """What the gateway adds to each request, in one of four ways.

    `template` is a header line (`Authorization: token {credential}`), a `user:password` pair, a `name=value` query
    parameter or a `name=value` cookie; `{credential}` stands for the task's random credential.
    """

    way: CredentialWay
    template: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """When an HTTP interface counts as ready: a GET of `path` answers one of `expect` ("200-399,401,403")."""

    path: str = "/"
    expect: str = "100-599"

    def accepts(self, status: int) -> bool:
        """Tell whether an answer with `status` means ready."""
        for part in self.expect.split(","):
            low, _, high = part.strip().partition("-")
            if int(low) <= status <= int(high or low):
                return True
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What does not count as use.

    `ignore` are paths, each also covering what lies below it; with a method before it (`GET /api/sessions`) only plain
    requests of that method. `pings` is the size, in bytes, up to which a WebSocket message only keeps a connection open.
    """

    ignore: tuple[str, ...] = ()
    pings: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """One port that a release serves, and what speaks there."""

    name: str
    port: int
    protocol: Protocol = Protocol.HTTP
    open: str = "/"
    credential: CredentialUse | None = None
    health: Health | None = None
    activity: Activity = field(default_factory=Activity)
    origin: Origin = Origin.KEEP


TERMINAL = Interface(name="terminal", port=0, protocol=Protocol.TERMINAL)
"""The terminal that every live task has, at an origin like that of an interface; its name is reserved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What a task may use: CPUs (cores, fractions allowed), memory and shared memory (bytes), GPUs.

    `gpu_model` says which kind of GPU, in the computing's own words; empty: any.
    """

    cpus: float = 1.0
    memory: int = 2 * 1024**3
    shm: int = 64 * 1024**2
    gpus: int = 0
    gpu_model: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreStop:
    """A command that runs inside a task before it is asked to end, and how long that may take at most."""

    command: tuple[str, ...]
    time: timedelta = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A value that a person may choose at start; used as `{parameters.NAME}` in command and environment."""

    name: str
    title: str = ""
    kind: ParameterKind = ParameterKind.TEXT
    default: str = ""
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One version of a software: an image and how it is run. Immutable once saved.

    `time` is how long a task of it runs unless another time is asked for; None: as long as its computing allows.
    `home` is where the person's home is mounted, `scratch` where a folder is that is gone with the task; None: nowhere.
    """

    id: str
    version: str
    image: str
    digest: str | None = None
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    resources: Resources = field(default_factory=Resources)
    user: RunsAs = RunsAs.IMAGE
    home: str | None = None
    home_access: HomeAccess = HomeAccess.WRITE
    scratch: str | None = None
    capabilities: tuple[str, ...] = ()
    interfaces: tuple[Interface, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    time: timedelta | None = None
    pre_stop: PreStop | None = None
    created: datetime | None = None

    def interface(self, name: str) -> Interface | None:
        """Return the interface called `name`, if this release has one."""
        return next((one for one in self.interfaces if one.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Software:
    """A catalogue entry. `owner` None: the installation's own. The first release is the current one."""

    id: str
    name: str
    title: str
    description: str = ""
    owner: str | None = None
    shared: bool = False
    needs_registry: bool = False
    tags: tuple[str, ...] = ()
    homepage: str = ""
    releases: tuple[Release, ...] = ()
    created: datetime | None = None

    @property
    def current(self) -> Release:
        """The release that is started unless another is named."""
        return self.releases[0]
