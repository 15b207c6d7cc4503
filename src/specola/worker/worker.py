"""The worker: one loop for each computing whose lease it holds."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import structlog

from specola.clock import Clock
from specola.domain.computing import Computing as ComputingRecord
from specola.ports.computing import Computing
from specola.secrets import Sealer
from specola.services.sealed import whole_settings
from specola.storage.logs import LogArchive
from specola.storage.store import Store, Topic
from specola.worker.beside import Beside
from specola.worker.convergence import Convergence
from specola.worker.record import LeaseLostError, Record
from specola.worker.timing import Timing

__all__ = ["Opener", "Worker"]

Opener = Callable[[ComputingRecord], Computing]
"""Opens a computing from its record, with all settings in it."""

FEED_PAUSE = 1.0


class Worker:
    """Shares the computings with other workers by leases, and converges those it got.

    Parameters
    ----------
    store, sealer, archive
        The database, what opens credentials kept in it, and where logs of ended tasks go.
    opener
        Opens a computing from its record.
    beside
        The connector.
    holder
        This worker's name on leases. A worker that comes after one that was killed takes over at once if it bears
        the same name, so the name has to be this process's alone while it lives.
    """

    def __init__(  # noqa: PLR0913 - a bill of materials
        self,
        *,
        store: Store,
        sealer: Sealer,
        archive: LogArchive,
        opener: Opener,
        beside: Beside,
        holder: str,
        clock: Clock,
        timing: Timing | None = None,
    ) -> None:
        self._store = store
        self._sealer = sealer
        self._archive = archive
        self._opener = opener
        self._beside = beside
        self._holder = holder
        self._clock = clock
        self._timing = timing or Timing()
        self._loops: dict[str, tuple[ComputingRecord, asyncio.Task[None]]] = {}
        self._converging: dict[str, Convergence] = {}
        self._logger = structlog.get_logger("specola.worker")

    async def run(self) -> None:
        """Work until cancelled; leases are given back in the end."""
        async with asyncio.TaskGroup() as group:
            while True:
                try:
                    # Followed from what was read, so that nothing falls between the two.
                    async for changes in self._store.changes(after=await self._match(group)):
                        topics = {change.topic for change in changes}
                        if topics & {Topic.COMPUTING, Topic.GAP}:
                            await self._match(group)
                        if topics & {Topic.COMPUTING, Topic.GAP, Topic.TASK}:
                            self._wake()
                except Exception:
                    self._logger.exception("feed_failed")
                await asyncio.sleep(FEED_PAUSE)

    def _wake(self) -> None:
        for convergence in self._converging.values():
            convergence.wake()

    async def _match(self, group: asyncio.TaskGroup) -> int:
        """Have a loop for each computing there is, opened with the settings it has now; return the last change."""
        async with self._store.read() as transaction:
            newest = await transaction.changes.newest()
            sealed = await transaction.computings.sealed()
            records = {record.name: record for record in await transaction.computings.all()}
        for name, (before, loop) in list(self._loops.items()):
            record = records.get(name)
            # By its id as well: one that was removed and added again under its name is another one.
            if record is None or (record.id, record.revision) != (before.id, before.revision):
                loop.cancel()
                del self._loops[name]
        for name, record in records.items():
            if name not in self._loops:
                whole = replace(record, settings=whole_settings(self._sealer, record, sealed.get(name)))
                self._loops[name] = (record, group.create_task(self._tend(whole), name=f"computing {name}"))
        return newest

    async def _tend(self, computing: ComputingRecord) -> None:
        """Take a computing's lease whenever it is free, and converge while it is ours."""
        record = Record(
            store=self._store,
            sealer=self._sealer,
            clock=self._clock,
            computing=computing.name,
            holder=self._holder,
            timing=self._timing,
        )
        log = self._logger.bind(computing=computing.name)
        while True:
            try:
                if await record.hold():
                    log.info("lease_taken", holder=self._holder)
                    await self._converge(computing, record)
            except LeaseLostError:
                log.warning("lease_lost", holder=self._holder)
            except Exception:
                log.exception("convergence_failed")
            await asyncio.sleep(self._timing.most_back_off)

    async def _converge(self, computing: ComputingRecord, record: Record) -> None:
        async with self._opened(computing) as place:
            convergence = Convergence(
                computing=place,
                record=record,
                archive=self._archive,
                beside=self._beside,
                clock=self._clock,
                timing=self._timing,
            )
            self._converging[computing.name] = convergence
            try:
                await convergence.run()
            except asyncio.CancelledError:
                await record.release()
                raise
            finally:
                # Another loop may have begun for it while this one was being ended.
                if self._converging.get(computing.name) is convergence:
                    del self._converging[computing.name]

    @asynccontextmanager
    async def _opened(self, computing: ComputingRecord) -> AsyncIterator[Computing]:
        place = self._opener(computing)
        try:
            yield place
        finally:
            await place.close()
