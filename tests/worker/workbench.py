"""A database, a computing in memory, and workers on them that can be killed between any two steps."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from typing_extensions import override

from specola.clock import Clock
from specola.computing.kinds import Context, open_computing
from specola.computing.memory import World
from specola.domain.budget import Budget
from specola.domain.computing import Computing as ComputingRecord, Handle, Launch, LogLine, Observation, Probe
from specola.domain.errors import LaunchError
from specola.domain.person import Person, Role
from specola.domain.task import Desired, Task, TaskId
from specola.ports.computing import Computing, HasLogs, Report, Stream, Watches
from specola.secrets import Sealer
from specola.storage.logs import LogArchive
from specola.storage.store import Store, Transaction
from specola.worker.beside import Beside
from specola.worker.timing import Timing
from specola.worker.worker import Worker
from tests.support.hurry import PATIENCE, QUICK
from tests.worker.records import task as record_of

__all__ = ["Grip", "Workbench", "open_workbench"]


@dataclass
class Grip:
    """Counts what a worker asks of its computing and writes into the database, and kills it at one of these steps.

    `before` kills it before the step is taken, otherwise when it has been taken and before the worker learns of it.
    Steps named in `held` wait while `free` is not set; those in `refused` are refused, until they are taken out.
    """

    at: int = 0
    before: bool = True
    count: int = 0
    asked: list[str] = field(default_factory=list)
    fatal: asyncio.Event = field(default_factory=asyncio.Event)
    held: set[str] = field(default_factory=set)
    free: asyncio.Event = field(default_factory=asyncio.Event)
    refused: set[str] = field(default_factory=set)
    passed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def until(self, name: str, more: int) -> None:
        """Return once a step has been begun so many times more than by now."""
        enough = self.asked.count(name) + more
        async with self.passed:
            await self.passed.wait_for(lambda: self.asked.count(name) >= enough)

    @asynccontextmanager
    async def step(self, name: str) -> AsyncIterator[None]:
        """Take a step; several may be under way, so each has its number."""
        self.count += 1
        self.asked.append(name)
        async with self.passed:
            self.passed.notify_all()
        number = self.count
        await self._pass(number, before=True)
        if name in self.held:
            await self.free.wait()
        if name in self.refused:
            raise LaunchError(f"The engine refused to {name}.", code="engine_refused")
        try:
            yield
        except Exception:
            await self._pass(number, before=False)
            raise
        await self._pass(number, before=False)

    async def _pass(self, number: int, *, before: bool) -> None:
        if self.fatal.is_set():
            # A dead process takes no further step, not even while its remains are cleared away.
            raise asyncio.CancelledError
        if number == self.at and before is self.before:
            self.fatal.set()
            await asyncio.Event().wait()


class Gripped:
    """A computing whose every verb passes a grip on the way there and on the way back."""

    def __init__(self, inner: Computing, grip: Grip) -> None:
        self.name = inner.name
        self._inner = inner
        self._grip = grip

    async def probe(self, budget: Budget) -> Probe:
        return await self._inner.probe(budget)

    async def launch(self, launch: Launch, *, report: Report, budget: Budget) -> Handle:
        async with self._grip.step("launch"):
            return await self._inner.launch(launch, report=report, budget=budget)

    async def observe(self, handles: Collection[Handle]) -> Mapping[Handle, Observation]:
        async with self._grip.step("observe"):
            return await self._inner.observe(handles)

    async def stop(self, handle: Handle, *, grace: timedelta) -> None:
        async with self._grip.step("stop"):
            await self._inner.stop(handle, grace=grace)

    async def remove(self, handle: Handle) -> None:
        async with self._grip.step("remove"):
            await self._inner.remove(handle)

    async def discover(self) -> Mapping[TaskId, Handle]:
        async with self._grip.step("discover"):
            return await self._inner.discover()

    async def dial(self, handle: Handle, port: int) -> Stream:
        return await self._inner.dial(handle, port)

    async def close(self) -> None:
        await self._inner.close()

    async def logs(self, handle: Handle, *, follow: bool = False, tail: int | None = None) -> AsyncIterator[LogLine]:
        async with self._grip.step("logs"):
            assert isinstance(self._inner, HasLogs)
            async for line in self._inner.logs(handle, follow=follow, tail=tail):
                yield line

    async def watch(self) -> AsyncIterator[Handle]:
        assert isinstance(self._inner, Watches)
        async for handle in self._inner.watch():
            yield handle


class GrippedStore(Store):
    """A database whose every write passes a grip before it begins and after it is committed."""

    def __init__(self, url: str, *, clock: Clock, grip: Grip) -> None:
        super().__init__(url, clock=clock)
        self._grip = grip

    @asynccontextmanager
    @override
    async def write(self) -> AsyncIterator[Transaction]:
        async with self._grip.step("write"), super().write() as transaction:
            yield transaction


@dataclass
class Workbench:
    """What a test holds."""

    folder: Path
    url: str
    store: Store
    sealer: Sealer
    archive: LogArchive
    world: World
    clock: Clock
    context: Context
    workers: list[asyncio.Task[None]] = field(default_factory=list)
    made: int = 0
    opened: list[ComputingRecord] = field(default_factory=list)
    """Every record of which a worker opened the computing, in order."""
    told: list[tuple[TaskId, str]] = field(default_factory=list)
    """Every line that a worker had shown in a task."""

    async def want(self, image: str = "example.test/web:1", **changes: object) -> Task:
        """Write a wish down, as the service does."""
        self.made += 1
        task = record_of(id=f"task{self.made:06}", created=self.clock.now(), since=self.clock.now(), owner="ada")
        task = replace(task, name=f"lab-{self.made}", image=replace(task.image, reference=image), **changes)  # type: ignore[arg-type]  # any field
        async with self.store.write() as transaction:
            await transaction.tasks.add(task, credential=self.sealer.seal("secret", purpose=f"task {task.id}"))
        return task

    async def wish(self, task: Task, desired: Desired) -> None:
        """Want a task stopped or deleted."""
        async with self.store.write() as transaction:
            _ = await transaction.tasks.want(await transaction.tasks.get(task.id), desired)

    async def record(self, task: Task) -> Task | None:
        """Return a task's record, None if it is gone."""
        async with self.store.read() as transaction:
            return (await transaction.tasks.known([task.id])).get(task.id)

    async def until(self, task: Task, met: Callable[[Task | None], bool], *, seconds: float = PATIENCE) -> Task | None:
        """Return a task's record as soon as it meets a condition."""
        async with asyncio.timeout(seconds):
            async with self.store.read() as transaction:
                newest = await transaction.changes.newest()
            record = await self.record(task)
            if met(record):
                return record
            async for _ in self.store.changes(after=newest):
                record = await self.record(task)
                if met(record):
                    return record
        raise AssertionError("the feed of changes ended")

    async def handle(self, task: Task) -> str:
        """Return a task's handle as soon as it has one."""
        record = await self.until(task, lambda record: record is not None and record.handle is not None)
        assert record is not None
        assert record.handle is not None
        return record.handle

    async def codes(self, task: Task) -> list[str]:
        """Return the codes of a task's events in order."""
        async with self.store.read() as transaction:
            return [event.code for event in await transaction.tasks.events(task.id)]

    def begin(self, *, holder: str = "one", grip: Grip | None = None, timing: Timing = QUICK) -> asyncio.Task[None]:
        """Start a worker."""
        running = asyncio.create_task(self._work(holder, grip, timing), name=f"worker {holder}")
        self.workers.append(running)
        return running

    async def _work(self, holder: str, grip: Grip | None, timing: Timing) -> None:
        def opener(record: ComputingRecord) -> Computing:
            self.opened.append(record)
            place = open_computing(record.kind, name=record.name, settings=record.settings, context=self.context)
            return Gripped(place, grip) if grip else place

        store = GrippedStore(self.url, clock=self.clock, grip=grip) if grip else Store(self.url, clock=self.clock)
        try:
            await Worker(
                store=store,
                sealer=self.sealer,
                archive=self.archive,
                opener=opener,
                beside=Beside(streams=self.folder / "streams", tell=self._tell),
                holder=holder,
                clock=self.clock,
                timing=timing,
            ).run()
        finally:
            await store.close()

    async def _tell(self, task: TaskId, text: str) -> None:
        self.told.append((task, text))

    async def end(self, worker: asyncio.Task[None]) -> None:
        """End a worker at its next await."""
        worker.cancel()
        _ = await asyncio.gather(worker, return_exceptions=True)
        self.workers.remove(worker)


@asynccontextmanager
async def open_workbench(folder: Path, *, tables: Path, clock: Clock | None = None) -> AsyncIterator[Workbench]:
    """Make a database with one person and one computing, from a file with all tables."""
    clock, url = clock or Clock(), f"sqlite:///{shutil.copy(tables, folder / 'specola.db')}"
    store = Store(url, clock=clock)
    context = Context(installation="testing", data=folder, clock=clock, world=World(clock))
    bench = Workbench(
        folder=folder,
        url=url,
        store=store,
        sealer=Sealer.make(folder / "key"),
        archive=LogArchive(folder / "logs"),
        world=context.world,
        clock=clock,
        context=context,
    )
    ada = Person(id="ada", name="ada", full_name="", role=Role.PERSON, number=100000, created=clock.now())
    async with store.write() as transaction:
        await transaction.people.add(ada)
        await transaction.computings.save(
            ComputingRecord(id="c1", name="local", title="This machine", kind="memory", created=clock.now())
        )
    try:
        yield bench
    finally:
        for worker in list(bench.workers):
            await bench.end(worker)
        await context.world.close()
        await store.close()
