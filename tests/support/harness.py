"""The whole platform in one process and one event loop, over a computing in memory.

Every part is the real one and speaks to the others over the real sockets; only the containers are pretended. A part can
be ended, killed and begun again while the others go on.
"""

import asyncio
import os
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from specola.authorities.accounts import AccountAuthority
from specola.catalogue import shipped
from specola.clock import Clock
from specola.computing.kinds import Context
from specola.computing.memory import World
from specola.config import Settings
from specola.connector import main as connector
from specola.domain.person import Actor, Role
from specola.domain.task import Task, TaskState, Wish
from specola.factory import Services, open_process
from specola.gateway import main as gateway
from specola.gateway.tls import server_tls
from specola.installation import computing_context
from specola.listening import bind
from specola.secrets import Sealer
from specola.signer import main as signer
from specola.supervisor.prepare import prepare
from specola.web import main as web
from specola.web.live import Feed
from specola.web.look import Look
from specola.worker import main as worker
from specola.worker.timing import Timing
from tests.support.hurry import PATIENCE, QUICK

__all__ = ["Platform", "open_platform", "short_folder"]


ALL = ("web", "connector", "worker", "gateway")


@contextmanager
def short_folder() -> Iterator[Path]:
    """Give a folder of its own whose path leaves room for sockets, whose names have at most 107 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="sp-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Platform:
    """A platform that runs; made by `open_platform`."""

    settings: Settings
    services: Services
    context: Context
    timing: Timing
    port: int
    listening: socket.socket
    front_door: bool = True
    running: dict[str, tuple[asyncio.Task[None], asyncio.Event]] = field(default_factory=dict)

    @property
    def world(self) -> World:
        """What the pretended containers are; script it."""
        return self.context.world

    async def person(self, name: str = "ada", *, role: Role = Role.PERSON) -> Actor:
        """Make an account and return who acts for it."""
        _ = await self.services.people.create(name, role=role)
        return await self.services.people.actor_on_host(name)

    async def start(self, actor: Actor, image: str = "example.test/web:1", **wish: Any) -> Task:
        """Ask for a task of an image."""
        return await self.services.tasks.request(Wish(image=image, **wish), actor=actor)

    async def record(self, task: str) -> Task:
        """Return a task's record."""
        async with self.services.store.read() as transaction:
            return await transaction.tasks.get(task)

    async def newest(self) -> int:
        """Return the number of the last change."""
        async with self.services.store.read() as transaction:
            return await transaction.changes.newest()

    async def until(self, task: str, met: Callable[[Task], bool], *, seconds: float = PATIENCE) -> Task:
        """Return a task's record as soon as it meets a condition, told by the feed of changes."""
        async with asyncio.timeout(seconds):
            async with self.services.store.read() as transaction:
                newest = await transaction.changes.newest()
                record = await transaction.tasks.get(task)
            if met(record):
                return record
            async for _ in self.services.store.changes(after=newest):
                record = await self.record(task)
                if met(record):
                    return record
        raise AssertionError("the feed of changes ended")

    async def until_state(self, task: str, *states: TaskState, seconds: float = PATIENCE) -> Task:
        """Return a task's record as soon as it is in one of some states."""
        return await self.until(task, lambda record: record.state in states, seconds=seconds)

    async def started(self, actor: Actor, image: str = "example.test/web:1", **wish: Any) -> Task:
        """Ask for a task and return it once it runs."""
        task = await self.start(actor, image, **wish)
        return await self.until_state(task.id, TaskState.RUNNING)

    def begin(self, part: str) -> None:
        """Start one part."""
        stop = asyncio.Event()
        serving: dict[str, Callable[[asyncio.Event], Coroutine[Any, Any, None]]] = {
            "web": self._web,
            "connector": self._connector,
            "worker": self._worker,
            "gateway": self._gateway,
            "signer": self._signer,
        }
        self.running[part] = (asyncio.create_task(serving[part](stop), name=part), stop)

    async def end(self, part: str) -> None:
        """Ask one part to end in good order, and wait for it."""
        running, stop = self.running.pop(part)
        stop.set()
        await running

    async def kill(self, part: str) -> None:
        """End one part at its next await, whatever it does."""
        running, _ = self.running.pop(part)
        running.cancel()
        _ = await asyncio.gather(running, return_exceptions=True)

    async def close(self) -> None:
        """End all parts, who asks before who answers."""
        for part in (*reversed(ALL), "signer"):
            if part in self.running:
                await self.end(part)

    async def _web(self, stop: asyncio.Event) -> None:
        feed = Feed(self.services.store)
        await web.serve(web.servers(self.services, feed=feed, look=_look()), feed=feed, stop=stop)

    async def _connector(self, stop: asyncio.Event) -> None:
        settings = self.settings if self.front_door else self.settings.model_copy(update={"ssh_bind": ""})
        await connector.serve(settings, context=self.context, stop=stop)

    async def _worker(self, stop: asyncio.Event) -> None:
        await worker.serve(self.settings, context=self.context, stop=stop, timing=self.timing)

    async def _signer(self, stop: asyncio.Event) -> None:
        sealer = Sealer.read(self.settings.data / "secrets" / "key")
        authority = AccountAuthority.read(self.settings.data, sealer)
        listening = bind(self.settings.signer_socket)
        await signer.serve(self.settings, authority, listening=listening, trusted=os.geteuid(), stop=stop)

    async def _gateway(self, stop: asyncio.Event) -> None:
        tls = server_tls(self.settings.tls_cert, self.settings.tls_key) if self.settings.tls_cert else None
        await gateway.serve(self.settings, listening=self.listening.dup(), tls=tls, clock=self.context.clock, stop=stop)


