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
from specola.computing.memory.serving import Counter, Listener, Serve
from specola.domain.computing import Handle, ImageDetails, Launch, LogLine, Observation, Phase
from specola.domain.errors import ComputingUnreachableError
from specola.domain.task import TaskId

__all__ = ["Container", "Script", "World"]

KILLED = 137  # 128 + SIGKILL


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
    traffic: Counter = field(default_factory=Counter)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def observation(self) -> Observation:
        """Say what there is to see now."""
        return Observation(
            phase=self.phase,
            exit_code=self.exit_code,
            reason=self.reason,
            sentence=self.sentence,
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
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.reachable = True
        self.refusal: ComputingUnreachableError | None = None
        self.full = False
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

    async def kill(self, handle: Handle, *, exit_code: int = 137, reason: str = "", sentence: str = "") -> None:
        """Let a container end, as if from outside the platform; silent if it has ended."""
        container = self.containers[handle]
        if container.phase is Phase.ENDED:
            return
        for listener in container.listeners.values():
            listener.close()
        container.listeners.clear()
        container.addresses.clear()
        for command in list(container.commands):
            await command.cut(KILLED)
        container.inside.clear()
        async with container.changed:
            container.phase, container.ended = Phase.ENDED, self.clock.now()
            container.exit_code, container.reason, container.sentence = exit_code, reason, sentence
            container.changed.notify_all()
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
