"""Hosts of the lab as settings of a computing, and connections to them."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lab.keys import HOSTS, Host, Keys
from lab.sshhost import SshHosts as Lab
from specola.connector.hosts_server import BUFFER, HostsServer
from specola.domain.errors import MissingError
from specola.hosts.config import HostSettings
from specola.hosts.dialling import Patience
from specola.hosts.pool import IDLE_SECONDS
from specola.hosts.registered import RegisteredHosts
from specola.hosts.relayed import RelayedHosts
from specola.listening import bind
from specola.ports.hosts import Host as Account, Hosts
from tests.support.identities import LabIdentities

__all__ = ["LabHosts", "authority_of", "connected", "pinned", "served", "settings_of"]


def pinned(keys: Keys, host: Host) -> tuple[str, ...]:
    """Return the host keys of a host as a record has them."""
    return (keys.public(f"host-{host.name}").strip(),)


def settings_of(keys: Keys, host: Host, through: Host | None = None, /, **more: object) -> HostSettings:
    """Return how a host is reached, its host key registered."""
    known: dict[str, object] = {"address": host.address, "keys": pinned(keys, host), **more}
    if through is not None:
        known["jump"] = {"address": through.address, "keys": pinned(keys, through)}
    return HostSettings.model_validate(known)


def authority_of(keys: Keys) -> tuple[str, ...]:
    """Return the authority that has certified the hosts' keys, as a record has it."""
    return (keys.public(HOSTS).strip(),)


@dataclass(slots=True)
class LabHosts:
    """Connections to hosts.

    Parameters
    ----------
    hosts
        What is asked: the connections themselves, or another process's.
    made
        The connections.
    settings
        How they are reached, which a test may change.
    """

    hosts: Hosts
    made: RegisteredHosts
    identities: LabIdentities
    settings: dict[str, HostSettings] = field(default_factory=dict)

    def account(self, computing: str, account: str = "ann") -> Account:
        """Return an account on a host."""
        return self.hosts.host(computing, account)

    async def is_idle(self) -> bool:
        """Tell whether no connection is open any more."""
        return self.made.connections == 0


@asynccontextmanager
async def connected(
    lab: Lab,
    settings: Mapping[str, HostSettings] | None = None,
    *,
    patience: Patience | None = None,
    idle: float = IDLE_SECONDS,
) -> AsyncIterator[LabHosts]:
    """Have the connections while the body runs: to `front` directly, to `inner` through it, and to what `settings` names.

    `certified` is `front` as well, known by the authority that has certified the keys of both.
    """
    known = {
        "front": settings_of(lab.keys, lab.front),
        "inner": settings_of(lab.keys, lab.inner, lab.front),
        "certified": settings_of(lab.keys, lab.front, keys=(), authorities=authority_of(lab.keys)),
        **(settings or {}),
    }

    async def look_up(computing: str) -> HostSettings:
        if computing not in known:
            raise MissingError("computing", computing)
        return known[computing]

    identities = LabIdentities(lab.keys)
    hosts = RegisteredHosts(look_up, identities, patience=patience, idle=idle)
    try:
        yield LabHosts(hosts, hosts, identities, known)
    finally:
        hosts.close()


@asynccontextmanager
async def served(hosts: Hosts, socket: Path) -> AsyncIterator[RelayedHosts]:
    """Have hosts on a socket, as the connector does, and give what asks there."""
    server = HostsServer(hosts)
    listening = await asyncio.start_unix_server(server.accept, sock=bind(socket), limit=BUFFER)
    try:
        yield RelayedHosts(socket)
    finally:
        listening.close()
        await server.close()
