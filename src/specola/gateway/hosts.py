"""Which host names are ours, and whose they are: the platform's, or one interface of one task."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from specola.config import Settings

__all__ = ["Names", "Place", "Platform", "TaskOrigin"]

LABEL = re.compile(r"(?P<interface>[a-z0-9]+(?:-[a-z0-9]+)*)--(?P<task>[0-9a-z]{8,12})")
HOST = re.compile(rb"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.\-]+)(?::(?P<port>[0-9]{1,5}))?")
LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})


@dataclass(frozen=True, slots=True)
class Platform:
    """The platform's own pages and API."""


@dataclass(frozen=True, slots=True)
class TaskOrigin:
    """One interface of one task; `origin` is its one true origin, as browsers write it."""

    task: str
    interface: str
    origin: str


Place = Platform | TaskOrigin
THE_PLATFORM = Platform()


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Reads host names by the platform's own address and the tasks' domain."""

    url: str
    domain: str
    scheme: str
    port: str
    """":8080", or empty where it is the scheme's own."""
    platform: frozenset[str]

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Read the settings."""
        parts = urlsplit(settings.url)
        name = (parts.hostname or "localhost").lower()
        name = f"[{name}]" if ":" in name else name
        default = {"http": 80, "https": 443}.get(parts.scheme)
        port = f":{parts.port}" if parts.port and parts.port != default else ""
        names = {name} | (LOOPBACK if is_loopback(name) else set())
        return cls(
            url=settings.url,
            domain=settings.domain.lower().strip("."),
            scheme=parts.scheme,
            port=port,
            platform=frozenset(names),
        )

    def read(self, host: bytes) -> Place | None:
        """Return what a Host header names, or None if it is not ours. The port does not matter: it is our own socket."""
        found = HOST.fullmatch(host)
        if found is None:
            return None
        name = found["name"].decode("ascii").lower()
        if name in self.platform:
            return THE_PLATFORM
        label = LABEL.fullmatch(name.removesuffix("." + self.domain)) if name.endswith("." + self.domain) else None
        if label is None:
            return None
        return TaskOrigin(label["task"], label["interface"], f"{self.scheme}://{name}{self.port}")


def is_loopback(name: str) -> bool:
    """Tell whether a platform of this name is one for one's own machine."""
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return name == "localhost"
