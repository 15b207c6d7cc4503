"""Offers: what each computing takes of a start, and how long one like it would wait there."""

from specola.config import Limits
from specola.domain.computing import Computing
from specola.domain.person import Actor
from specola.domain.software import Resources
from specola.domain.waits import Expected, expected
from specola.services.computings import Computings
from specola.services.offered import Offered, offered
from specola.storage.store import Store, Transaction

__all__ = ["Offers", "expected_wait"]


class Offers:
    """What start forms and programs ask before they ask for a task."""

    def __init__(self, *, store: Store, computings: Computings, limits: Limits) -> None:
        self._store = store
        self._computings = computings
        self._limits = limits

    async def of(self, actor: Actor, name: str, *, partition: str | None = None) -> Offered:
        """Return what a computing takes of a start, in one of its partitions.

        Parameters
        ----------
        partition
            None, or one that it does not have: its usual one.

        Raises
        ------
        MissingError
            There is no such computing, or the actor may not use it.
        """
        return offered(await self._computings.get(actor, name), limits=self._limits, partition=partition)

    async def wait(
        self, actor: Actor, name: str, *, resources: Resources, partition: str | None = None
    ) -> Expected | None:
        """Return how long earlier tasks like this one waited there.

        Parameters
        ----------
        resources
            How big it would be.
        partition
            None: the computing's usual one.

        Returns
        -------
        Expected | None
            None: nothing queues there, or too few have been started to say.

        Raises
        ------
        MissingError
            There is no such computing, or the actor may not use it.
        """
        computing = await self._computings.get(actor, name)
        async with self._store.read() as tx:
            return await expected_wait(tx, computing, partition=partition, resources=resources, limits=self._limits)


async def expected_wait(
    tx: Transaction, computing: Computing, *, partition: str | None, resources: Resources, limits: Limits
) -> Expected | None:
    """Return how long tasks like one waited on a computing that has a queue; None: that says nothing."""
    if not offered(computing, limits=limits).queues:
        return None
    return expected(await tx.tasks.waits(computing.name), partition=partition, resources=resources)
