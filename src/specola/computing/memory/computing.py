"""The verbs of a computing of kind `memory`."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from specola.clock import Clock
from specola.computing.memory.commands import MemoryCommand
from specola.computing.memory.config import MemorySettings
from specola.computing.memory.world import Cluster, Container, World
from specola.computing.tcp import SocketStream
from specola.domain.budget import Budget
from specola.domain.computing import (
    Capability,
    Handle,
    ImageDetails,
    Launch,
    LogLine,
    Observation,
    Phase,
    Probe,
    Progress,
    Terminal,
    Usage,
)
from specola.domain.errors import (
    ComputingUnreachableError,
    ImageArchitectureError,
    ImageUnknownError,
    NoSpaceError,
    TaskNotRunningError,
)
from specola.domain.task import TaskId
from specola.ports.computing import NOTHING, Report, Running, Stream

__all__ = ["MemoryComputing"]

FORCED = 137  # 128 + SIGKILL, as an engine reports it
ASKED = 0


class MemoryComputing:
    """Tasks are listeners of this process; what they are is kept in a `World` that outlives this instance."""

    def __init__(self, *, name: str, settings: MemorySettings, installation: str, world: World, clock: Clock) -> None:
        self.name = name
        self._settings = settings
        self._installation = installation
        self._world = world
        self._clock = clock

    async def probe(self, budget: Budget) -> Probe:
        """Say how large it claims to be."""
        async with budget.spend():
            self._ask()
            cluster = self._world.clusters.get(self.name, Cluster(scheduler=""))
            return Probe(
                product="memory",
                version="1",
                architectures=(self._settings.architecture,),
                cpus=self._settings.cpus,
                memory=self._settings.memory,
                capabilities=frozenset(
                    {
                        Capability.LOGS,
                        Capability.EXECUTE,
                        Capability.TERMINAL,
                        Capability.USAGE,
                        Capability.WATCH,
                        Capability.IMAGES,
                        Capability.PORTS,
                        Capability.DIRECT_TCP,
                        Capability.TELL,
                    }
                ),
                scheduler=cluster.scheduler,
                partitions=cluster.partitions,
                projects=cluster.projects,
                gpus=cluster.gpus,
            )

    async def launch(self, launch: Launch, *, report: Report, budget: Budget) -> Handle:
        """Start the script of the image, unless this task was started before."""
        handle = f"memory-{self._installation}-{launch.task}"
        async with budget.spend(), self._world.lock(handle):
            self._ask()
            container = self._world.containers.get(handle)
            if container is None:
                container = await self._create(handle, launch, report)
            if container.phase is Phase.CREATED and container.waiting is None:
                await self._world.start(handle)
        return handle

    async def observe(self, handles: Collection[Handle]) -> Mapping[Handle, Observation]:
        """Look at all of them at once."""
        self._ask()
        known = self._world.containers
        return {one: known[one].observation() if one in known else Observation.forgotten() for one in handles}

    async def stop(self, handle: Handle, *, grace: timedelta) -> None:
        """End a container; one that ignores the request is forced after `grace`."""
        self._ask()
        container = self._world.containers.get(handle)
        if container is None:
            return
        pre_stop = container.launch.pre_stop
        if pre_stop is not None and container.phase is Phase.RUNNING:
            await self._world.say(handle, f"pre_stop: {' '.join(pre_stop.command)}")
        if container.script.ignores_stop and container.phase is Phase.RUNNING:
            await self._clock.sleep(grace.total_seconds())
        await self._world.kill(handle, exit_code=FORCED if container.script.ignores_stop else ASKED)

    async def remove(self, handle: Handle) -> None:
        """Forget a container."""
        self._ask()
        if handle in self._world.containers:
            await self._world.kill(handle)
            del self._world.containers[handle]
            self._world.tell(handle)

    async def discover(self) -> Mapping[TaskId, Handle]:
        """Find this installation's containers."""
        self._ask()
        return {
            one.launch.task: handle
            for handle, one in self._world.containers.items()
            if one.installation == self._installation
        }

    async def dial(self, handle: Handle, port: int) -> Stream:
        """Connect to the listener that stands for a container's port."""
        self._ask()
        container = self._world.containers.get(handle)
        address = (container.addresses | container.inside).get(port) if container else None
        if address is None:
            raise ComputingUnreachableError(self.name, f"nothing listens on port {port}")
        return await SocketStream.connect(*address)

    async def close(self) -> None:
        """Nothing is held."""

    async def watch(self) -> AsyncIterator[Handle]:
        """Yield the handle of each container that changes."""
        self._ask()
        with self._world.watching() as queue:
            while (handle := await queue.get()) is not None:
                yield handle
        raise ComputingUnreachableError(self.name, "the connection broke")

    async def logs(self, handle: Handle, *, follow: bool = False, tail: int | None = None) -> AsyncIterator[LogLine]:
        """Yield what a container wrote, and with `follow` what it writes until it ends."""
        self._ask()
        container = self._world.containers.get(handle)
        if container is None:
            return
        at = 0 if tail is None else max(0, len(container.lines) - tail)
        while True:
            for line in container.lines[at:]:
                at += 1
                yield line
            async with container.changed:
                if not follow or container.phase is Phase.ENDED:
                    break
                if at == len(container.lines):
                    await container.changed.wait()
        for line in container.lines[at:]:
            yield line

    async def usage(self, handles: Collection[Handle]) -> Mapping[Handle, Usage]:
        """Claim a quarter of what each container was given; the bytes are counted."""
        self._ask()
        return {
            one: Usage(
                at=self._clock.now(),
                cpus=container.launch.resources.cpus / 4,
                memory=container.launch.resources.memory // 4,
                received=container.traffic.received,
                sent=container.traffic.sent,
            )
            for one in handles
            if (container := self._world.containers.get(one)) and container.phase is Phase.RUNNING
        }

    async def listening(self, handles: Collection[Handle]) -> Mapping[Handle, Mapping[int, bool]]:
        """Tell the ports of each container; those opened inside it alone are its loopback's."""
        self._ask()
        return {
            one: {port: port in container.inside for port in container.listeners}
            for one in handles
            if (container := self._world.containers.get(one)) and container.phase is Phase.RUNNING
        }

    async def inspect_image(self, reference: str, budget: Budget) -> ImageDetails:
        """Tell what the world says of an image."""
        async with budget.spend():
            self._ask()
            if reference not in self._world.images:
                raise ImageUnknownError(reference)
            return self._world.images[reference][0]

    async def execute(
        self,
        handle: Handle,
        command: Sequence[str],
        *,
        terminal: Terminal | None = None,
        environment: Mapping[str, str] = NOTHING,
    ) -> Running:
        """Start one of the few commands that `shell.py` knows; without a command, the shell itself."""
        self._ask()
        container = self._world.containers.get(handle)
        if container is None or container.phase is not Phase.RUNNING:
            raise TaskNotRunningError
        running = MemoryCommand(
            command=command,
            terminal=terminal,
            environment={**container.launch.environment, "SPECOLA_TASK": container.launch.task, **environment},
            clock=self._clock,
            others=lambda: [line for one in container.commands for line in one.lines],
            over=container.commands.discard,
        )
        container.commands.add(running)
        return running

    async def tell(self, handle: Handle, text: str) -> None:
        """Write a line on every terminal in a container; it is kept too, where tests find it."""
        self._ask()
        container = self._world.containers.get(handle)
        if container is not None and container.phase is Phase.RUNNING:
            container.told.append(text)
            for command in list(container.commands):
                await command.show(text)

    def _ask(self) -> None:
        if not self._world.reachable:
            refusal = self._world.refusal
            raise (
                refusal.with_traceback(None) if refusal else ComputingUnreachableError(self.name, "it is switched off")
            )

    async def _create(self, handle: Handle, launch: Launch, report: Report) -> Container:
        if launch.reference not in self._world.images:
            raise ImageUnknownError(launch.reference)
        image, script = self._world.images[launch.reference]
        if image.architecture != self._settings.architecture:
            raise ImageArchitectureError(launch.reference, (image.architecture,), (self._settings.architecture,))
        if self._world.full:
            raise NoSpaceError(self.name)
        for step in script.pulls:
            await report(step)
        if script.held:
            await self._world.gate(launch.reference)
        if not image.cached:
            image = replace(image, cached=True, source="engine")
            self._world.know(image, script)
        container = Container(
            handle=handle,
            installation=self._installation,
            launch=launch,
            image=image,
            script=script,
            waiting=self._world.queue,
        )
        self._world.containers[handle] = container
        await report(Progress(code="created", sentence="The container was made."))
        return container
