"""What a computing of kind `memory` keeps: containers, images and scripted faults."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from specola.clock import Clock
from specola.computing.memory.commands import MemoryCommand
from specola.computing.memory.images import IMAGES, Script
from specola.computing.memory.serving import Counter, Listener, Serve, echo, speak_http
from specola.domain.computing import Handle, ImageDetails, Launch, LogLine, Observation, Phase
from specola.domain.errors import ComputingUnreachableError
from specola.domain.placement import Forecast, GpuKind, Partition
from specola.domain.reasons import WaitReason
from specola.domain.task import TaskId

__all__ = ["Cluster", "Container", "Script", "Waiting", "World"]

KILLED = 137  # 128 + SIGKILL


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """What a computing says of its queues, so that it can stand for a cluster."""

    scheduler: str = "memory"
    partitions: tuple[Partition, ...] = ()
    projects: tuple[str, ...] = ()
    gpus: tuple[GpuKind, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What is said of a container that stands in the queue."""

    reason: str = WaitReason.RESOURCES
    sentence: str = ""
    raw: str = "Resources"
    forecast: Forecast | None = None


@dataclass(slots=True, kw_only=True)
class Container:
    """One container: what was asked for, how far it is, what it wrote, where it listens."""

    handle: Handle
    installation: str
    launch: Launch
    image: ImageDetails
    script: Script
    phase: Phase = Phase.CREATED
    started: datetime | None = None
    ended: datetime | None = None
    exit_code: int | None = None
    reason: str = ""
    sentence: str = ""
    lines: list[LogLine] = field(default_factory=list)
    listeners: dict[int, Listener] = field(default_factory=dict)
    addresses: dict[int, tuple[str, int]] = field(default_factory=dict)
    commands: set[MemoryCommand] = field(default_factory=set)
    inside: dict[int, tuple[str, int]] = field(default_factory=dict)
    waiting: Waiting | None = None
    raw: str = ""
    node: str = ""
    deadline: datetime | None = None
    told: list[str] = field(default_factory=list)
    traffic: Counter = field(default_factory=Counter)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def observation(self) -> Observation:
        """Say what there is to see now."""
        if self.waiting is not None and self.phase is Phase.CREATED:
            said = self.waiting
            return Observation(
                phase=self.phase, reason=said.reason, sentence=said.sentence, raw=said.raw, forecast=said.forecast
            )
        return Observation(
            phase=self.phase,
            exit_code=self.exit_code,
            reason=self.reason,
            sentence=self.sentence,
            raw=self.raw,
            node=self.node,
            deadline=self.deadline,
            started=self.started,
            ended=self.ended,
            image_id=self.image.id,
            architecture=self.image.architecture,
            addresses=dict(self.addresses),
        )


