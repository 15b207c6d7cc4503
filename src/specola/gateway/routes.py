"""Where a request is carried to, and how that place is dialled."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from specola.domain.task import Endpoint
from specola.gateway.decisions import Decision, Lease
from specola.gateway.requests import Head
from specola.task_tls import task_tls

__all__ = ["Carry", "Passage", "Route", "dial"]

DIAL_SECONDS = 10.0

Connected = TypeVar("Connected", bound=asyncio.Protocol)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One place. A connection to it is used again only for an equal route: same person, same task, same interface."""

    endpoint: Endpoint
    secure: bool = False
    lease: Lease | None = field(default=None, compare=True)
    """None: `web` itself."""

    @property
    def to_task(self) -> bool:
        """Whether a task answers, whose word counts less than `web`'s."""
        return self.lease is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Carry:
    """A request that may pass: where it goes, and its head as it is sent there."""

    route: Route
    head: Head
    target: bytes
    block: bytes = field(repr=False)
    decision: Decision | None = None
    used: bool = False

    @property
    def wire(self) -> bytes:
        """The head as it is sent on."""
        return b"%s %s HTTP/1.%d\r\n%s" % (self.head.method, self.target, self.head.minor, self.block)


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A tunnel that may be opened: where its bytes go, and what is answered once it is decided how that went."""

    route: Route
    decision: Decision
    welcome: bytes = field(repr=False)


TASK_TLS = task_tls()


async def dial(route: Route, protocol: Callable[[], Connected]) -> Connected:
    """Connect a route; raises OSError, TimeoutError."""
    loop = asyncio.get_running_loop()
    endpoint = route.endpoint
    tls = TASK_TLS if route.secure else None
    async with asyncio.timeout(DIAL_SECONDS):
        if endpoint.host is not None and endpoint.port is not None:
            _, made = await loop.create_connection(protocol, endpoint.host, endpoint.port, ssl=tls)
        else:
            name = "localhost" if tls else None
            _, made = await loop.create_unix_connection(protocol, endpoint.path, ssl=tls, server_hostname=name)
    return made
