"""The loop of one computing: compares what is wanted, what is recorded and what is there, and acts."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from specola.clock import Clock
from specola.domain.computing import Handle
from specola.domain.errors import ArchiveError, ComputingUnreachableError, DatabaseUnavailableError, MissingError
from specola.domain.task import Endpoint, Task, TaskId
from specola.ports.computing import Computing, Watches
from specola.storage.logs import LogArchive
from specola.worker.beside import Beside
from specola.worker.contact import Contact
from specola.worker.decisions import Step, decide
from specola.worker.record import LeaseLostError, Record
from specola.worker.steps import Steps
from specola.worker.timing import Timing

__all__ = ["Convergence"]

MOST_REST = 1.0


@dataclass(frozen=True, slots=True)
class Job:
    """A step under way: what it is, where it tries to connect, and the asyncio task that carries it out."""

    step: Step
    places: tuple[Endpoint | None, ...]
    running: asyncio.Task[None]


class Convergence:
    """Converges the tasks of one computing while its lease is held.

    A pass is short and never waits for the computing: it reads what is wanted, has the computing asked once about every
    handle that is out of date, judges each task of which enough is known, and starts steps as jobs of their own, one
    for each task at most. An answer, and a job that ends, wake the next pass. So neither a slow pull nor a slow answer
    holds up anybody else's start or stop.
    """

    def __init__(
        self,
        *,
        computing: Computing,
        record: Record,
        archive: LogArchive,
        beside: Beside,
        clock: Clock,
        timing: Timing,
    ) -> None:
        self._computing = computing
        self._record = record
        self._streams = beside.streams
        self._timing = timing
        self._wake = asyncio.Event()
        self._jobs: dict[TaskId, Job] = {}
        self._ended: set[TaskId] = set()
        self._looking: asyncio.Task[None] | None = None
        self._failures: defaultdict[TaskId, int] = defaultdict(int)
        self._steps = Steps(
            computing=computing, record=record, archive=archive, beside=beside, clock=clock, timing=timing
        )
        self._contact = Contact(computing=computing, record=record, clock=clock, timing=timing, wake=self.wake)
        self._logger = structlog.get_logger("specola.worker").bind(computing=computing.name)

    def wake(self) -> None:
        """Say that something may have changed in the database."""
        self._wake.set()

    async def run(self) -> None:
        """Converge until cancelled.

        Raises
        ------
        LeaseLostError
            Another worker has the computing; every step under way has been given up.
        """
        self._wake.set()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.TaskGroup() as group:
                for part in (self._renew(), self._poll(), self._sweep(), self._probe(), self._watch()):
                    group.create_task(part)
                while True:
                    await self._wake.wait()
                    self._wake.clear()
                    began = loop.time()
                    async with self._surviving("pass_failed"):
                        await self._pass(group)
                    # Each job that ends wakes the loop: where a pass takes long, half the time is left to the jobs.
                    await asyncio.sleep(min(loop.time() - began, MOST_REST))
        except* LeaseLostError as lost:
            raise LeaseLostError(self._computing.name) from lost

    @asynccontextmanager
    async def _surviving(self, event: str) -> AsyncIterator[None]:
        """Outlive whatever goes wrong in the body but the loss of the lease: tell it, wait a moment, go on."""
        try:
            yield
        except LeaseLostError:
            raise
        except DatabaseUnavailableError as error:
            self._logger.warning(event, error=error.sentence)
        except Exception:
            self._logger.exception(event)
        else:
            return
        await asyncio.sleep(self._timing.back_off)
        self._contact.refresh()
        self._wake.set()

    # -- one pass ---------------------------------------------------------------------------------------------------

    async def _pass(self, group: asyncio.TaskGroup) -> None:
        # 1. A pass reads a task; 2. its job writes what it has done, and ends; 3. the pass comes to the task as it was
        # read, and would do the same once more. So those are left to the next pass, which the job's end has called for.
        self._ended.clear()
        tasks = await self._record.wanted()
        handles = {task.handle for task in tasks if task.handle is not None}
        if self._contact.keep(handles) and (self._looking is None or self._looking.done()):
            self._looking = group.create_task(self._look(handles), name=f"look {self._computing.name}")
        for task in tasks:
            if task.id not in self._ended:
                await self._judge_alone(task, group)
        if self._contact.orphans and not self._contact.is_lost:
            for orphan in await self._record.orphans_to_remove():
                handle = self._contact.orphans.get(orphan)
                if handle is not None and orphan not in self._jobs:
                    running = group.create_task(self._remove_orphan(orphan, handle))
                    self._jobs[orphan] = Job(Step.CLEAN, (), running)

    async def _look(self, handles: Collection[Handle]) -> None:
        async with self._surviving("look_failed"):
            await self._contact.look(handles)

    async def _judge_alone(self, task: Task, group: asyncio.TaskGroup) -> None:
        """Judge a task; what cannot be written of one, such as what its own node told of it, holds up no other."""
        try:
            await self._judge(task, group)
        except (LeaseLostError, DatabaseUnavailableError):
            raise
        except Exception:
            self._logger.exception("task_not_judged", task=task.id)

    async def _judge(self, task: Task, group: asyncio.TaskGroup) -> None:
        look = self._contact.look_of(task)
        if look is None:
            return
        verdict = decide(task, look, streams=self._streams, timing=self._timing)
        if verdict.task != task:
            # The wish may have changed since it was read, so the decision is made again where it is written.
            written = await self._record.change(
                task.id, lambda now: decide(now, look, streams=self._streams, timing=self._timing)
            )
            if written is None:
                return
            verdict = written
        if verdict.tell and not self._contact.is_lost:
            group.create_task(self._steps.tell(verdict.task, verdict.tell), name=f"tell {task.id}")
        if not self._contact.is_lost:
            self._dispatch(verdict.step, verdict.task, group)

    def _dispatch(self, step: Step, task: Task, group: asyncio.TaskGroup) -> None:
        """Start a step unless it is under way; another step under way for the task is given up first.

        What is given up ends at its next await, wakes the loop, and the next pass starts what is wanted by then.
        Cleaning is not given up: it is only ever followed by erasing.
        """
        places = tuple(state.endpoint for state in task.interfaces) if step is Step.TRY else ()
        job = self._jobs.get(task.id)
        if job is not None:
            if (job.step, job.places) != (step, places) and job.step is not Step.CLEAN:
                job.running.cancel()
        elif step is not Step.NOTHING:
            running = group.create_task(self._carry_out(step, task), name=f"{step.name} {task.id}")
            self._jobs[task.id] = Job(step, places, running)

    # -- jobs -------------------------------------------------------------------------------------------------------

    async def _carry_out(self, step: Step, task: Task) -> None:
        """Take one step; whatever goes wrong is told, waited over, and left to the next pass to try again."""
        try:
            await self._steps.take(step, task)
            self._failures.pop(task.id, None)
        except LeaseLostError:
            raise
        except MissingError:
            self._logger.info("record_gone", task=task.id, step=step.name)
        except ComputingUnreachableError as error:
            await self._contact.lose(error)
            await self._pause(task.id)
        except (ArchiveError, DatabaseUnavailableError) as error:
            self._logger.warning("step_put_off", task=task.id, step=step.name, error=error.sentence)
            await self._pause(task.id)
        except Exception:
            self._logger.exception("step_failed", task=task.id, step=step.name)
            await self._pause(task.id)
        finally:
            self._jobs.pop(task.id, None)
            self._ended.add(task.id)
            # Trying its interfaces changes nothing about a container.
            if task.handle is not None and step is not Step.TRY:
                self._contact.doubt(task.handle)
            self._wake.set()

    async def _remove_orphan(self, orphan: TaskId, handle: Handle) -> None:
        try:
            await self._steps.remove_orphan(handle)
            self._logger.info("orphan_removed", task=orphan)
            self._contact.refresh(sweep=True)
        except ComputingUnreachableError as error:
            await self._contact.lose(error)
        except Exception:
            self._logger.exception("orphan_not_removed", task=orphan)
            await self._pause(orphan)
        finally:
            self._jobs.pop(orphan, None)
            self._wake.set()

    async def _pause(self, task: TaskId) -> None:
        self._failures[task] += 1
        await asyncio.sleep(min(self._timing.back_off * 2.0 ** self._failures[task], self._timing.most_back_off))

    # -- what wakes the loop ----------------------------------------------------------------------------------------

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._timing.renew)
            # Without the database nobody else takes the computing either, and every write makes sure of the lease.
            async with self._surviving("lease_not_renewed"):
                if not await self._record.hold():
                    raise LeaseLostError(self._computing.name)

    async def _poll(self) -> None:
        """Look at everything now and then, should a wake-up have been lost."""
        while True:
            await asyncio.sleep(self._timing.poll)
            self._contact.refresh()
            self._wake.set()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(self._timing.sweep)
            self._contact.refresh(sweep=True)
            self._wake.set()

    async def _probe(self) -> None:
        while True:
            self._contact.found.clear()
            async with self._surviving("probe_failed"):
                await self._contact.probe()
            # What was known of a computing that was lost is out of date, so it is asked as soon as it answers again.
            pause = self._timing.most_back_off if self._contact.is_lost else self._timing.probe
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._contact.found.wait()

    async def _watch(self) -> None:
        """Follow what the computing tells by itself; a broken connection may have swallowed something."""
        if not isinstance(self._computing, Watches):
            return
        pause = self._timing.back_off
        while True:
            try:
                async for handle in self._computing.watch():
                    pause = self._timing.back_off
                    self._contact.doubt(handle)
                    self._wake.set()
            except ComputingUnreachableError as error:
                self._logger.info("watch_broken", error=error.sentence)
            except Exception:
                self._logger.exception("watch_failed")
            await asyncio.sleep(pause)
            pause = min(pause * 2, self._timing.most_back_off)
            self._contact.refresh()
            self._wake.set()
