"""Account links as a service, over computings whose hosts answer as a test says."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from specola.clock import Clock
from specola.connector.direct import DirectConnector
from specola.connector.directory import Directory
from specola.connector.sampler import Sampler
from specola.domain.account_link import AccountSeen
from specola.domain.computing import Computing
from specola.domain.errors import AccountRefusedError
from specola.domain.person import Actor, Role
from specola.services.account_links import AccountLinks
from specola.services.groups import Groups
from specola.services.identities import Identities
from specola.storage.store import Store
from tests.support.house import House

__all__ = ["AUTHORITY_KEY", "Hosted", "Site", "add_on_host", "as_token"]

AUTHORITY_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKQYoBsLeEvLNed4A1fjzx3woMC7AJGyPU5gLRfeXSYq"


@dataclass
class Site:
    """Hosts with accounts: their numbers, and what lies in their homes. An account that is not there lets nobody in."""

    numbers: dict[str, int] = field(default_factory=lambda: {"ann": 5001, "ben": 5002, "service": 997})
    proofs: dict[str, str] = field(default_factory=dict)
    refusing: set[str] = field(default_factory=set)
    asked: list[tuple[str, str, str]] = field(default_factory=list)

    async def prove(self, computing: str, account: str, person: str) -> AccountSeen:
        """Answer as a host would."""
        self.asked.append((computing, account, person))
        if account not in self.numbers or account in self.refusing:
            raise AccountRefusedError(computing, account, "Permission denied")
        return AccountSeen(number=self.numbers[account], name=account, proof=self.proofs.get(account, ""))


@dataclass(frozen=True)
class Hosted:
    """A house with computings: `cluster` by certificates, `keyed` by keys, `shared`, `inner` behind a jump host, `here`."""

    house: House
    site: Site
    links: AccountLinks
    identities: Identities
    groups: Groups
    admin: Actor
    ada: Actor
    bob: Actor

    @classmethod
    async def build(cls, house: House) -> "Hosted":
        """Put the computings there."""
        site = Site()
        directory = Directory(lambda *_: _nothing())
        connector = DirectConnector(directory, Sampler(directory), site)
        hosted = cls(
            house=house,
            site=site,
            links=AccountLinks(store=house.store, clock=house.clock, connector=connector, sealer=house.sealer),
            identities=Identities(store=house.store, clock=house.clock, sealer=house.sealer, sources=("192.0.2.0/24",)),
            groups=Groups(store=house.store, clock=house.clock),
            admin=await house.enter("root", role=Role.ADMINISTRATOR),
            ada=await house.enter("ada"),
            bob=await house.enter("bob"),
        )
        host = {"address": "192.0.2.7", "keys": [AUTHORITY_KEY]}
        jump = {"address": "192.0.2.1", "keys": [AUTHORITY_KEY]}
        await hosted.add("cluster", host={**host, "identity": "certificate"})
        await hosted.add("keyed", host={**host, "identity": "key"})
        await hosted.add("shared", host={**host, "identity": "shared", "account": "robot"})
        await hosted.add("inner", host={**host, "identity": "certificate", "jump": jump})
        await hosted.add("here")
        return hosted

    async def add(self, name: str, *, owner: Actor | None = None, **settings: Any) -> Computing:
        """Put a computing there, for everybody or as somebody's own."""
        return await _save(self.house.store, name, settings, owner=owner.person.id if owner else None)

    async def prove(self, actor: Actor, account: str, *, on: str = "cluster") -> None:
        """Link an account and prove it."""
        place = await self.links.link(actor, on, account)
        assert place.link is not None
        self.site.proofs[account] = place.link.challenge
        _ = await self.links.check(actor, on)

    @property
    def store(self) -> Store:
        """The database."""
        return self.house.store


async def add_on_host(store: Store, name: str, host: Mapping[str, Any]) -> Computing:
    """Put a computing there that works on a host; its tasks cannot be started, but its accounts are real."""
    return await _save(store, name, {"host": dict(host)})


async def _save(store: Store, name: str, settings: Mapping[str, Any], *, owner: str | None = None) -> Computing:
    computing = Computing(
        id=f"c-{name}",
        name=name,
        title=name.title(),
        kind="memory",
        settings=settings,
        owner=owner,
        created=Clock().now(),
    )
    async with store.write() as tx:
        await tx.computings.save(computing)
    return computing


def _nothing() -> Any:
    raise AssertionError("no computing is opened here")


def as_token(actor: Actor, *, scopes: Any) -> Actor:
    """Return somebody as they come with a token."""
    return replace(actor, session=None, token="t1", scopes=frozenset(scopes))
