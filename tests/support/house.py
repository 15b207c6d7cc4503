"""People and access as services, on a real database, with tasks put there by hand."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from specola.clock import ManualClock
from specola.domain.computing import Capability, Computing, ComputingState, Probe
from specola.domain.person import Actor, Person, Role
from specola.domain.software import Interface, Release, Resources
from specola.domain.task import Desired, Endpoint, ImageRecord, InterfaceState, Reason, Task, TaskState
from specola.identity.local import LocalPasswords
from specola.secrets import Sealer
from specola.services.access import Access
from specola.services.addresses import Addresses
from specola.services.connections import Connections
from specola.services.endpoints import Endpoints
from specola.services.links import Links
from specola.services.people import Client, People
from specola.storage.store import Store

__all__ = ["AGENT", "CREDENTIAL", "PASSWORD", "SESSION_LIFE", "TERMINALS", "House"]

PASSWORD = "correct horse battery"
CREDENTIAL = "the-task's-own-secret"
SESSION_LIFE = timedelta(days=14)
TERMINALS, STREAMS = Path("/run/specola/terminals.sock"), Path("/run/streams")
ENDPOINTS = Endpoints(terminals=TERMINALS, streams=STREAMS)
AGENT = Client(address="192.0.2.7", agent="Firefox on Linux")


@dataclass(frozen=True)
class House:
    """Services that share one store and one clock, with passwords that cost nothing."""

    store: Store
    clock: ManualClock
    people: People
    access: Access
    connections: Connections
    links: Links
    sealer: Sealer
    addresses: Addresses

    @classmethod
    def build(cls, store: Store, clock: ManualClock, *, url: str = "https://specola.test") -> "House":
        addresses = Addresses(url=url, domain="tasks.test")
        sealer = Sealer(bytes(32))
        passwords = LocalPasswords(memory=8, rounds=1)
        people = People(store=store, clock=clock, passwords=passwords, session_life=SESSION_LIFE)
        access = Access(
            store=store, clock=clock, people=people, addresses=addresses, sealer=sealer, endpoints=ENDPOINTS
        )
        connections = Connections(store=store, clock=clock, sealer=sealer)
        links = Links(store=store, clock=clock)
        return cls(
            store=store,
            clock=clock,
            people=people,
            access=access,
            connections=connections,
            links=links,
            sealer=sealer,
            addresses=addresses,
        )

    async def enter(self, name: str, *, role: Role = Role.PERSON) -> Actor:
        """Make an account if there is none, and sign in to it by a link."""
        if name not in {one.name for one in await self.everybody()}:
            await self.people.create(name, role=role)
        return await self.people.actor_of_session(await self.session_secret(name))

    async def session_secret(self, name: str) -> str:
        link = await self.people.sign_in_link(name)
        return (await self.people.sign_in_by_link(link.secret, client=AGENT)).secret

    async def member(self, name: str) -> Actor:
        """Make an account with the password PASSWORD, and sign in."""
        actor = await self.enter(name)
        await self.people.change_password(actor, current="", wanted=PASSWORD)
        return actor

    async def everybody(self) -> list[Person]:
        async with self.store.read() as transaction:
            return list(await transaction.people.all())

    async def marks(self) -> list[str]:
        """Return all marks that were revoked so far, oldest first."""
        async with self.store.read() as transaction:
            return [one.key for one in await transaction.changes.after(0) if one.topic == "revoked"]

    async def add_computing(self, *capabilities: Capability) -> None:
        """Put the computing `here` there, on which all tasks run, as a probe found it."""
        probe = Probe(
            product="Test",
            version="1",
            architectures=("amd64",),
            cpus=4,
            memory=8 * 1024**3,
            capabilities=frozenset(capabilities),
        )
        state = ComputingState(asked=self.clock.now(), probe=probe)
        async with self.store.write() as transaction:
            await transaction.computings.save(
                Computing(id="c1", name="here", title="This machine", kind="memory", created=self.clock.now())
            )
            await transaction.computings.save_state("here", state)

    async def add_task(
        self,
        owner: Actor,
        *interfaces: Interface,
        id: str = "k3f9x2ab4c",  # noqa: A002 - the field's name
        state: TaskState = TaskState.RUNNING,
    ) -> Task:
        """Put a task there whose interfaces are all ready."""
        now = self.clock.now()
        ready = tuple(
            InterfaceState(name=one.name, ready=True, endpoint=Endpoint(host="10.213.0.2", port=one.port), since=now)
            for one in interfaces
        )
        task = Task(
            id=id,
            name="a task",
            owner=owner.person.id,
            software=None,
            title="Notebook",
            release=Release(id="r1", version="1", image="notebook:1", interfaces=interfaces),
            computing="here",
            resources=Resources(),
            environment={},
            parameters={},
            image=ImageRecord(reference="notebook:1"),
            desired=Desired.RUNNING,
            state=state,
            reason=Reason(code="running", sentence="It runs."),
            since=now,
            created=now,
            interfaces=ready,
        )
        async with self.store.write() as transaction:
            await transaction.tasks.add(task, credential=self.sealer.seal(CREDENTIAL, purpose=f"task {id}"))
        return task
