"""The one wiring page: what a process holds, and the services made from it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from specola.authorities.ssh import SshAuthority
from specola.authorities.tls import TlsAuthority
from specola.clock import Clock
from specola.computing.known_kinds import KnownKinds
from specola.config import Settings
from specola.connector.client import ConnectorClient
from specola.identity.local import LocalPasswords
from specola.ports.connector import Connector
from specola.secrets import Sealer
from specola.services.access import Access
from specola.services.account_links import AccountLinks
from specola.services.addresses import Addresses
from specola.services.certificates import Certificates
from specola.services.computings import Computings
from specola.services.connections import Connections
from specola.services.endpoints import Endpoints
from specola.services.following import Following
from specola.services.found import Found
from specola.services.front_door import FrontDoor
from specola.services.groups import Groups
from specola.services.health import Health
from specola.services.identities import Identities
from specola.services.keys import Keys
from specola.services.links import Links
from specola.services.names import Names
from specola.services.offers import Offers
from specola.services.people import People
from specola.services.software import Catalogue
from specola.services.streams import Streams
from specola.services.tasks import Tasks
from specola.services.use import Uses
from specola.storage.logs import LogArchive
from specola.storage.store import Store

__all__ = ["ProcessContext", "Services", "open_process"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessContext:
    """What one process holds from its start to its end."""

    settings: Settings
    clock: Clock
    store: Store
    connector: Connector
    archive: LogArchive
    sealer: Sealer
    tls_authority: TlsAuthority
    ssh_authority: SshAuthority


@asynccontextmanager
async def open_process(
    settings: Settings, *, clock: Clock | None = None, connector: Connector | None = None
) -> AsyncIterator[ProcessContext]:
    """Open what a process holds, and close it in the end.

    Parameters
    ----------
    clock
        Another clock than this machine's, for tests and rehearsals.
    connector
        Another way to computings than the connector's socket; the caller closes it.
    """
    clock = clock or Clock()
    async with AsyncExitStack() as stack:
        sealer = Sealer.read(settings.data / "secrets" / "key")
        tls_authority = TlsAuthority.read(settings.data / "secrets" / "authority", sealer)
        store = Store(settings.database, clock=clock)
        stack.push_async_callback(store.close)
        if connector is None:
            client = ConnectorClient(settings.connector_socket)
            stack.push_async_callback(client.close)
            connector = client
        yield ProcessContext(
            settings=settings,
            clock=clock,
            store=store,
            connector=connector,
            archive=LogArchive(settings.data / "logs"),
            sealer=sealer,
            tls_authority=tls_authority,
            ssh_authority=SshAuthority(settings.data / "secrets", sealer),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """All services of one process, and what doors need beside them."""

    settings: Settings
    clock: Clock
    store: Store
    connector: Connector
    addresses: Addresses
    people: People
    access: Access
    account_links: AccountLinks
    identities: Identities
    certificates: Certificates
    groups: Groups
    keys: Keys
    front_door: FrontDoor
    ssh_authority: SshAuthority
    catalogue: Catalogue
    computings: Computings
    tasks: Tasks
    connections: Connections
    uses: Uses
    links: Links
    following: Following
    health: Health
    streams: Streams
    names: Names
    found: Found
    offers: Offers

    @classmethod
    def of(cls, context: ProcessContext) -> "Services":
        """Make the services of a process."""
        settings, clock, store, connector = context.settings, context.clock, context.store, context.connector
        addresses = Addresses(url=settings.url, domain=settings.domain)
        people = People(
            store=store,
            clock=clock,
            passwords=LocalPasswords(),
            session_life=timedelta(hours=settings.session_hours),
        )
        catalogue = Catalogue(store=store, clock=clock, connector=connector)
        computings = Computings(
            store=store, clock=clock, connector=connector, kinds=KnownKinds(), sealer=context.sealer
        )
        tasks = Tasks(
            store=store,
            clock=clock,
            connector=connector,
            catalogue=catalogue,
            addresses=addresses,
            archive=context.archive,
            limits=settings.limits,
            sealer=context.sealer,
        )
        return cls(
            settings=settings,
            clock=clock,
            store=store,
            connector=connector,
            addresses=addresses,
            people=people,
            access=Access(
                store=store,
                clock=clock,
                people=people,
                addresses=addresses,
                sealer=context.sealer,
                endpoints=Endpoints(terminals=settings.terminals_socket, streams=settings.streams),
            ),
            account_links=_account_links(context),
            identities=Identities(store=store, clock=clock, sealer=context.sealer, sources=settings.host_sources),
            certificates=Certificates(
                store=store, clock=clock, authority=context.tls_authority, server=settings.tls_cert
            ),
            groups=Groups(store=store, clock=clock),
            keys=Keys(store=store, clock=clock, authority=context.ssh_authority),
            front_door=FrontDoor(store=store, clock=clock, people=people),
            ssh_authority=context.ssh_authority,
            catalogue=catalogue,
            computings=computings,
            tasks=tasks,
            connections=Connections(store=store, clock=clock, sealer=context.sealer),
            uses=Uses(store=store, clock=clock, connector=connector),
            links=Links(store=store, clock=clock),
            following=Following(store=store, tasks=tasks),
            health=Health(store=store, clock=clock, connector=connector),
            streams=Streams(store=store, sealer=context.sealer),
            names=Names(store=store),
            found=Found(store=store, clock=clock, tasks=tasks, catalogue=catalogue),
            offers=Offers(store=store, computings=computings, limits=settings.limits),
        )


def _account_links(context: ProcessContext) -> AccountLinks:
    return AccountLinks(
        store=context.store,
        clock=context.clock,
        connector=context.connector,
        sealer=context.sealer,
        sources=context.settings.host_sources,
    )
