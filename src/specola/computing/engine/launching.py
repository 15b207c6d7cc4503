"""The steps from a wish to a started container; a crash between any two is mended by the next launch."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Iterator
from dataclasses import dataclass, replace
from typing import Any

from aiodocker.exceptions import DockerError

from specola.computing.border import in_one_line
from specola.computing.engine.api import Engine
from specola.computing.engine.container import Plan, check, create_body, home_of
from specola.computing.engine.errors import NO_CONNECTION, is_conflict, is_missing, translated
from specola.computing.engine.facts import Facts
from specola.computing.engine.firewall import Firewall
from specola.computing.engine.homes import Homes
from specola.computing.engine.images import Image, Images
from specola.computing.engine.names import Names
from specola.computing.engine.networks import Networks
from specola.computing.engine.placing import Parcel
from specola.computing.engine.quirks import Memory, Quirks, lacking
from specola.computing.engine.users import Account, Numbers, Users, lowered
from specola.computing.engine.volumes import Mount, Volumes
from specola.domain.computing import Handle, Launch, Progress
from specola.domain.errors import LaunchError
from specola.domain.software import RunsAs
from specola.domain.task import TaskId
from specola.ports.computing import Report

__all__ = ["Ground", "Launcher"]

# A container in one of these was started already; in any other, a launch was cut short.
STARTED = frozenset({"running", "paused", "exited", "stopped", "stopping", "dead"})
NO_PROGRAM = (
    "executable file not found",
    "no such file or directory",
    "not a directory",
    "was not found",
    "no command specified",
    "no command or entrypoint",
    "exec format error",
)
ABANDON_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Ground:
    """Where containers are started: what the engine is, and what of it is this machine's own.

    Parameters
    ----------
    firewall
        The rules to put in place there; None: they cannot be.
    gives_folders
        Whether the engine can be given folders of this machine whose owner is chosen; else it keeps homes itself.
    is_far
        Whether it is on another host.
    """

    facts: Facts
    firewall: Firewall | None
    gives_folders: bool
    is_far: bool

    async def protect(self) -> None:
        """Put the rules in place, unless they are."""
        if self.firewall is not None:
            await self.firewall.ensure()


class Launcher:
    """Starts tasks on one engine, and removes what is left of them."""

    def __init__(  # noqa: PLR0913 -- keyword-only: one part for each step
        self,
        *,
        computing: str,
        engine: Engine,
        names: Names,
        images: Images,
        networks: Networks,
        homes: Homes,
        volumes: Volumes,
        memory: Memory,
        parcel: Parcel,
        processes: int,
    ) -> None:
        self._computing = computing
        self._engine = engine
        self._names = names
        self._images = images
        self._networks = networks
        self._homes = homes
        self._volumes = volumes
        self._parcel = parcel
        self._processes = processes
        self._users = Users()
        self._memory = memory

    async def launch(self, launch: Launch, *, ground: Ground, report: Report) -> Handle:
        """Start a task, or find it started.

        1. A container of this name that was started: nothing to do, whatever became of it since.
        2. Image, network, home, scratch, rules: each is made or found.
        3. The container is created; if another launch was quicker, its container is taken.
        4. Credential and helper are put into it, then it is started; both may be done twice.
        """
        check(launch)
        if ground.facts.rootless:
            launch = lowered(launch)
        while True:
            # Read anew each time: another process may have looked at the machine again.
            quirks = ground.facts.quirks | await self.learnt()
            try:
                return await self._attempt(launch, quirks, ground=ground, report=report)
            except _QuirkError as error:
                await asyncio.to_thread(self._memory.write, await self.learnt() | error.quirks)
                await self._delete(self._names.of(launch.task))
            except asyncio.CancelledError:
                await asyncio.shield(self._abandon(launch.task))
                raise
            except DockerError as error:
                ours = translated(self._computing, error)
                if isinstance(ours, LaunchError):
                    await self.clear(launch.task)
                raise ours from error
            except LaunchError:
                await self.clear(launch.task)
                raise

    async def _attempt(self, launch: Launch, quirks: Quirks, *, ground: Ground, report: Report) -> Handle:
        name = self._names.of(launch.task)
        state = await self._state(name)
        if state in STARTED:
            return name
        image = await self._images.ensure(self._engine.docker, launch, machine=ground.facts.machine, report=report)
        await report(Progress(code="image_ready", sentence="The image is here."))
        numbers = await self._numbers(launch, image)
        try:
            async with _beside(ground.protect()):
                if state is None:
                    plan = await self._plan(launch, image, numbers, ground=ground, report=report)
                    await self._create(launch, replace(plan, quirks=quirks), report=report)
                await self._prepare(launch, image, numbers, ground=ground, report=report)
            await self._engine.docker.containers.container(name).start()
            await report(Progress(code="started", sentence="The container was started."))
        except DockerError as error:
            # Another launch may have learnt of a quirk meanwhile: what counts is what this attempt was made with.
            raise _refusal(launch, error, quirks) from error
        # An engine may have put rules of its own before ours while it connected the container.
        await ground.protect()
        return name

    async def learnt(self) -> Quirks:
        """Return what starts that were refused have shown of the machine, to whichever process."""
        return await asyncio.to_thread(self._memory.read) or Quirks()

    async def _abandon(self, task: TaskId) -> None:
        """Remove what a task that was given up before it had a container has: nobody would ever ask for it."""
        with contextlib.suppress(DockerError, OSError, TimeoutError):
            async with asyncio.timeout(ABANDON_SECONDS):
                if await self._state(self._names.of(task)) is None:
                    await self._clear_beside(task)

    async def clear(self, task: TaskId) -> None:
        """Remove the task's container, network and scratch; silent about what is not there."""
        await self._delete(self._names.of(task))
        await self._clear_beside(task)

    async def _clear_beside(self, task: TaskId) -> None:
        await asyncio.gather(self._networks.remove(self._engine.docker, task), self._volumes.remove(task))

    async def _state(self, name: str) -> str | None:
        try:
            told: dict[str, Any] = await self._engine.docker.containers.container(name).show()
        except DockerError as error:
            if is_missing(error):
                return None
            raise
        return str(told["State"]["Status"]).lower()

    async def _numbers(self, launch: Launch, image: Image) -> Numbers:
        if launch.user is RunsAs.HOME:
            return Numbers(launch.number, launch.number)
        return await self._users.of(self._engine, image, scratch=f"{self._names.of(launch.task)}-look")

    async def _plan(self, launch: Launch, image: Image, numbers: Numbers, *, ground: Ground, report: Report) -> Plan:
        facts = ground.facts
        subnet, home, scratch = await asyncio.gather(
            self._networks.ensure(
                self._engine.docker, launch.task, isolate=facts.is_podman and ground.firewall is None
            ),
            self._home(launch, numbers, ground=ground, report=report),
            self._scratch(launch),
        )
        await report(Progress(code="network_ready", sentence="The task has a network of its own."))
        return Plan(
            image_id=image.id,
            architecture=image.architecture,
            user=f"{numbers.user}:{numbers.group}" if launch.user is RunsAs.HOME else "",
            home=home,
            scratch=scratch,
            address=None if facts.rootless else str(subnet.container),
            publish=facts.rootless,
            processes=self._processes,
        )

    async def _home(self, launch: Launch, numbers: Numbers, *, ground: Ground, report: Report) -> Mount | None:
        home = launch.home
        if home is None:
            return None
        if numbers.user != home.number:
            why = f"the image runs as number {numbers.user}, and its files belong to number {home.number}"
            await report(Progress(code="home_not_mounted", sentence=f"Your home is not mounted: {why}."))
            return None
        if not ground.gives_folders:
            return await self._volumes.make_home(home)
        folder = await asyncio.to_thread(self._homes.ensure, home)
        return Mount(source=str(folder), target=home.path, is_volume=False, read_only=home.read_only)

    async def _scratch(self, launch: Launch) -> Mount | None:
        if launch.scratch is None:
            return None
        return await self._volumes.make_scratch(launch.task, launch.scratch)

    async def _create(self, launch: Launch, plan: Plan, *, report: Report) -> None:
        try:
            await self._engine.docker.containers.create(
                create_body(launch, plan, self._names), name=self._names.of(launch.task)
            )
        except DockerError as error:
            if not is_conflict(error):
                raise
        await report(Progress(code="created", sentence="The container was created."))

    def _volumes_of(self, launch: Launch, numbers: Numbers, *, ground: Ground) -> Iterator[Mount]:
        """Yield the volumes that the container has mounted, made by this launch or an earlier one."""
        if launch.scratch is not None:
            yield self._volumes.scratch(launch.task, launch.scratch)
        if launch.home is not None and numbers.user == launch.home.number and not ground.gives_folders:
            yield self._volumes.home(launch.home)

    async def _prepare(self, launch: Launch, image: Image, numbers: Numbers, *, ground: Ground, report: Report) -> None:
        name = self._names.of(launch.task)
        if launch.user is RunsAs.HOME:
            account = Account(launch.owner, numbers, home_of(launch, mounted=launch.home is not None))
        else:
            account = Account("task", numbers, "/")
        accounts = await self._users.with_account(self._engine, image, account, container=name)
        content = await asyncio.to_thread(
            self._parcel.archive,
            launch.credential,
            owner=numbers.user,
            group=numbers.group,
            machine=ground.facts.machine,
            accounts=accounts,
            pack=ground.is_far,
        )
        through_parent = not ground.facts.is_podman
        await asyncio.gather(
            self._engine.put_archive(name, "/", content),
            *(
                self._volumes.give(one, numbers, container=name, through_parent=through_parent)
                for one in self._volumes_of(launch, numbers, ground=ground)
            ),
        )
        await report(Progress(code="prepared", sentence="The container got its credential."))

    async def _delete(self, name: str) -> None:
        try:
            await self._engine.remove_container(name)
        except DockerError as error:
            if not is_missing(error) and "removal" not in error.message:
                raise


