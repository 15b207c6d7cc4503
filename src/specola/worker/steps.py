"""The steps of convergence carried out on a computing; each may be repeated, and given up at any await."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog

from specola.clock import Clock
from specola.domain.computing import Handle, Observation, Phase
from specola.domain.errors import (
    ComputingUnreachableError,
    DatabaseUnavailableError,
    LaunchError,
    MissingError,
    SpecolaError,
)
from specola.domain.software import Interface
from specola.domain.task import Desired, Endpoint, Reason, Task, TaskId
from specola.ports.computing import Computing, HasLogs
from specola.storage.logs import LogArchive
from specola.worker.beside import Beside
from specola.worker.decisions import answered, cleaned, failed, placed, settled, stream_of
from specola.worker.progress import LaunchProgress
from specola.worker.readiness import answers
from specola.worker.record import LeaseLostError, Record
from specola.worker.timing import Timing
from specola.worker.verdicts import Step, Verdict

__all__ = ["Steps"]

LAUNCHES = 8
ENDINGS = 16
TRIES = 64
# So many of them one task may hold: a connection that is accepted and never answered holds one for seconds.
TRIES_OF_ONE = 2
# Each so many tries of an address, the connector's stream is tried once.
LAST_LINES = 20
LAST_LINES_PATIENCE = 1.0
TELLING_PATIENCE = 10.0

OUR_FAULT = Reason(
    code="internal",
    sentence="Something went wrong inside the platform while this was being started.",
    hint="Run it again; if it stays, tell an administrator, who finds the cause in the worker's log.",
)


class Steps:
    """Carries out steps. Many tasks at once, but bounded: an engine asked for a hundred starts does each slowly."""

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
        self._archive = archive
        self._beside = beside
        self._clock = clock
        self._timing = timing
        self._launches = asyncio.Semaphore(LAUNCHES)
        self._endings = asyncio.Semaphore(ENDINGS)
        self._tries = asyncio.Semaphore(TRIES)
        self._logger = structlog.get_logger("specola.worker").bind(computing=computing.name)
        self._table: Mapping[Step, Callable[[Task], Awaitable[None]]] = {
            Step.LAUNCH: self._launch,
            Step.FIND: self._find,
            Step.TRY: self._try,
            Step.STOP: self._stop,
            Step.SETTLE: self._settle,
            Step.CLEAN: self._clean,
            Step.ERASE: self._erase,
        }

    async def take(self, step: Step, task: Task) -> None:
        """Carry out one step for a task."""
        await self._table[step](task)

    async def tell(self, task: Task, text: str) -> None:
        """Have those who work in a task shown a line, if its computing can; pages show it in any case."""
        try:
            async with asyncio.timeout(TELLING_PATIENCE):
                await self._beside.tell(task.id, text)
        except (TimeoutError, SpecolaError) as error:
            self._logger.warning("text_untold", task=task.id, error=str(error))
        except Exception:
            self._logger.exception("text_untold", task=task.id)

    async def remove_orphan(self, handle: Handle) -> None:
        """Remove a container without a record, as an administrator asked."""
        async with self._endings:
            await self._computing.stop(handle, grace=self._timing.grace)
            await self._computing.remove(handle)

    async def _launch(self, task: Task) -> None:
        launch = await self._record.launch_of(task)
        progress = LaunchProgress(self._record, task.id, clock=self._clock, timing=self._timing)
        try:
            async with self._launches, progress.spend() as budget:
                handle = await self._computing.launch(launch, report=progress.report, budget=budget)
        except (ComputingUnreachableError, DatabaseUnavailableError, LeaseLostError, MissingError):
            raise
        except SpecolaError as error:
            code = error.reason_code if isinstance(error, LaunchError) else error.code
            await self._give_up(task, Reason(code=code, sentence=error.sentence, hint=error.hint), progress)
            return
        except Exception:
            # A fault of ours must not be repeated for ever against somebody's engine.
            self._logger.exception("launch_failed", task=task.id)
            await self._give_up(task, OUR_FAULT, progress)
            return
        # Nothing stands between the answer and this line: from here on the container can be found by the record.
        await self._record.change(
            task.id, lambda now: placed(now, handle, at=self._clock.now()), progress=progress.take()
        )

    async def _give_up(self, task: Task, reason: Reason, progress: LaunchProgress) -> None:
        """End a task that cannot start, and look for what the attempt may have left."""
        await self._record.change(
            task.id, lambda now: failed(now, reason, at=self._clock.now()), progress=progress.take()
        )
        await self._find(task)

    async def _find(self, task: Task) -> None:
        found = (await self._computing.discover()).get(task.id)
        if found is not None and not task.may_be(found):
            found = None

        def judge(now: Task) -> Verdict:
            if found is not None:
                return placed(now, found, at=self._clock.now())
            if not now.is_live:
                return Verdict(task=now)
            return settled(now, Observation.forgotten(), at=self._clock.now())

        await self._record.change(task.id, judge)

    async def _try(self, task: Task) -> None:
        own = asyncio.Semaphore(TRIES_OF_ONE)
        async with asyncio.TaskGroup() as group:
            for state in task.interfaces:
                interface = task.release.interface(state.name)
                if interface is not None and state.endpoint is not None and not state.ready:
                    group.create_task(self._until_answering(task, interface, state.endpoint, own))

    async def _until_answering(
        self, task: Task, interface: Interface, endpoint: Endpoint, own: asyncio.Semaphore
    ) -> None:
        began, pause = self._clock.monotonic(), self._timing.first_try
        way = endpoint
        while True:
            async with own:
                if await self._answers(interface, way):
                    break
                if self._clock.monotonic() - began >= self._timing.relay:
                    way = await self._relayed(task, interface, endpoint)
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, self._timing.last_try)
        await self._record.change(
            task.id, lambda now: answered(now, interface.name, at=self._clock.now(), endpoint=way)
        )

    async def _relayed(self, task: Task, interface: Interface, endpoint: Endpoint) -> Endpoint:
        """Return the connector's stream if the interface answers there alone, else its own address.

        A server that listens on the container's own loopback refuses its address. Any other answers by the connector
        too, so its address is asked once more before it is given up: it may have come to answer meanwhile.
        """
        stream = stream_of(task, interface, self._beside.streams)
        if await self._answers(interface, stream) and not await self._answers(interface, endpoint):
            return stream
        return endpoint

    async def _answers(self, interface: Interface, endpoint: Endpoint) -> bool:
        async with self._tries:
            return await answers(interface, endpoint)

    async def _stop(self, task: Task) -> None:
        if task.handle is None:
            return
        async with self._endings:
            await self._computing.stop(task.handle, grace=self._timing.grace)

    async def _settle(self, task: Task) -> None:
        if task.handle is None:
            return
        seen = (await self._computing.observe([task.handle]))[task.handle]
        if seen.phase not in {Phase.ENDED, Phase.FORGOTTEN}:
            return
        log = await self._last_lines(task.handle)
        await self._record.change(
            task.id,
            lambda now: settled(now, seen, at=self._clock.now(), log=log) if now.is_live else Verdict(task=now),
        )

    async def _last_lines(self, handle: Handle) -> list[str]:
        """Read the end of a log if that is quick: how a task ended must be known at once, what it wrote may wait."""
        lines: list[str] = []
        if isinstance(self._computing, HasLogs):
            try:
                async with asyncio.timeout(LAST_LINES_PATIENCE):
                    lines.extend([line.text async for line in self._computing.logs(handle, tail=LAST_LINES)])
            except (TimeoutError, SpecolaError) as error:
                self._logger.warning("last_lines_unread", handle=handle, error=str(error))
        return lines

    async def _clean(self, task: Task) -> None:
        """Keep the log, then remove the container; in this order, so that a crash between the two loses nothing.

        While the archive is full the container stays, with its log in it. A task that is to be deleted needs no log.
        """
        handle = task.handle
        if handle is None:
            return
        async with self._endings:
            seen = (await self._computing.observe([handle]))[handle]
            if seen.phase is not Phase.FORGOTTEN:
                await self._computing.stop(handle, grace=self._timing.grace)
                if task.desired is not Desired.DELETED:
                    await self._keep_log(task.id, handle)
            # Also where somebody has removed the container by hand: its network and scratch may be left.
            await self._computing.remove(handle)
        await self._record.change(task.id, lambda now: cleaned(now) if now.handle == handle else Verdict(task=now))

    async def _keep_log(self, task: TaskId, handle: Handle) -> None:
        if not isinstance(self._computing, HasLogs):
            return
        try:
            await self._archive.keep(task, self._computing.logs(handle))
        except LaunchError as error:
            # Its computing answers, and has no log of it: so it will be the next time.
            self._logger.warning("log_unreadable", task=task, error=error.sentence)

    async def _erase(self, task: Task) -> None:
        await self._archive.forget(task.id)
        await self._record.erase(task.id)
