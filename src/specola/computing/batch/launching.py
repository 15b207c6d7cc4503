"""The steps from a wish to a job in the queue; a crash between any two is mended by the next launch."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from specola.clock import Clock
from specola.computing.batch.accounts import Account, Accounts
from specola.computing.batch.agent.manifest import Image
from specola.computing.batch.board import Board
from specola.computing.batch.config import BatchSettings, RuntimeChoice, SchedulerKind
from specola.computing.batch.errors import AmbiguousError
from specola.computing.batch.folders import Folders
from specola.computing.batch.images import Shelf, image_job, newest, request_text
from specola.computing.batch.looks import Looks
from specola.computing.batch.manifest import Placing, manifest
from specola.computing.batch.names import MARK, OUTPUT, Names
from specola.computing.batch.observing import chosen
from specola.computing.batch.outward import Dialling
from specola.computing.batch.scheduling import Entry, Job, JobState, Scheduler
from specola.computing.locks import alone
from specola.computing.registries import Registry
from specola.domain.computing import Handle, Launch, Progress
from specola.domain.errors import ComputingUnreachableError, ImageArchitectureError, ImageUnreachableError, LaunchError
from specola.domain.placement import Placement
from specola.domain.reference import ImageReference
from specola.domain.sizes import parse_size
from specola.domain.software import Resources
from specola.ports.computing import Report

__all__ = ["Launcher"]

ARRIVES = 3.0
"""Seconds after which a job whose submission was cut short is looked for once more, before another is handed in."""
LOOKS = 20.0


@dataclass(frozen=True, slots=True)
class _Picture:
    """An image as its registry describes it, and as a task is given it."""

    digest: str | None
    id: str | None
    architecture: str


class Launcher:
    """Starts tasks on one computing.

    Parameters
    ----------
    agent
        The agent's content.
    locks
        The folder of the locks between processes of this machine.
    board
        Gives the board of an account.
    dialling
        What agents need that dial out to the platform; None: they do not.
    """

    def __init__(  # noqa: PLR0913 -- keyword-only: one part for each step
        self,
        *,
        computing: str,
        settings: BatchSettings,
        names: Names,
        accounts: Accounts,
        scheduler: Scheduler,
        folders: Folders,
        looks: Looks,
        registry: Registry,
        board: Callable[[Account], Board],
        clock: Clock,
        locks: Path,
        agent: bytes,
        dialling: Dialling | None,
    ) -> None:
        self._computing = computing
        self._settings = settings
        self._names = names
        self._accounts = accounts
        self._scheduler = scheduler
        self._folders = folders
        self._looks = looks
        self._registry = registry
        self._board = board
        self._clock = clock
        self._locks = locks
        self._agent = agent
        self._dialling = dialling
        self._kill_wait: timedelta | None = None

    async def launch(self, launch: Launch, *, report: Report) -> Handle:
        """Start a task, or find it started.

        1. A folder with a trace of a job: nothing to do, whatever became of it since.
        2. A folder without one: an earlier launch was cut short. A job of the task's name is looked for, in the queue and
           in the books; only when both have answered, and twice, does another one follow.
        3. Folder, credential and manifest are written: the intent. Then image, job, and a note of the job's number.
        4. Whatever happens in between: of two jobs of one name the second waits for the first, and ends at once, since
           the first has left its mark.
        """
        name = self._accounts.of_launch(launch)
        async with alone(self._locks / launch.task):
            account = await self._accounts.get(name)
            handle = self._names.handle(name, launch.task)
            trace = (await self._folders.look(account, [launch.task]))[launch.task]
            if trace.job is not None or trace.mark or trace.phase:
                return handle
            if trace.there and (entry := await self._found_twice(account, launch)) is not None:
                await self._note(account, launch, entry.id, report=report)
                return handle
            picture = await self._picture(launch, account)
            await report(Progress(code="image_known", sentence="The image is known."))
            await self._start(launch, account, picture, report=report)
            return handle

    async def _start(self, launch: Launch, account: Account, picture: _Picture, *, report: Report) -> None:
        runtime = await self._looks.runtime(account, seconds=LOOKS)
        agent = await self._folders.place_agent(account, self._agent)
        shelf = self._shelf(account, picture, runtime)
        placing = await self._placing(launch, account, runtime=runtime, shelf=shelf)
        exact = replace(launch, digest=picture.digest, image_id=picture.id)
        written = manifest(exact, placing).text()
        await self._folders.prepare(
            account,
            launch.task,
            manifest=written,
            credential=launch.credential,
            enrolment=self._dialling.enrolment.secret(launch.task) if self._dialling else "",
        )
        await report(Progress(code="prepared", sentence="Its folder is there."))
        try:
            after = await self._image(launch, account, picture, shelf, agent=agent, report=report)
            job = await self._hand_in(account, self._job(launch, account, agent=agent, after=after))
        except LaunchError:
            await self._folders.remove(account, launch.task)
            raise
        await report(Progress(code="submitted", sentence="It is in the queue."))
        facts: dict[str, object] = {
            "image": shelf.folder if shelf else "",
            "architecture": picture.architecture,
            "image_id": picture.id,
        }
        await self._note(account, launch, job, report=report, **facts)

    async def _note(self, account: Account, launch: Launch, job: str, *, report: Report, **facts: object) -> None:
        last = launch.pre_stop.time.total_seconds() if launch.pre_stop else 0.0
        noted = {"id": job, "at": self._clock.now().timestamp(), "pre_stop": last, **facts}
        await self._folders.note(account, launch.task, noted)
        self._board(account).doubt()
        await report(Progress(code="recorded", sentence="Its place in the queue was noted."))

    # -- image --------------------------------------------------------------------------------------------------------

    async def _picture(self, launch: Launch, account: Account) -> _Picture:
        """Describe the image exactly; where its registry is reached from the nodes alone, as far as the record has it."""
        reference = ImageReference.parse(launch.reference)
        if launch.digest and not reference.digest:
            reference = replace(reference, digest=launch.digest)
        try:
            found = await self._registry.inspect(reference, machine=account.machine)
        except ImageUnreachableError:
            if not reference.digest:
                raise
            return _Picture(reference.digest, launch.image_id, account.machine)
        if found.architecture != account.machine:
            raise ImageArchitectureError(launch.reference, [found.architecture], [account.machine])
        return _Picture(found.digest or reference.digest or None, found.id, found.architecture)

    def _shelf(self, account: Account, picture: _Picture, runtime: str) -> Shelf | None:
        """Return where the converted image is, or will be; None: this runtime has none, or it is known by no digest."""
        if runtime != RuntimeChoice.APPTAINER or not picture.digest:
            return None
        return Shelf.of(account.paths, digest=picture.digest, architecture=picture.architecture)

    async def _image(
        self,
        launch: Launch,
        account: Account,
        picture: _Picture,
        shelf: Shelf | None,
        *,
        agent: str,
        report: Report,
    ) -> str | None:
        """Have the image fetched by a job of its own; return the job that the task's own has to wait for, if any."""
        if shelf is None or self._settings.scheduler is SchedulerKind.NONE:
            return None
        if await self._folders.exists(account, shelf.sif):
            await report(Progress(code="image_ready", sentence="The image is here."))
            return None
        # Two tasks that need it at the same time share one job.
        async with alone(self._locks / f"image-{shelf.key}"):
            name = self._names.image_job(shelf.key)
            if (entry := newest((await self._board(account).look_now()).get(name, ()))) is None:
                image = Image(
                    reference=launch.reference,
                    digest=picture.digest,
                    id=picture.id,
                    sif=shelf.sif,
                    insecure=self._is_insecure(launch),
                )
                text = request_text(image, scratch=self._accounts.scratch(account))
                await self._folders.write(account, shelf.request, text)
                order = image_job(
                    account,
                    shelf,
                    settings=self._settings,
                    names=self._names,
                    agent=agent,
                    where=launch.placement,
                )
                job = await self._hand_in(account, order)
            else:
                job = entry.id
        await report(Progress(code="image_wanted", sentence="The image is fetched there by a small job."))
        return job

    def _is_insecure(self, launch: Launch) -> bool:
        return ImageReference.parse(launch.reference).registry in self._settings.insecure_registries

    # -- job ----------------------------------------------------------------------------------------------------------

    async def _placing(self, launch: Launch, account: Account, *, runtime: str, shelf: Shelf | None) -> Placing:
        time = launch.placement.time or self._settings.usual_time
        deadline = None
        if time is not None and self._settings.scheduler is SchedulerKind.NONE:
            deadline = (self._clock.now() + time).timestamp()
        if self._kill_wait is None:
            self._kill_wait = (await self._scheduler.limits(account.host, account.user)).kill_wait
        scratch = self._accounts.scratch(account)
        return Placing(
            installation=self._names.installation,
            runtime=runtime,
            home=self._accounts.home(account, launch.home) if launch.home is not None else None,
            # The task's own folder on the node's disk is made there, and the scratch in it: both are gone with the task.
            sif=shelf.sif if shelf else None,
            insecure=self._is_insecure(launch),
            keep_days=self._settings.image_days,
            network=self._settings.network.value,
            warn=self._before_limit(launch).total_seconds(),
            kill_wait=self._kill_wait.total_seconds(),
            deadline=deadline,
            folders=(scratch,) if scratch else (),
            platform=self._dialling.platform if self._dialling else None,
        )

    def _job(self, launch: Launch, account: Account, *, agent: str, after: str | None) -> Job:
        settings, wanted, size = self._settings, launch.placement, launch.resources
        folder = account.paths.task(launch.task)
        placement = Placement(
            time=wanted.time or settings.usual_time,
            partition=wanted.partition or settings.partition or None,
            project=wanted.project or settings.project or None,
            options=wanted.options,
        )
        resources = Resources(
            cpus=size.cpus, memory=size.memory + parse_size(settings.overhead), gpus=size.gpus, gpu_model=size.gpu_model
        )
        return Job(
            name=self._names.job(launch.task),
            command=(settings.python, agent, "run", folder),
            folder=folder,
            output=f"{folder}/{OUTPUT}",
            mark=f"{folder}/{MARK}",
            comment=f"specola task={launch.task}",
            resources=resources,
            path=settings.path,
            placement=placement,
            after=after,
            clean_stop=self._before_limit(launch),
        )

    def _before_limit(self, launch: Launch) -> timedelta:
        """Return how long before its time limit a task is asked to end: what its last command takes is added."""
        before = self._settings.before_limit
        return before + launch.pre_stop.time if before and launch.pre_stop else before

    async def _hand_in(self, account: Account, job: Job) -> str:
        """Hand a job in; where the answer got lost, look for it by its name."""
        try:
            return await self._scheduler.submit(account.host, job)
        except AmbiguousError as error:
            await self._clock.sleep(ARRIVES)
            found = await self._find(account, job.name)
            live = newest(found) or next(iter(found), None)
            if live is None:
                # The next launch looks again, and hands in another if there is still none.
                raise ComputingUnreachableError(self._computing, str(error)) from error
            return live.id

    async def _found_twice(self, account: Account, launch: Launch) -> Entry | None:
        """Look for the job of a launch that was cut short; what was on its way then may arrive a moment later."""
        name = self._names.job(launch.task)
        found = await self._find(account, name)
        if not found:
            await self._clock.sleep(ARRIVES)
            found = await self._find(account, name)
        trace = (await self._folders.look(account, [launch.task]))[launch.task]
        entry = chosen(trace, found)
        for other in found:
            if entry is not None and other.id != entry.id and other.state is not JobState.ENDED:
                await self._scheduler.cancel(account.host, other.id, gently=False)
        return entry

    async def _find(self, account: Account, name: str) -> list[Entry]:
        """Look for jobs by their name: in the queue, and in the books; both have to answer."""
        listed = list((await self._board(account).look_now()).get(name, ()))
        return listed or list((await self._scheduler.recall(account.host, account.user, [name])).get(name, ()))
