"""Computings under test: each with what to launch for a behaviour, and a way to interfere from outside."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from typing_extensions import override

from specola.clock import Clock
from specola.computing.engine.api import Engine
from specola.computing.engine.firewall import forget
from specola.computing.kinds import Context, open_computing
from specola.computing.memory.serving import Counter, speak_http
from specola.domain.budget import Budget
from specola.domain.computing import Handle, Launch, Observation, Phase, Progress
from specola.domain.software import Interface, Protocol, Resources, RunsAs
from specola.ports.computing import Computing
from tests.support.engines import note_installation
from tests.support.images import ARM_IMAGE, TEST_IMAGE
from tests.support.ports import REGISTRY_PORTS

__all__ = [
    "ECHO",
    "HTTP",
    "SERVE",
    "EnginePlace",
    "MemoryPlace",
    "Place",
    "Reports",
    "a_launch",
    "budget",
    "command",
    "context",
    "until",
]

HTTP, ECHO = 8000, 7
INTERFACES = (
    Interface(name="web", port=HTTP, protocol=Protocol.HTTP),
    Interface(name="echo", port=ECHO, protocol=Protocol.TCP),
)
SERVE = "nc -ll -p 7 -e cat & exec httpd -f -p 8000 -h /www"


def budget(seconds: float = 60.0) -> Budget:
    """Return time for one operation."""
    return Budget(seconds, "The test")


def a_launch(reference: str, *command: str) -> Launch:
    """Return a launch of an image with a command, as the image's own user and without a home."""
    return Launch(
        task=Clock().new_id(),
        title="A test",
        owner="ann",
        reference=reference,
        digest=None,
        image_id=None,
        command=command,
        environment={"COLOUR": "blue"},
        resources=Resources(cpus=1.0, memory=128 * 1024**2),
        user=RunsAs.IMAGE,
        home=None,
        number=4711,
        capabilities=(),
        interfaces=INTERFACES,
        credential=Clock().new_secret(),
    )


@dataclass(slots=True)
class Reports:
    """What a launch tells on its way; with `stop_after`, it breaks off there as a crash would."""

    told: list[Progress] = field(default_factory=list)
    stop_after: str | None = None

    async def __call__(self, progress: Progress) -> None:
        """Note one step."""
        self.told.append(progress)
        if progress.code == self.stop_after:
            raise asyncio.CancelledError(progress.code)

    @property
    def codes(self) -> list[str]:
        """The steps in order."""
        return [one.code for one in self.told]


async def until(look: Callable[[], Awaitable[bool]], *, seconds: float = 20.0) -> None:
    """Wait until something is so; fail if it does not become so in time."""
    async with asyncio.timeout(seconds):
        while not await look():  # noqa: ASYNC110 -- what is waited for is outside this process
            await asyncio.sleep(0.02)


class Place(ABC):
    """One computing, and everything around it that the contract suite needs."""

    keeps_outputs_apart = True
    """Whether it tells to which of its two outputs a task wrote a line."""
    knows_what_is_cached = True
    """Whether it tells which images are there already."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.opened: list[Computing] = []
        self.computing = self.open()

    @abstractmethod
    def open(self, context: Context | None = None) -> Computing:
        """Open the computing once more, as another process would."""

    @abstractmethod
    def web(self) -> Launch:
        """Serves HTTP on one port and an echo on another."""

    @abstractmethod
    def exits(self) -> Launch:
        """Writes "starting" and to error output "no such setting", and ends at once with code 3."""

    @abstractmethod
    def stubborn(self) -> Launch:
        """Does not end when asked to."""

    @abstractmethod
    def other_machine(self) -> Launch:
        """Is made for another architecture."""

    @abstractmethod
    async def kill(self, handle: Handle) -> None:
        """End a task behind the computing's back."""

    @abstractmethod
    async def say(self, handle: Handle, text: str) -> None:
        """Let a task write a line."""

    @abstractmethod
    async def listen(self, handle: Handle, port: int, *, loopback: bool) -> None:
        """Let another program of a task serve HTTP on a port, on the task's own loopback alone or on all addresses."""

    @abstractmethod
    async def hush(self, handle: Handle, port: int) -> None:
        """Let that program end."""

    @abstractmethod
    async def starts(self, launch: Launch) -> int:
        """Return how many times a task was started."""

    @abstractmethod
    def unreachable(self) -> Computing:
        """Return a computing that does not answer."""

    async def launch(self, launch: Launch, reports: Reports | None = None) -> Handle:
        """Launch a task."""
        return await self.computing.launch(launch, report=reports or Reports(), budget=budget())

    async def observe(self, handle: Handle) -> Observation:
        """Look at one task."""
        return (await self.computing.observe([handle]))[handle]

    async def ended(self, handle: Handle) -> Observation:
        """Wait until a task has ended, and return what is seen."""
        seen: list[Observation] = []

        async def look() -> bool:
            seen.append(await self.observe(handle))
            return seen[-1].phase is Phase.ENDED

        await until(look)
        return seen[-1]

    async def close(self) -> None:
        """Remove every task and close all connections."""
        for handle in (await self.computing.discover()).values():
            await self.computing.remove(handle)
        for one in self.opened:
            await one.close()


