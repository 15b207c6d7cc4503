"""The public port with TLS: looks at what a client wants before the handshake, and gives it to HTTP or to an interface."""

import asyncio
import logging
import re
import socket
from functools import partial
from typing import TYPE_CHECKING

from specola.gateway.by_name import ByName
from specola.gateway.hello import Hello, peek
from specola.gateway.hosts import TaskOrigin
from specola.gateway.interfaces import Interfaces
from specola.gateway.tls import PublicTls
from specola.gateway.visitor import Visitor

if TYPE_CHECKING:
    from specola.gateway.hub import Hub

__all__ = ["Door"]

HANDSHAKE_SECONDS = 15.0
BREATH_SECONDS = 1.0
"""How long nobody is accepted after the system had no room for another connection."""
NAME = re.compile(rb"[A-Za-z0-9.-]{1,253}")
HTTP = frozenset((b"http/1.1", b"http/1.0"))

log = logging.getLogger(__name__)


class Door:
    """Accepts connections for as long as it works.

    Notes
    -----
    Whether a certificate is asked for has to be known before the handshake begins: OpenSSL decides it with the context
    that a connection starts with, and changing the context by the name (`SSLContext.sni_callback`) does not change it.
    """

    def __init__(self, hub: "Hub", *, listening: socket.socket, tls: PublicTls) -> None:
        self._hub = hub
        self._listening = listening
        self._listening.setblocking(False)
        self._tls = tls
        self._interfaces = Interfaces(internal=hub.internal, clock=hub.clock, tls=tls)
        self._accepting: asyncio.Task[None] | None = None
        self._greeting: set[asyncio.Task[None]] = set()

    async def work(self) -> None:
        """Accept connections, and follow what `web` tells of interfaces, for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._interfaces.follow())
            self._accepting = group.create_task(self._accept())

    def close(self) -> None:
        """Accept nobody any more."""
        if self._accepting is not None:
            self._accepting.cancel()
        for greeting in self._greeting:
            greeting.cancel()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        with self._listening:
            while True:
                try:
                    connection, _ = await loop.sock_accept(self._listening)
                except OSError as error:
                    log.warning("no connection can be accepted: %s", error)
                    await asyncio.sleep(BREATH_SECONDS)
                    continue
                greeting = loop.create_task(self._greet(connection))
                self._greeting.add(greeting)
                greeting.add_done_callback(self._greeting.discard)

    async def _greet(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                hello = await peek(connection)
                if hello is None:
                    connection.close()
                    return
                named = await self._named(hello)
            made = partial(ByName, self._hub, *named) if named else partial(Visitor, self._hub)
            context = self._tls.asking(named[1]) if named else self._tls.ordinary
            _ = await loop.connect_accepted_socket(
                made, connection, ssl=context, ssl_handshake_timeout=HANDSHAKE_SECONDS
            )
        except (OSError, TimeoutError) as error:
            # A certificate that is expired or another's ends here as well.
            log.info("no TLS with a client: %s", getattr(error, "reason", None) or str(error) or type(error).__name__)
            connection.close()
        except asyncio.CancelledError:
            connection.close()
            raise

    async def _named(self, hello: Hello) -> tuple[TaskOrigin, str] | None:
        """Return the interface that a client wants to reach without HTTP, and its protocol.

        Browsers, and programs that speak HTTP, say so (RFC 7301); they are asked for no certificate under any name.
        """
        if NAME.fullmatch(hello.name) is None or not HTTP.isdisjoint(hello.offered):
            return None
        place = self._hub.names.read(hello.name)
        if not isinstance(place, TaskOrigin):
            return None
        protocol = await self._interfaces.protocol(place.task, place.interface)
        return (place, protocol) if protocol is not None else None
