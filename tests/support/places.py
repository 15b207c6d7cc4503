"""Computings under test: each with what to launch for a behaviour, and a way to interfere from outside."""

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self

from aiodocker.containers import DockerContainer
from typing_extensions import override

from lab.keys import Keys
from lab.sshhost import SshHosts
from specola.clock import Clock
from specola.computing.engine.api import Engine
from specola.computing.engine.firewall import forget
from specola.computing.engine.names import INSTALLATION, TASK
from specola.computing.engine.stream import ExecStream
from specola.computing.kinds import Context, open_computing
from specola.computing.memory.serving import Counter, speak_http
from specola.domain.budget import Budget
from specola.domain.computing import Capability, Handle, Launch, Observation, Phase, Progress
from specola.domain.software import Interface, Protocol, Resources, RunsAs
from specola.hosts.config import HostSettings
from specola.ports.computing import Computing
from specola.ports.hosts import Hosts
from tests.support.engines import note_installation
from tests.support.images import ARM_IMAGE, TEST_IMAGE
from tests.support.ports import REGISTRY_PORTS
from tests.support.relay import Passage

__all__ = [
    "ECHO",
    "HTTP",
    "SERVE",
    "EnginePlace",
    "MemoryPlace",
    "Place",
    "RemotePlace",
    "Reports",
    "VolumePlace",
    "a_launch",
    "budget",
    "command",
    "context",
    "until",
]

HTTP, ECHO = 8000, 7
REMOTE_POOL = "10.215.0.0/16"
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
    """What a launch tells on its way; with `stop_after`, it is given up there."""

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

    tells_addresses = True
    """Whether what runs there is reached at addresses as well as by `dial`."""
    keeps_images = True
    """Whether it tells which images are there already."""
    has_images = True
    """Whether the test images are there before any task has asked for one."""
    keeps_outputs_apart = True
    """Whether it tells to which of its two outputs a task wrote a line."""

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

    async def standing(self) -> Handle:
        """Return a task that serves and that a test leaves as it is; where a start takes seconds, many tests share it."""
        return await self.launch(self.web())

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

    async def abilities(self) -> frozenset[Capability]:
        """Return what the computing says it can do."""
        return (await self.computing.probe(budget())).capabilities

    async def close(self) -> None:
        """Remove every task and close all connections."""
        for handle in (await self.computing.discover()).values():
            await self.computing.remove(handle)
        for one in self.opened:
            await one.close()


class VolumePlace(Place):
    """A computing that has homes and scratch, and what a test needs to see of them."""

    @abstractmethod
    def asleep(self) -> Launch:
        """Does nothing, with a shell in its image."""

    @abstractmethod
    async def as_root(self, handle: Handle, script: str) -> str:
        """Return what a script prints in a task as the most powerful user that there is in it."""

    @abstractmethod
    async def scratches(self) -> list[str]:
        """Return what there is of tasks' scratch, as the computing's own machines tell."""


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


