"""The SSH front door with a task behind it, and the real programs `ssh`, `scp`, `sftp` and `rsync` before it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from specola.authorities.ssh import SshAuthority
from specola.connector.directory import Directory, Way
from specola.connector.records import records_at
from specola.connector.ssh.asking import Asking
from specola.connector.ssh.door import FrontDoor, Place
from specola.connector.ssh.live import Live
from specola.connector.ssh.revocations import Revocations
from specola.domain.person import Actor, Scope
from specola.domain.task import Task
from specola.secrets import Sealer
from tests.support.harness import Platform, open_platform
from tests.support.local import LocalComputing
from tests.support.openssh import SECONDS, OpenSsh
from tests.support.ports import free_port
from tests.support.sshkeys import Pair, pair

__all__ = ["NAMES", "SshStage", "open_ssh_stage"]

NAMES = ("localhost", "127.0.0.1")


@dataclass
class SshStage(OpenSsh):
    """One platform, its front door, one task, one person and their client."""

    platform: Platform
    computing: LocalComputing
    directory: Directory
    live: Live
    door: FrontDoor
    ada: Actor = field(init=False)
    task: Task = field(init=False)
    identity: Pair = field(init=False)

    @property
    def home(self) -> Path:
        """The home of the task's user."""
        return self.computing.home

    async def begin(self) -> None:
        """Start the task, put a key on ada's account, and write down how her client knows the front door."""
        self.port = await self.door.port()
        self.ada = await self.platform.person("ada")
        self.task = await self.platform.started(self.ada)
        self.who = self.task.id
        await self.add_way(self.task)
        self.identity = pair()
        await self.platform.services.keys.add(self.ada, self.identity.public)
        self.write_identity("ada", self.identity)
        known = self.folder / "known_hosts"
        known.write_text(self.platform.services.keys.known_hosts(NAMES, self.port) + "\n")

    async def add_way(self, task: Task) -> None:
        """Let the front door know of another task in the same place."""
        await self.directory.add_way(Way(task=task.id, computing="here", handle="here", ports=(8000,)))

    def another_authority(self) -> SshAuthority:
        """Return the authority of some other platform."""
        folder = self.folder / "another"
        folder.mkdir(exist_ok=True)
        authority = SshAuthority(folder, Sealer(bytes(32)))
        authority.make()
        return authority

    def another_door(self, port: int) -> FrontDoor:
        """Return a second front door that is to listen at a port."""
        return FrontDoor(
            Place(host="127.0.0.1", port=port, names=NAMES),
            authority=self.platform.services.ssh_authority,
            live=self.live,
            directory=self.directory,
            clock=self.platform.context.clock,
        )

    async def until(self, met: Callable[[], Awaitable[bool]]) -> None:
        """Return once something is so."""
        async with asyncio.timeout(SECONDS):
            while True:
                if await met():
                    return
                await asyncio.sleep(0.02)

    async def until_open(self, mark: str, *kinds: str) -> None:
        """Return once exactly these kinds of things are open by a mark."""

        async def met() -> bool:
            return sorted(one.kind for one in self.live.open if mark in one.marks) == sorted(kinds)

        await self.until(met)

    async def answers(self) -> bool:
        """Tell whether one gets in."""
        return (await self.run(self.ssh("true"))).code == 0

    async def token(self, name: str, *scopes: Scope) -> tuple[str, str]:
        """Make a token of ada's; return its id and its secret."""
        wanted = frozenset(scopes or (Scope.CONNECT,))
        made = await self.platform.services.people.create_token(self.ada, name=name, scopes=wanted, days=1)
        return made.value.id, made.secret


@asynccontextmanager
async def open_ssh_stage() -> AsyncIterator[SshStage]:
    """Open a stage for the body."""
    async with AsyncExitStack() as stack:
        bind = f"127.0.0.1:{free_port()}"
        platform = await stack.enter_async_context(open_platform(ssh_bind=bind, front_door=False))
        folder = platform.settings.data / "client"
        home = platform.settings.data / "home"
        for one in (folder, home):
            one.mkdir(mode=0o700)
        computing = LocalComputing(home)
        directory = Directory(lambda _name, _kind, _settings: computing)
        await directory.add_computing("here", "local", {})
        await directory.keep(computings=["here"], tasks=[])
        stack.push_async_callback(directory.close)
        asking = Asking(platform.settings.internal_socket)
        stack.push_async_callback(asking.close)
        records = records_at(platform.settings.internal_socket, clock=platform.context.clock)
        stack.push_async_callback(records.close)
        live = Live(asking, records)
        place = Place(host="127.0.0.1", port=platform.settings.ssh_port, names=NAMES)
        clock = platform.context.clock
        door = FrontDoor(place, authority=platform.services.ssh_authority, live=live, directory=directory, clock=clock)
        following = Revocations(platform.settings.internal_socket, live, clock=clock)
        working = [asyncio.create_task(door.run()), asyncio.create_task(following.run())]
        try:
            stage = SshStage(folder, platform=platform, computing=computing, directory=directory, live=live, door=door)
            await stage.begin()
            yield stage
        finally:
            for work in working:
                work.cancel()
            await asyncio.gather(*working, return_exceptions=True)