@asynccontextmanager
async def open_platform(
    *,
    parts: tuple[str, ...] = ALL,
    timing: Timing = QUICK,
    wait: bool = True,
    front_door: bool = True,
    **settings: Any,
) -> AsyncIterator[Platform]:
    """Run a platform for the body.

    Parameters
    ----------
    parts
        Which of its parts to begin.
    timing
        The worker's time limits.
    wait
        Whether to wait until the parts answer.
    front_door
        Whether the connector serves the SSH front door, if there is to be one; else the test serves it itself.
    settings
        Other settings than those of a fresh installation.
    """
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(short_folder())
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = listening.getsockname()[1]
        values: dict[str, Any] = {
            "data": folder,
            "bind": f"127.0.0.1:{port}",
            "run_as": _myself(),
            "engine": "memory",
            "ssh_bind": "",
        }
        chosen = Settings(**(values | settings))
        await prepare(chosen, Clock())
        context = computing_context(chosen, Clock())
        services = Services.of(await stack.enter_async_context(open_process(chosen, clock=context.clock)))
        _ = await services.computings.install("local", title="This machine", kind="memory", settings={})
        _ = await services.catalogue.install(shipped())
        platform = Platform(
            settings=chosen,
            services=services,
            context=context,
            timing=timing,
            port=port,
            listening=listening,
            front_door=front_door,
        )
        stack.push_async_callback(context.world.close)
        stack.push_async_callback(platform.close)
        for part in parts:
            platform.begin(part)
        if wait and set(parts) >= {"web", "connector", "worker"}:
            await _until(lambda: _healthy(services))
        yield platform


@cache
def _look() -> Look:
    """Compile the pages' templates once for all platforms of this process."""
    return Look.load()


async def _healthy(services: Services) -> bool:
    return all(part.up for part in await services.health.parts())


async def _until(met: Callable[[], Awaitable[bool]], *, seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while True:
            if await met():
                return
            await asyncio.sleep(0.01)


def _myself() -> str:
    """Return a user to hand files to: nobody else than the one the tests run as."""
    return "root" if os.geteuid() == 0 else "specola"