class EnginePlace(VolumePlace):
    """A real engine.

    Parameters
    ----------
    engine
        A connection of the test's own to it.
    settings
        How the computing is told of it.
    """

    kind = "engine"
    keys: Keys | None = None
    """What opens accounts on its host; None: it is on none of the lab's."""
    account: str | None = None
    """The account that tasks run as, where each person has their own."""
    nowhere: ClassVar[Mapping[str, str]] = {"url": "unix:///nowhere/nobody.sock"}
    """The settings of an engine that does not answer."""

    def __init__(self, context: Context, *, name: str, pool: str, engine: Engine, settings: Mapping[str, Any]) -> None:
        registries = [f"127.0.0.1:{port}" for port in REGISTRY_PORTS]
        self.settings: dict[str, Any] = {"networks": pool, "insecure_registries": registries, **settings}
        self.name = name
        self.engine = engine
        super().__init__(context)

    @classmethod
    def at(cls, context: Context, *, name: str, url: str, pool: str) -> Self:
        """Return a place on an engine of this machine."""
        note_installation(url, context.installation)
        return cls(context, name=name, pool=pool, engine=Engine(url), settings={"url": url})

    @override
    def open(self, context: Context | None = None) -> Computing:
        computing = open_computing("engine", name=self.name, settings=self.settings, context=context or self.context)
        self.opened.append(computing)
        return computing

    @override
    def web(self) -> Launch:
        return self.shell(SERVE)

    def shell(self, script: str) -> Launch:
        """Run a script of the test image's shell."""
        return replace(a_launch(TEST_IMAGE.reference, "sh", "-c", script), account=self.account)

    def container(self, handle: Handle) -> DockerContainer:
        """Return a task's container."""
        return self.engine.docker.containers.container(name_of(handle))

    @override
    def asleep(self) -> Launch:
        return self.shell("exec sleep 1000")

    @override
    async def as_root(self, handle: Handle, script: str) -> str:
        stream = await ExecStream.open(self.engine, name_of(handle), ["sh", "-c", script])
        told = b""
        while data := await stream.read():
            told += data
        await stream.close()
        return told.decode()

    @override
    async def scratches(self) -> list[str]:
        filters = json.dumps({"label": [f"{INSTALLATION}={self.context.installation}"]})
        found = (await self.engine.get("volumes", {"filters": filters}))["Volumes"] or []
        return [one["Name"] for one in found if TASK in one["Labels"]]

    @override
    def exits(self) -> Launch:
        return self.shell("echo starting; echo no such setting >&2; exit 3")

    @override
    def stubborn(self) -> Launch:
        return self.shell("trap '' TERM; echo ready; while true; do sleep 1; done")

    @override
    def other_machine(self) -> Launch:
        return replace(a_launch(ARM_IMAGE.reference), account=self.account)

    @override
    async def kill(self, handle: Handle) -> None:
        await self.container(handle).kill()

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
        container = self.container(handle)
        execution = await container.exec(["sh", "-c", script, "inside", *words], user="0")
        _ = await execution.start(detach=True)

    @override
    async def starts(self, launch: Launch) -> int:
        found = await self.engine.docker.containers.list(all="true")
        return sum(one["Names"][0].endswith(launch.task) for one in found)

    async def inspect(self, handle: Handle) -> dict[str, object]:
        """Return what the engine tells of a container."""
        return await self.container(handle).show()

    @override
    def unreachable(self) -> Computing:
        return self.open_with(dict(self.nowhere))

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
        filters = json.dumps({"label": [f"{INSTALLATION}={self.context.installation}"]})
        for home in (await self.engine.get("volumes", {"filters": filters}))["Volumes"] or []:
            await self.engine.remove_volume(home["Name"])
        await self.engine.close()
        await self.tidy()

    async def tidy(self) -> None:
        """Remove what is left of the installation on the engine's host, beside what the engine has."""
        await forget(self.context.installation)


class RemotePlace(EnginePlace):
    """A real engine on another host, reached by SSH."""

    tells_addresses = False
    nowhere: ClassVar[Mapping[str, str]] = {"socket": "/nowhere/nobody.sock"}

    passage: Passage
    """What all connections to the host go through."""

    @classmethod
    def on(
        cls, context: Context, *, name: str, host: HostSettings, socket: str, lab: SshHosts, passage: Passage
    ) -> Self:
        """Return a place on an engine of the lab's member at a socket of a host, which the context's hosts know by `name`."""
        member = lab.member
        assert context.hosts is not None
        account = context.hosts.host(name, member)
        engine = Engine(name, way=lambda: account.connect(socket))
        settings = {"host": host.model_dump(mode="json"), "socket": socket}
        made = cls(context, name=name, pool=REMOTE_POOL, engine=engine, settings=settings)
        made.passage, made.keys = passage, lab.keys
        made.account = None if host.account else member
        return made

    @override
    async def tidy(self) -> None:
        """The platform puts no rules in place there."""


def name_of(handle: Handle) -> str:
    """Return the name of a task's container."""
    return handle.rpartition("/")[2]


async def command(*argv: str, text: str = "") -> str:
    """Run a program to its end and return its output."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*argv, stdin=pipe, stdout=pipe)
    output, _ = await process.communicate(text.encode())
    assert process.returncode == 0, argv
    return output.decode()


def context(data: Path, hosts: Hosts | None = None) -> Context:
    """Return the context of an installation that nobody else has."""
    return Context(installation=Clock().new_id(12), data=data, clock=Clock(), hosts=hosts)
