"""The verbs of a computing of kind `kubernetes`."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from specola.clock import Clock
from specola.computing.inside.files import FileSession
from specola.computing.inside.fileserver import SERVER, FileServer
from specola.computing.inside.paths import FILES, HELPER, LOADER
from specola.computing.inside.tables import in_tables, open_ports
from specola.computing.inside.telling import TELLING_SECONDS, telling
from specola.computing.kubernetes.api import Api
from specola.computing.kubernetes.commands import Commands
from specola.computing.kubernetes.config import KubernetesSettings, Reaching
from specola.computing.kubernetes.errors import ApiError, PodGoneError, asking
from specola.computing.kubernetes.kubeconfig import Access, KubeconfigError, inside, read
from specola.computing.kubernetes.launching import Launcher
from specola.computing.kubernetes.logs import lines
from specola.computing.kubernetes.looking import Looks, Sample, listeners_on, measured
from specola.computing.kubernetes.names import CONTAINER, TASK, Names, Place
from specola.computing.kubernetes.observing import is_removed, observed
from specola.computing.kubernetes.placing import FilePlacer
from specola.computing.kubernetes.probing import probed, version
from specola.computing.kubernetes.session import Session, SessionStream
from specola.computing.kubernetes.stopping import Stopper
from specola.computing.kubernetes.watching import changes, handle_of
from specola.computing.registries import Reach, Registry
from specola.computing.tcp import SocketStream
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
from specola.domain.errors import ComputingUnreachableError, LaunchError, TaskNotRunningError
from specola.domain.reference import ImageReference
from specola.domain.task import TaskId
from specola.ports.computing import NOTHING, Report, Running, Stream

__all__ = ["KubernetesComputing"]


class KubernetesComputing:
    """Tasks are pods of one cluster; the handle of a task is the namespace and name of its pod."""

    def __init__(self, *, name: str, settings: KubernetesSettings, installation: str, clock: Clock) -> None:
        self.name = name
        self._settings = settings
        self._clock = clock
        self._names = Names(installation, settings.namespace)
        self._api = Api(self._access, local=settings.local)
        self._registry = Registry(Reach(settings.insecure_registries))
        self._launcher = Launcher(api=self._api, names=self._names, settings=settings, registry=self._registry)
        self._stopper = Stopper(self._api, clock)
        self._commands = Commands(computing=name, api=self._api, seconds=settings.answer, runs=self._runs)
        self._looks = Looks(self._api)
        self._placer = FilePlacer(FileServer(Path(settings.file_server)))
        self._samples: dict[Handle, Sample] = {}
        self._version: tuple[int, int] | None = None

    async def probe(self, budget: Budget) -> Probe:
        """Ask the cluster what it is, and what the platform's account may do there."""
        async with budget.spend(), asking(self.name):
            return await probed(self._api, self._names, self._settings)

    async def launch(self, launch: Launch, *, report: Report, budget: Budget) -> Handle:
        """Make a pod, or find it made under this task's name."""
        async with budget.spend(), asking(self.name):
            return await self._launcher.launch(launch, version=await self._learn(), report=report)

    async def observe(self, handles: Collection[Handle]) -> Mapping[Handle, Observation]:
        """Look at all by one list."""
        if not handles:
            return {}
        direct = self._settings.reach is Reaching.DIRECT
        found = await self._pods()
        now = self._clock.now()
        return {
            one: observed(found[one], now=now, direct=direct) if one in found else Observation.forgotten()
            for one in handles
        }

    async def stop(self, handle: Handle, *, grace: timedelta) -> None:
        """Ask the task's first process to end, wait, then have the cluster end it."""
        if place := Place.of(handle):
            async with asking(self.name, seconds=self._settings.answer):
                before = await self._stopper.last_command(place)
            # The cluster has a grace of its own beside ours.
            patience = self._settings.answer + 2 * self._settings.grace
            async with asking(self.name, seconds=patience + before + math.ceil(grace.total_seconds())):
                await self._stopper.stop(place, grace=grace)

    async def tell(self, handle: Handle, text: str) -> None:
        """Write a line on every terminal in the pod that its user may write to."""
        with contextlib.suppress(TaskNotRunningError, LaunchError, TimeoutError):
            running = await self._commands.start(handle, telling(text), terminal=None, environment={})
            try:
                async with asyncio.timeout(TELLING_SECONDS):
                    await running.end()
                    while (await running.read())[1]:
                        pass
            finally:
                await running.close()

    async def remove(self, handle: Handle) -> None:
        """Remove the pod, and its secret with the credential."""
        if place := Place.of(handle):
            async with asking(self.name, seconds=self._settings.answer):
                await self._stopper.remove(place)
        self._samples.pop(handle, None)
        self._placer.forget(handle)
        await self._looks.forget(handle)

    async def discover(self) -> Mapping[TaskId, Handle]:
        """Find the pods with this installation's label."""
        return {pod["metadata"]["labels"][TASK]: handle for handle, pod in (await self._pods()).items()}

    async def dial(self, handle: Handle, port: int) -> Stream:
        """Connect to the pod's own address where that is set, else by the helper in it, also to its loopback."""
        try:
            async with asking(self.name, seconds=self._settings.answer):
                if self._settings.reach is Reaching.DIRECT:
                    address = (await self.observe([handle]))[handle].addresses.get(port)
                    with contextlib.suppress(ConnectionRefusedError):
                        if address is not None:
                            return await SocketStream.connect(*address)
                return await self._dial_inside(handle, port)
        except PodGoneError as error:
            raise ComputingUnreachableError(self.name, "the task is not running") from error

    async def close(self) -> None:
        """Close the connections to cluster and registries; commands that run end."""
        await self._commands.close()
        await self._looks.close()
        await self._api.close()
        await self._registry.close()

    async def watch(self) -> AsyncIterator[Handle]:
        """Yield the handle of each pod of ours that the cluster tells a change of."""
        async with asking(self.name):
            async for handle in changes(self._api, self._path(), self._names.selector):
                yield handle

    async def logs(self, handle: Handle, *, follow: bool = False, tail: int | None = None) -> AsyncIterator[LogLine]:
        """Yield what the task wrote; a cluster does not keep its two outputs apart."""
        place = Place.of(handle)
        if place is None:
            return
        query = [("container", CONTAINER), ("timestamps", "true"), ("follow", str(follow).lower())]
        if tail is not None:
            query.append(("tailLines", str(tail)))
        async with asking(self.name):
            try:
                async with self._api.stream(f"{place.path}/log", query) as pieces:
                    async for line in lines(pieces):
                        yield line
            except ApiError as error:
                # A pod that is not there, or that has not begun, has written nothing.
                if error.status not in {400, 404}:
                    raise

    async def usage(self, handles: Collection[Handle]) -> Mapping[Handle, Usage]:
        """Read the control groups of the tasks from inside; CPU use is since the last measurement."""
        async with asking(self.name, seconds=self._settings.answer):
            told = await self._looks.ask(await self._running(handles), "usage")
        found: dict[Handle, Usage] = {}
        for handle, text in told.items():
            if one := measured(text, at=self._clock.now(), before=self._samples.get(handle)):
                found[handle], self._samples[handle] = one
        return found

    async def listening(self, handles: Collection[Handle]) -> Mapping[Handle, Mapping[int, bool]]:
        """Read the kernel's tables of the pods' networks from inside."""
        async with asking(self.name, seconds=self._settings.answer):
            told = await self._looks.ask(await self._running(handles), "ports")
        return {handle: open_ports(in_tables(text)) for handle, text in told.items()}

    async def inspect_image(self, reference: str, budget: Budget) -> ImageDetails:
        """Read an image's details from its registry: what nodes have already, they tell only administrators."""
        async with budget.spend():
            async with asking(self.name):
                await self._learn()
            wanted = ImageReference.parse(reference)
            return await self._registry.inspect(wanted, machine=self._settings.architectures[0])

    async def execute(
        self,
        handle: Handle,
        command: Sequence[str],
        *,
        terminal: Terminal | None = None,
        environment: Mapping[str, str] = NOTHING,
    ) -> Running:
        """Start a command as the user that the task runs as."""
        return await self._commands.start(handle, command, terminal=terminal, environment=environment)

    async def files(self, handle: Handle) -> Stream:
        """Start OpenSSH's server of files in the pod, as the user that it runs as."""
        with contextlib.suppress(PodGoneError):
            async with asking(self.name, seconds=self._settings.answer):
                if place := Place.of(handle):
                    await self._placer.place(self._api, place)
        command = (LOADER, "--library-path", FILES, f"{FILES}/{SERVER}")
        environment = {"LD_PRELOAD": ""}
        return FileSession(await self._commands.start(handle, command, terminal=None, environment=environment))

    async def _dial_inside(self, handle: Handle, port: int) -> Stream:
        place = Place.of(handle)
        told = await self._looks.look(handle, "ports") if place else None
        if place is None or told is None:
            raise PodGoneError(handle)
        where = listeners_on(told, port)
        if not where:
            raise ComputingUnreachableError(self.name, f"nothing listens on port {port} of the task")
        relay = await Session.start(self._api, place, [HELPER, "nc", _near(where), str(port)])
        return SessionStream(relay, whole=True)

    async def _pods(self) -> dict[Handle, dict[str, Any]]:
        """Return all pods of this installation, by one list."""
        async with asking(self.name, seconds=self._settings.answer):
            pods, _ = await self._api.pages(self._path(), [("labelSelector", self._names.selector)])
        return {handle_of(one): one for one in pods if not is_removed(one)}

    async def _running(self, handles: Collection[Handle]) -> list[Handle]:
        """Return those of the tasks that run, asked once for all."""
        seen = await self.observe(handles)
        return [handle for handle in handles if seen[handle].phase is Phase.RUNNING]

    async def _runs(self, handle: Handle) -> bool:
        return (await self.observe([handle]))[handle].phase is Phase.RUNNING

    async def _learn(self) -> tuple[int, int]:
        if self._version is None:
            self._version = version(await self._api.get("/version"))
        return self._version

    def _path(self) -> str:
        """Return the collection in which all pods of this installation are."""
        if self._settings.is_spread:
            return "/api/v1/pods"
        return f"/api/v1/namespaces/{self._names.namespace}/pods"

    def _access(self) -> Access:
        """Read how the cluster is asked, from the record, a file of this host, or this pod's own account."""
        settings = self._settings
        if text := settings.kubeconfig.get_secret_value():
            return read(text, context=settings.context, inline=True)
        if not settings.kubeconfig_file:
            return inside()
        try:
            text = Path(settings.kubeconfig_file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise KubeconfigError("the file cannot be read") from error
        return read(text, context=settings.context)


def _near(addresses: Sequence[str]) -> str:
    """Return where a connection from inside the pod goes: loopback, unless only another address is listened to."""
    anywhere = {"0.0.0.0", "::", "127.0.0.1"}  # noqa: S104 -- they are read, not bound
    return "127.0.0.1" if anywhere.intersection(addresses) else addresses[0]