class World:
    """The state of computings of kind `memory`. It outlives their instances, as an engine outlives its clients.

    Tests script it: which images there are and what they do (`know`), whether it answers (`reachable`), when a held
    launch may go on (`let_go`), what a container writes (`say`), on which other ports it listens (`listen`, `hush`) and when it dies behind the platform's back (`kill`).

    It can stand for a cluster too: what the queues of each computing are (`clusters`); whether new containers stand in a queue and what is
    said of them (`queue`, `wait`), when one starts (`start`), is put back (`requeue`), and by when it is ended (`limit`).
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.reachable = True
        self.refusal: ComputingUnreachableError | None = None
        self.full = False
        self.clusters: dict[str, Cluster] = {}
        self.queue: Waiting | None = None
        """What is said of each new container that has to wait in the queue; None: each starts at once."""
        self.images: dict[str, tuple[ImageDetails, Script]] = dict(IMAGES)
        self.containers: dict[Handle, Container] = {}
        self.starts: list[TaskId] = []
        self._gates: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._locks: defaultdict[Handle, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._watchers: set[asyncio.Queue[Handle | None]] = set()

    def know(self, details: ImageDetails, script: Script | None = None) -> None:
        """Add an image, or change what one does."""
        self.images[details.reference] = (details, script or Script())

    def break_down(self, refusal: ComputingUnreachableError | None = None) -> None:
        """Stop answering, or answer all with a refusal; those who watch are cut off. Containers go on."""
        self.reachable = False
        self.refusal = refusal
        for watcher in self._watchers:
            watcher.put_nowait(None)

    def mend(self) -> None:
        """Answer again."""
        self.reachable, self.refusal = True, None

    def let_go(self, reference: str) -> None:
        """Let held launches of an image go on, these and later ones."""
        self._gates[reference].set()

    async def gate(self, reference: str) -> None:
        """Wait until launches of an image may go on."""
        await self._gates[reference].wait()

    def lock(self, handle: Handle) -> asyncio.Lock:
        """Return what keeps two launches of one task apart."""
        return self._locks[handle]

    async def say(self, handle: Handle, text: str, *, stream: str = "stdout") -> None:
        """Let a container write a line."""
        container = self.containers[handle]
        async with container.changed:
            container.lines.append(LogLine(at=self.clock.now(), stream=stream, text=text))
            container.changed.notify_all()

    async def listen(self, handle: Handle, port: int, serve: Serve, *, loopback: bool = True) -> None:
        """Let a program in a container listen on one more port, on its own loopback alone or on all its addresses."""
        container, listener = self.containers[handle], Listener(serve)
        address = await listener.open()
        container.listeners[port] = listener
        (container.inside if loopback else container.addresses)[port] = address

    def hush(self, handle: Handle, port: int) -> None:
        """Let the program that listens on a port of a container end."""
        container = self.containers[handle]
        container.listeners.pop(port).close()
        container.inside.pop(port, None)
        container.addresses.pop(port, None)

    async def kill(
        self, handle: Handle, *, exit_code: int = 137, reason: str = "", sentence: str = "", raw: str = ""
    ) -> None:
        """Let a container end, as if from outside the platform; silent if it has ended."""
        container = self.containers[handle]
        if container.phase is Phase.ENDED:
            return
        await self._close(container)
        async with container.changed:
            container.phase, container.ended, container.raw = Phase.ENDED, self.clock.now(), raw
            container.exit_code, container.reason, container.sentence = exit_code, reason, sentence
            container.changed.notify_all()
        self.tell(handle)

    async def _close(self, container: Container) -> None:
        for listener in container.listeners.values():
            listener.close()
        container.listeners.clear()
        container.addresses.clear()
        for command in list(container.commands):
            await command.cut(KILLED)
        container.inside.clear()

    def wait(self, handle: Handle, waiting: Waiting) -> None:
        """Say something else of a container that stands in the queue."""
        self.containers[handle].waiting = waiting
        self.tell(handle)

    async def start(self, handle: Handle, *, node: str = "", deadline: datetime | None = None) -> None:
        """Start a container, one that stands in the queue too, on a machine and with a deadline if that is said."""
        container = self.containers[handle]
        script, launch = container.script, container.launch
        facts = {"task": launch.task, "command": list(launch.command), "environment": dict(launch.environment)}
        if script.serves:
            for interface in launch.interfaces:
                http = interface.protocol.opens_in_browser
                told = facts | {"interface": interface.name}
                listener = Listener(speak_http(container.traffic, told) if http else echo(container.traffic))
                # A start that was cut off may have left one.
                if interface.port in container.listeners:
                    container.listeners[interface.port].close()
                container.listeners[interface.port] = listener
                container.addresses[interface.port] = await listener.open()
        container.waiting, container.raw, container.node, container.deadline = None, "RUNNING", node, deadline
        container.phase, container.started = Phase.RUNNING, self.clock.now()
        self.starts.append(launch.task)
        self.tell(handle)
        for stream, text in script.lines:
            await self.say(handle, text, stream=stream)
        if script.exit_code is not None:
            await self.kill(handle, exit_code=script.exit_code, reason=script.reason, sentence=script.sentence)

    async def requeue(self, handle: Handle, waiting: Waiting | None = None) -> None:
        """Put a running container back into the queue."""
        container = self.containers[handle]
        await self._close(container)
        container.phase, container.started, container.deadline, container.node = Phase.CREATED, None, None, ""
        container.waiting = waiting or Waiting(reason=WaitReason.REQUEUED, raw="BeginTime")
        self.tell(handle)

    def limit(self, handle: Handle, deadline: datetime) -> None:
        """Say by when a running container is ended."""
        self.containers[handle].deadline = deadline
        self.tell(handle)

    def tell(self, handle: Handle) -> None:
        """Tell everybody who watches that a container may have changed."""
        for watcher in self._watchers:
            watcher.put_nowait(handle)

    @contextmanager
    def watching(self) -> Iterator[asyncio.Queue[Handle | None]]:
        """Give a queue of handles that changed; None in it means that the connection broke."""
        queue: asyncio.Queue[Handle | None] = asyncio.Queue()
        self._watchers.add(queue)
        try:
            yield queue
        finally:
            self._watchers.discard(queue)

    async def close(self) -> None:
        """End every container and forget it."""
        for handle in list(self.containers):
            await self.kill(handle)
            del self.containers[handle]
