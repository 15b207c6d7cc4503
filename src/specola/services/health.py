"""Health: whether every part of the platform is up."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from specola.clock import Clock
from specola.domain.budget import Budget
from specola.domain.errors import SpecolaError
from specola.ports.connector import Connector
from specola.storage.store import Store

__all__ = ["Health", "Part"]

SECONDS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of the platform: whether it is up, and if not, what is the matter."""

    name: str
    up: bool
    sentence: str = ""


class Health:
    """Looks at the parts that the platform needs to start and to serve tasks."""

    def __init__(self, *, store: Store, clock: Clock, connector: Connector) -> None:
        self._store = store
        self._clock = clock
        self._connector = connector

    async def parts(self) -> tuple[Part, ...]:
        """Look at all parts at the same time, each within 3 s.

        Returns
        -------
        tuple[Part, ...]
            `database`, `worker` and `connector`, in this order.
        """
        looks = (("database", self._database), ("worker", self._worker), ("connector", self._connector.health))
        return tuple(await asyncio.gather(*(self._look(name, look) for name, look in looks)))

    async def _look(self, name: str, look: Callable[[], Awaitable[str | None]]) -> Part:
        budget = Budget(SECONDS, f"Asking the {name}", monotonic=self._clock.monotonic)
        try:
            async with budget.spend():
                trouble = await look()
        except SpecolaError as error:
            trouble = error.sentence
        return Part(name=name, up=not trouble, sentence=trouble or "")

    async def _database(self) -> None:
        async with self._store.read() as tx:
            await tx.computings.leases()

    async def _worker(self) -> str | None:
        async with self._store.read() as tx:
            leases = await tx.computings.leases()
        now = self._clock.now()
        if any(until > now for until in leases.values()):
            return None
        return "No worker looks after a computing at the moment."
