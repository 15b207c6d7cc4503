"""The services of one installation in this process: a real database, and a computing of kind `memory`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from specola.clock import ManualClock
from specola.computing.kinds import Context, open_computing
from specola.computing.known_kinds import KnownKinds
from specola.computing.memory import World
from specola.config import Limits
from specola.connector.direct import DirectConnector
from specola.connector.directory import Directory, Way
from specola.connector.sampler import Sampler
from specola.domain.budget import Budget
from specola.domain.computing import Launch, Progress
from specola.domain.person import ALL_SCOPES, Actor, Person, Role
from specola.domain.task import Reason, Task, TaskState
from specola.secrets import Sealer
from specola.services.addresses import Addresses
from specola.services.computings import Computings
from specola.services.found import Found
from specola.services.software import Catalogue
from specola.services.tasks import Tasks
from specola.storage.logs import LogArchive
from specola.storage.migrate import upgrade
from specola.storage.store import Store

__all__ = ["Installation", "open_installation", "person"]

MEMORY = {"cpus": 8, "memory": 32 * 1024**3}


def person(name: str, *, role: Role = Role.PERSON, number: int = 100000) -> Actor:
    """Return somebody with all rights of their role; services of software and tasks ask no more than this value."""
    one = Person(
        id=f"p-{name}", name=name, full_name=name.title(), role=role, number=number, created=ManualClock().now()
    )
    return Actor(person=one, scopes=ALL_SCOPES, session="s")


@dataclass(frozen=True, kw_only=True)
class Installation:
    """What a test holds."""

    clock: ManualClock
    store: Store
    world: World
    directory: Directory
    sampler: Sampler
    connector: DirectConnector
    archive: LogArchive
    sealer: Sealer
    limits: Limits
    ada: Actor
    bob: Actor
    admin: Actor

    @property
    def catalogue(self) -> Catalogue:
        """The catalogue."""
        return Catalogue(store=self.store, clock=self.clock, connector=self.connector)

    @property
    def computings(self) -> Computings:
        """The computings."""
        return Computings(
            store=self.store, clock=self.clock, connector=self.connector, kinds=KnownKinds(), sealer=self.sealer
        )

    @property
    def tasks(self) -> Tasks:
        """The tasks."""
        return Tasks(
            store=self.store,
            clock=self.clock,
            connector=self.connector,
            catalogue=self.catalogue,
            addresses=Addresses(url="http://localhost:8080", domain="localhost"),
            archive=self.archive,
            limits=self.limits,
            sealer=self.sealer,
        )

    @property
    def found(self) -> Found:
        """The ports found."""
        return Found(store=self.store, clock=self.clock, tasks=self.tasks, catalogue=self.catalogue)

    def limited(self, **limits: float) -> "Installation":
        """Return the same installation under other limits."""
        return replace(self, limits=self.limits.model_copy(update=limits))

    async def move(self, task: Task, state: TaskState, *, handle: str | None = None) -> Task:
        """Move a task on as its worker would, a second later."""
        self.clock.advance(timedelta(seconds=1))
        reason = Reason(code="told", sentence="The computing told so.")
        async with self.store.write() as tx:
            known = await tx.tasks.get(task.id)
            moved = known.moved_to(state, at=self.clock.now(), reason=reason)
            return await tx.tasks.save(replace(moved, handle=handle or known.handle))

    async def start(self, task: Task) -> Task:
        """Start a task's container as its worker would, and tell the connector of it."""
        computing = await self.directory.computing(task.computing)
        launch = Launch(
            task=task.id,
            title=task.title,
            owner=task.owner,
            reference=task.image.reference,
            digest=task.image.digest,
            image_id=task.image.id,
            command=task.release.command,
            environment=task.environment,
            resources=task.resources,
            user=task.release.user,
            home=None,
            number=100000,
            capabilities=task.release.capabilities,
            interfaces=task.release.interfaces,
            credential="secret",
        )
        handle = await computing.launch(launch, report=_ignore, budget=Budget(10, "Starting"))
        await self.directory.add_way(Way(task=task.id, computing=task.computing, handle=handle, ports=()))
        return await self.move(task, TaskState.RUNNING, handle=handle)


async def _ignore(progress: Progress) -> None:
    """Take a report of progress; nobody reads it here."""


@asynccontextmanager
async def open_installation(
    folder: Path, *, url: str | None = None, empty: bool = False
) -> AsyncIterator[Installation]:
    """Open an installation with one computing, `here`, unless it is to be `empty`.

    Parameters
    ----------
    folder
        Where its files are.
    url
        A database with tables; None: a fresh SQLite file in the folder.
    """
    if url is None:
        url = f"sqlite:///{folder / 'specola.db'}"
        await upgrade(url)
    clock = ManualClock()
    world = World(clock)
    context = Context(installation="inst", data=folder, clock=clock, world=world)
    directory = Directory(
        lambda name, kind, settings: open_computing(kind, name=name, settings=settings, context=context)
    )
    await directory.add_computing("here", "memory", MEMORY)
    await directory.keep(computings=["here"], tasks=[])
    sampler = Sampler(directory)
    store = Store(url, clock=clock)
    house = Installation(
        clock=clock,
        store=store,
        world=world,
        directory=directory,
        sampler=sampler,
        connector=DirectConnector(directory, sampler),
        archive=LogArchive(folder / "logs"),
        sealer=Sealer(bytes(range(32))),
        limits=Limits(live_tasks=20, cpus=4, memory=16 * 1024**3),
        ada=person("ada"),
        bob=person("bob"),
        admin=person("root", role=Role.ADMINISTRATOR),
    )
    try:
        if not empty:
            await house.computings.install("here", title="This machine", kind="memory", settings=MEMORY)
        yield house
    finally:
        await world.close()
        await directory.close()
        await store.close()
