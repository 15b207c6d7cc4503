"""A gateway with TLS whose task has interfaces that are reached by name, and clients with certificates."""

import asyncio
import ssl
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from specola.authorities.tls import TlsAuthority
from specola.gateway.tls import PublicTls, server_tls
from tests.support.certificates import ClientFiles, client_files, make_certificate
from tests.support.peers import Peer
from tests.support.stage import Stage
from tests.support.web_side import TASK

__all__ = ["Named", "open_named"]

PROTOCOLS = {"raw": "tcp", "db": "postgres", "cache": "redis", "calls": "grpc"}


@dataclass(kw_only=True)
class Named:
    """What a test holds; the interfaces lead to the task that the stage plays unless told otherwise."""

    folder: Path
    stage: Stage
    tls: PublicTls
    authority: TlsAuthority
    root: Path
    client: ClientFiles
    peers: list[Peer] = field(default_factory=list)

    def name(self, interface: str) -> str:
        """Return the name of an interface."""
        return f"{interface}--{TASK}.tasks.test"

    def admit(self, client: ClientFiles, person: str = "ada") -> ClientFiles:
        """Let `web` know a certificate."""
        self.stage.web.certificates[client.serial] = person
        return client

    def another(self, *, authority: TlsAuthority | None = None, life: timedelta = timedelta(hours=1)) -> ClientFiles:
        """Make another certificate that `web` would admit."""
        return self.admit(client_files(self.folder, authority or self.authority, life=life))

    def context(self, client: ClientFiles | None, *, offered: Sequence[str] = ()) -> ssl.SSLContext:
        """Return how a client speaks."""
        context = ssl.create_default_context(cafile=str(self.root))
        if client is not None:
            context.load_cert_chain(client.certificate, client.key)
        if offered:
            context.set_alpn_protocols(list(offered))
        return context

    async def connect(
        self,
        interface: str = "raw",
        *,
        client: ClientFiles | None = None,
        offered: Sequence[str] = (),
        bare: bool = False,
    ) -> Peer:
        """Connect to an interface, with ada's certificate unless another is given, or none at all (`bare`)."""
        context = self.context(None if bare else client or self.client, offered=offered)
        opened = await asyncio.open_connection(
            "127.0.0.1", self.stage.port, ssl=context, server_hostname=self.name(interface)
        )
        peer = Peer(*opened)
        self.peers.append(peer)
        return peer

    async def pair(self, interface: str = "raw", *, client: ClientFiles | None = None) -> tuple[Peer, Peer]:
        """Connect, and return both ends."""
        visitor = await self.connect(interface, client=client)
        return visitor, await self.stage.task.accept()


@asynccontextmanager
async def open_named(endpoints: Mapping[str, dict[str, Any]] | None = None, **more: Any) -> AsyncIterator[Named]:
    """Set everything up.

    Parameters
    ----------
    endpoints
        Where interfaces lead that do not lead to the task that the stage plays.
    """
    with tempfile.TemporaryDirectory(prefix="named") as place:
        folder = Path(place)
        authority = TlsAuthority.fresh(installation="test", now=datetime.now(UTC))
        files = make_certificate(folder, "platform.test", "*.tasks.test")
        tls = server_tls(*files)
        # Told before anything is asked: what the names speak has to be known before somebody connects.
        interfaces = {(TASK, name): {"endpoint": {}, "protocol": protocol} for name, protocol in PROTOCOLS.items()}
        web = {"authority": authority.certificate, "interfaces": interfaces}
        where: dict[str, Any] = {"public_url": "https://platform.test", "tasks_domain": "tasks.test"}
        async with Stage.open(tls=tls, web=web, **where, **more) as stage:
            for name, found in ((name, stage.web.interfaces[TASK, name]) for name in PROTOCOLS):
                found["endpoint"] = (endpoints or {}).get(name) or stage.task.endpoint
            client = client_files(folder, authority)
            named = Named(folder=folder, stage=stage, tls=tls, authority=authority, root=files[0], client=client)
            named.admit(client)
            try:
                yield named
            finally:
                for peer in named.peers:
                    peer.close()