@contextlib.asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Have something done while the body runs; it has been done when the body is over, and its failure is raised."""
    doing = asyncio.create_task(work)
    try:
        yield
        await doing
    finally:
        doing.cancel()
        await asyncio.gather(doing, return_exceptions=True)


class _QuirkError(Exception):
    """The machine needs something that ordinary machines do not; the start is worth repeating with it."""

    def __init__(self, quirks: Quirks) -> None:
        super().__init__(repr(quirks))
        self.quirks = quirks


def _refusal(launch: Launch, error: DockerError, quirks: Quirks) -> Exception:
    """Say what a refused create or start means: a quirk of the machine, the person's command, or something else."""
    message = error.message.lower()
    if error.status == NO_CONNECTION:
        return error
    if (more := lacking(error, quirks)) is not None:
        return _QuirkError(more)
    if "netavark" in message and "no such file" in message:
        return LaunchError(
            f"The engine could not make the task's network: {in_one_line(error.message)}.",
            hint="Whoever looks after the computing installs iptables, which Podman needs for networks, on its host.",
            code="no_networks",
        )
    if any(word in message for word in NO_PROGRAM) and "no such container" not in message:
        what = f"“{launch.command[0]}”" if launch.command else "the image's own command"
        return LaunchError(
            f"The container could not run {what}: {in_one_line(error.message)}.",
            hint="Check the command; it has to exist in the image.",
            code="command_unknown",
        )
    return error
