"""Use: whether a task is in use, from what gateways counted and connectors measured."""

import asyncio
from collections.abc import Sequence

from specola.clock import Clock
from specola.domain.computing import Usage
from specola.domain.errors import SpecolaError
from specola.domain.person import Actor
from specola.domain.task import Task
from specola.domain.use import Use, use_of
from specola.ports.connector import Connector
from specola.services.rights import visible_task
from specola.storage.store import Store

__all__ = ["Uses"]

PATIENCE_SECONDS = 2.0


class Uses:
    """Judges tasks; `docs/user/use.md` has the rule."""

    def __init__(self, *, store: Store, clock: Clock, connector: Connector) -> None:
        self._store = store
        self._clock = clock
        self._connector = connector

    async def of(self, actor: Actor, name: str, *, usage: Sequence[Usage] | None = None) -> Use:
        """Return whether a task is in use, and why.

        Parameters
        ----------
        name
            The task's id or name.
        usage
            Measurements that the caller has already; None: the connector is asked, for 2 s at most.

        Raises
        ------
        MissingError
            There is no such task, or it is another's.

        Notes
        -----
        Where the connector cannot be asked, what it told before counts.
        """
        async with self._store.read() as tx:
            task = await visible_task(tx, actor, name)
            carried = await tx.access.carried(task.id)
        measured = await self._measured(task) if usage is None else usage
        return use_of(task, carried, measured, now=self._clock.now())

    async def _measured(self, task: Task) -> Sequence[Usage]:
        if not task.is_live or task.handle is None:
            return ()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return (await self._connector.usage([task.id])).get(task.id, ())
        except (SpecolaError, TimeoutError):
            return ()
