"""The verbs of a computing of kind `engine`."""

import asyncio
import contextlib
import json
import math
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from aiodocker.exceptions import DockerError

from specola.clock import Clock
from specola.computing.border import in_one_line
from specola.computing.engine.api import Engine
from specola.computing.engine.commands import Commands
from specola.computing.engine.config import EngineSettings
from specola.computing.engine.dialling import Dialler
from specola.computing.engine.errors import NO_CONNECTION, ContainerGoneError, NameInUseError, asking, is_missing
from specola.computing.engine.facts import Facts
from specola.computing.engine.farewell import Farewell
from specola.computing.engine.firewall import Firewall
from specola.computing.engine.frames import lines
from specola.computing.engine.homes import Homes
from specola.computing.engine.images import Images
from specola.computing.engine.kernel import out_of_memory
from specola.computing.engine.launching import Ground, Launcher
from specola.computing.engine.names import TASK, Names
from specola.computing.engine.networks import Networks, local_routes
from specola.computing.engine.observing import Near, Sample, ended, halted, listed, measured
from specola.computing.engine.placing import Parcel
from specola.computing.engine.ports import Ports
from specola.computing.engine.quirks import Memory, Quirks
from specola.computing.engine.remote import Remote
from specola.computing.engine.trial import run_trial
from specola.computing.engine.volumes import Volumes
from specola.computing.inside.files import FileSession
from specola.computing.inside.fileserver import SERVER, FileServer
from specola.computing.inside.paths import FILES, LOADER
from specola.computing.locks import alone
from specola.computing.registries.reach import Reach
from specola.computing.registries.registry import Registry
from specola.domain.budget import Budget
from specola.domain.computing import (
    Handle,
    ImageDetails,
    Launch,
    LogLine,
    Observation,
    Phase,
    Probe,
    Terminal,
    Usage,
)
from specola.domain.errors import ComputingUnreachableError
from specola.domain.reference import ImageReference
from specola.domain.task import TaskId
from specola.ports.computing import NOTHING, Report, Running, Stream
from specola.ports.hosts import Host

__all__ = ["EngineComputing"]

# What an engine calls the events after which a task may look different ("died", "remove": Podman).
EVENTS = frozenset({"create", "start", "die", "died", "oom", "stop", "kill", "pause", "unpause", "destroy", "remove"})
# How many containers are measured at the same time.
WIDTH = 16