class MemoryPlace(Place):
    """The computing in memory."""

    @override
    def open(self, context: Context | None = None) -> Computing:
        return open_computing("memory", name="here", settings={}, context=context or self.context)

    @override
    def web(self) -> Launch:
        return a_launch("example.test/web:1")

    @override
    def exits(self) -> Launch:
        return a_launch("example.test/exits:1")

    @override
    def stubborn(self) -> Launch:
        return a_launch("example.test/stubborn:1")

    @override
    def other_machine(self) -> Launch:
        return a_launch("example.test/arm:1")

    @override
    async def kill(self, handle: Handle) -> None:
        await self.context.world.kill(handle)

    @override
    async def say(self, handle: Handle, text: str) -> None:
        await self.context.world.say(handle, text)

    @override
    async def listen(self, handle: Handle, port: int, *, loopback: bool) -> None:
        await self.context.world.listen(handle, port, speak_http(Counter(), {}), loopback=loopback)

    @override
    async def hush(self, handle: Handle, port: int) -> None:
        self.context.world.hush(handle, port)

    @override
    async def starts(self, launch: Launch) -> int:
        return self.context.world.starts.count(launch.task)

    @override
    def unreachable(self) -> Computing:
        self.context.world.break_down()
        return self.computing

    @override
    async def close(self) -> None:
        self.context.world.mend()
        await super().close()


class EnginePlace(Place):
    """A real engine."""

    def __init__(self, context: Context, *, name: str, url: str, pool: str) -> None:
        registries = [f"127.0.0.1:{port}" for port in REGISTRY_PORTS]
        self.settings: dict[str, Any] = {"url": url, "networks": pool, "insecure_registries": registries}
        self.name = name
        super().__init__(context)
        self.engine = Engine(url)
        note_installation(url, context.installation)

    @override
    def open(self, context: Context | None = None) -> Computing:
        computing = open_computing("engine", name=self.name, settings=self.settings, context=context or self.context)
        self.opened.append(computing)
        return computing

    @override
    def web(self) -> Launch:
        return a_launch(TEST_IMAGE.reference, "sh", "-c", SERVE)

    def shell(self, script: str) -> Launch:
        """Run a script of the test image's shell."""
        return a_launch(TEST_IMAGE.reference, "sh", "-c", script)

    @override
    def exits(self) -> Launch:
        return self.shell("echo starting; echo no such setting >&2; exit 3")

    @override
    def stubborn(self) -> Launch:
        return self.shell("trap '' TERM; echo ready; while true; do sleep 1; done")

    @override
    def other_machine(self) -> Launch:
        return a_launch(ARM_IMAGE.reference)

    @override
    async def kill(self, handle: Handle) -> None:
        await self.engine.docker.containers.container(handle).kill()

    @override
    async def say(self, handle: Handle, text: str) -> None:
        await self._inside(handle, 'echo "$1" >/proc/1/fd/1', text)

    @override
    async def listen(self, handle: Handle, port: int, *, loopback: bool) -> None:
        address = f"127.0.0.1:{port}" if loopback else str(port)
        await self._inside(handle, 'echo $$ >"/dev/shm/served.$1"; exec httpd -f -p "$2" -h /www', str(port), address)

    @override
    async def hush(self, handle: Handle, port: int) -> None:
        await self._inside(handle, 'kill "$(cat "/dev/shm/served.$1")"', str(port))

    async def _inside(self, handle: Handle, script: str, *words: str) -> None:
        """Begin a script in a container, as root."""
        container = self.engine.docker.containers.container(handle)
        execution = await container.exec(["sh", "-c", script, "inside", *words], user="0")
        _ = await execution.start(detach=True)

    @override
    async def starts(self, launch: Launch) -> int:
        found = await self.engine.docker.containers.list(all="true")
        return sum(one["Names"][0].endswith(launch.task) for one in found)

    async def inspect(self, handle: Handle) -> dict[str, object]:
        """Return what the engine tells of a container."""
        return await self.engine.docker.containers.container(handle).show()

    @override
    def unreachable(self) -> Computing:
        settings = self.settings | {"url": f"unix://{self.context.data / 'nobody.sock'}"}
        computing = open_computing("engine", name=self.name, settings=settings, context=self.context)
        self.opened.append(computing)
        return computing

    def open_with(self, settings: dict[str, Any]) -> Computing:
        """Open the computing with other settings."""
        settings = self.settings | settings
        computing = open_computing("engine", name=self.name, settings=settings, context=self.context)
        self.opened.append(computing)
        return computing

    def open_without_registries(self) -> Computing:
        """Open the computing as it is where the operator named no registry."""
        return self.open_with({"insecure_registries": []})

    @override
    async def close(self) -> None:
        await super().close()
        await self.engine.close()
        await forget(self.context.installation)


async def command(*argv: str, text: str = "") -> str:
    """Run a program to its end and return its output."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*argv, stdin=pipe, stdout=pipe)
    output, _ = await process.communicate(text.encode())
    assert process.returncode == 0, argv
    return output.decode()


def context(data: Path) -> Context:
    """Return the context of an installation that nobody else has."""
    return Context(installation=Clock().new_id(12), data=data, clock=Clock())