class EngineComputing:
    """Tasks are containers of one engine, Docker or Podman; the handle of a task is its container's name."""

    def __init__(  # noqa: PLR0913 -- keyword-only: what all computings share, and the way to the host
        self,
        *,
        name: str,
        settings: EngineSettings,
        installation: str,
        data: Path,
        clock: Clock,
        host: Host | None = None,
        account: str = "",
    ) -> None:
        self.name = name
        # Each account has an engine of its own, and so networks and quirks of its own.
        file = quote(f"{name}@{account}" if account else name, safe="@") + ".json"
        self._remote = None if host is None else Remote(computing=name, host=host, socket=settings.socket)
        self._settings = settings
        self._clock = clock
        self._names = Names(installation)
        self._locks = data / "launching"
        self._engine = Engine(settings.address, way=None if self._remote is None else self._remote.api)
        reach = Reach(settings.insecure_registries)
        self._images = Images(computing=name, clock=clock, reach=reach)
        self._networks = Networks(
            pool=settings.networks,
            rest=settings.network_rest,
            file=data / "networks" / file,
            names=self._names,
            clock=clock,
            routes=local_routes if self._remote is None else self._remote.routes,
        )
        self._memory = Memory(data / "engines" / file, settings.address)
        self._launcher = Launcher(
            computing=name,
            engine=self._engine,
            names=self._names,
            images=self._images,
            networks=self._networks,
            homes=Homes(data / "homes"),
            volumes=Volumes(self._engine, self._names),
            memory=self._memory,
            parcel=Parcel(helper=settings.helper, files=FileServer(settings.file_server)),
            processes=settings.processes,
        )
        self._commands = Commands(computing=name, engine=self._engine, seconds=settings.answer)
        self._farewell = Farewell(self._commands)
        self._registry = Registry(reach)
        self._facts: Facts | None = None
        self._samples: dict[Handle, Sample] = {}
        self._ports = Ports(self._engine, local=settings.is_local)
        self._dialler = Dialler(
            computing=name,
            engine=self._engine,
            ports=self._ports,
            remote=self._remote,
            local=settings.is_local,
            clock=clock,
        )

    async def probe(self, budget: Budget) -> Probe:
        """Ask the engine what it is; whether tasks can be kept from this host is looked at here."""
        async with budget.spend(), asking(self.name):
            self._facts = None
            facts = await self._learn()
            wall = self._firewall(facts)
            near = await wall.neighbours() if facts.protects(self._settings, wall) else ()
            complaint = await self._try(facts)
            facts = facts.without(await self._launcher.learnt())
            return await asyncio.to_thread(facts.probe, self._settings, wall, neighbours=near, complaint=complaint)

    async def launch(self, launch: Launch, *, report: Report, budget: Budget) -> Handle:
        """Start a container, or find it started under this task's name."""
        try:
            async with budget.spend(), alone(self._locks / launch.task), asking(self.name):
                facts = await self._learn()
                wall = self._firewall(facts)
                ground = Ground(
                    facts,
                    wall if facts.protects(self._settings, wall) else None,
                    gives_folders=facts.takes_folders(self._settings),
                    is_far=not self._settings.is_local,
                )
                return await self._launcher.launch(launch, ground=ground, report=report)
        except (ContainerGoneError, NameInUseError) as error:
            raise ComputingUnreachableError(self.name, f"something changed meanwhile ({error})") from error

    async def observe(self, handles: Collection[Handle]) -> Mapping[Handle, Observation]:
        """Look at all by one list; those that ended, or seem not to have begun, are inspected, all at the same time."""
        if not handles:
            return {}
        async with asking(self.name, seconds=self._settings.answer):
            near = await self._near()
            found = {Names.handle(one): one for one in await self._list()}
            seen = {one: listed(found[one], near=near) if one in found else Observation.forgotten() for one in handles}
            closer = [handle for handle, one in seen.items() if one.phase in {Phase.ENDED, Phase.CREATED}]
            told = await asyncio.gather(*(self._closer(one, seen[one]) for one in closer))
            return seen | dict(zip(closer, told, strict=True))

    async def stop(self, handle: Handle, *, grace: timedelta) -> None:
        """Have its release's last command run in the container, ask its first process to end, wait, then kill."""
        seconds = math.ceil(grace.total_seconds())
        with contextlib.suppress(ContainerGoneError):
            await self._before_stop(handle)
            async with asking(self.name, seconds=self._settings.answer + seconds):
                await self._engine.docker.containers.container(handle).stop(t=seconds)

    async def _before_stop(self, handle: Handle) -> None:
        async with asking(self.name, seconds=self._settings.answer):
            found = await self._engine.docker.containers.container(handle).show()
        if found["State"].get("Running"):
            await self._farewell.before_stop(handle, found["Config"].get("Labels") or {})

    async def tell(self, handle: Handle, text: str) -> None:
        """Write a line on every terminal in the container that its user may write to."""
        await self._farewell.tell(handle, text)

    async def remove(self, handle: Handle) -> None:
        """Remove the container with the credential in it, then its network."""
        task = handle.removeprefix(self._names.of(""))
        async with asking(self.name, seconds=self._settings.answer):
            await self._launcher.clear(task)
        self._samples.pop(handle, None)
        self._farewell.forget(handle)
        self._ports.forget(handle)
        self._dialler.forget(handle)

    async def discover(self) -> Mapping[TaskId, Handle]:
        """Find the containers with this installation's label."""
        async with asking(self.name, seconds=self._settings.answer):
            found = await self._list()
        return {one["Labels"][TASK]: Names.handle(one) for one in found if TASK in one["Labels"]}

    async def dial(self, handle: Handle, port: int) -> Stream:
        """Connect to a port by the first way that leads there."""
        try:
            async with asking(self.name, seconds=self._settings.answer):
                rootless = (await self._learn()).rootless
                return await self._dialler.dial(handle, port, rootless=rootless)
        except ContainerGoneError as error:
            raise ComputingUnreachableError(self.name, "the task is not running") from error

    async def close(self) -> None:
        """Close the connections to engine and registries; commands that run end."""
        await self._commands.close()
        self._ports.close()
        await self._engine.close()
        await self._registry.close()

    async def watch(self) -> AsyncIterator[Handle]:
        """Yield the handle of each container of ours that the engine tells an event of."""
        filters = json.dumps({"type": ["container"], "label": [self._names.selector]})
        async with asking(self.name), self._engine.stream("events", {"filters": filters}) as stream:
            while line := await stream.readline():
                event = json.loads(line)
                name = ((event.get("Actor") or {}).get("Attributes") or {}).get("name")
                if name and str(event.get("Action") or event.get("status")).partition(":")[0] in EVENTS:
                    yield str(name)
            raise ComputingUnreachableError(self.name, "the stream of events ended")

    async def logs(self, handle: Handle, *, follow: bool = False, tail: int | None = None) -> AsyncIterator[LogLine]:
        """Yield what the container wrote to output and error output."""
        params = {"stdout": "1", "stderr": "1", "timestamps": "1", "follow": "1" if follow else "0"}
        params["tail"] = "all" if tail is None else str(tail)
        with contextlib.suppress(ContainerGoneError):
            async with asking(self.name), self._engine.stream(f"containers/{handle}/logs", params) as stream:
                async for line in lines(stream):
                    yield line

    async def usage(self, handles: Collection[Handle]) -> Mapping[Handle, Usage]:
        """Measure the containers, a number of them at the same time; CPU use is since the last measurement."""
        width = asyncio.Semaphore(WIDTH)

        async def one(handle: Handle) -> Usage | None:
            async with width:
                return await self._measure(handle)

        async with asking(self.name, seconds=self._settings.answer):
            found = await asyncio.gather(*(one(handle) for handle in handles))
        return {handle: usage for handle, usage in zip(handles, found, strict=True) if usage is not None}

    async def listening(self, handles: Collection[Handle]) -> Mapping[Handle, Mapping[int, bool]]:
        """Read the kernel's tables of the containers' networks, from here or by the helper inside."""
        async with asking(self.name, seconds=self._settings.answer):
            return await self._ports.look(handles)

    async def inspect_image(self, reference: str, budget: Budget) -> ImageDetails:
        """Read an image's details from the engine, or else from its registry."""
        wanted = ImageReference.parse(reference)
        async with budget.spend():
            async with asking(self.name):
                image = await self._images.find(self._engine.docker, reference)
                if image is not None:
                    return image.details(wanted)
                machine = (await self._learn()).machine
            return await self._registry.inspect(wanted, machine=machine)

    async def execute(
        self,
        handle: Handle,
        command: Sequence[str],
        *,
        terminal: Terminal | None = None,
        environment: Mapping[str, str] = NOTHING,
    ) -> Running:
        """Start a command as the user that the container runs as."""
        return await self._commands.start(handle, command, terminal=terminal, environment=environment)

    async def files(self, handle: Handle) -> Stream:
        """Start OpenSSH's server of files in the container, as the user that it runs as."""
        command = (LOADER, "--library-path", FILES, f"{FILES}/{SERVER}")
        # What the image has preloaded is made for its own C library.
        environment = {"LD_PRELOAD": ""}
        return FileSession(await self._commands.start(handle, command, terminal=None, environment=environment))

    async def _try(self, facts: Facts) -> str:
        """Run a trial container unless one has run here without limits missing; return what the engine complained of."""
        if not self._settings.helper.is_file():
            return ""
        name = f"specola-{self._names.installation}-trial"
        async with alone(self._locks / "trial"):
            known = await asyncio.to_thread(self._memory.read)
            # What was missing may have been delegated since.
            if known is not None and not known.no_controllers:
                return ""
            helper = await asyncio.to_thread(self._settings.helper.read_bytes)
            try:
                quirks = facts.quirks | replace(known or Quirks(), no_controllers=())
                quirks = await run_trial(self._engine, quirks, helper=helper, machine=facts.machine, name=name)
            except DockerError as error:
                if error.status == NO_CONNECTION:
                    raise
                return in_one_line(error.message)
            await asyncio.to_thread(self._memory.write, quirks)
            return ""

    async def _learn(self) -> Facts:
        if self._facts is None:
            docker = self._engine.docker
            # The first question settles which version of the API is spoken.
            version, asked = await self._engine.version(), self._clock.now()
            info = await docker.system.info()
            self._facts = Facts.read(version, info, between=(asked, self._clock.now()))
        return self._facts

    async def _near(self) -> Near:
        if self._remote is not None:
            return Near.NONE
        return Near.OWN if self._settings.is_local and not (await self._learn()).rootless else Near.PUBLISHED

    def _firewall(self, facts: Facts) -> Firewall:
        return Firewall(
            installation=self._names.installation, pool=self._settings.networks, names_from_bridge=facts.is_podman
        )

    async def _list(self) -> list[dict[str, Any]]:
        filters = json.dumps({"label": [self._names.selector]})
        found: list[dict[str, Any]] = await self._engine.get("containers/json", {"all": "1", "filters": filters})
        return found

    async def _closer(self, handle: Handle, seen: Observation) -> Observation:
        try:
            answer = await self._engine.docker.containers.container(handle).show()
            if seen.phase is Phase.CREATED:
                return halted(answer) or seen
            return await asyncio.to_thread(ended, answer, out_of_memory=out_of_memory)
        except DockerError as error:
            if is_missing(error):
                return Observation.forgotten()
            raise

    async def _measure(self, handle: Handle) -> Usage | None:
        try:
            answer = await self._engine.get(f"containers/{handle}/stats", {"stream": "0", "one-shot": "1"})
        except DockerError as error:
            if is_missing(error) or "not running" in error.message:
                return None
            raise
        if not answer or not (answer.get("cpu_stats") or {}).get("cpu_usage", {}).get("total_usage"):
            return None
        usage, self._samples[handle] = measured(answer, at=self._clock.now(), before=self._samples.get(handle))
        return usage
