"""Connections: the record of who reached a task, written by what gateways and connectors report."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from specola.clock import Clock
from specola.domain.connection import Connection
from specola.domain.errors import InvalidError
from specola.domain.person import Actor
from specola.secrets import Sealer
from specola.services import cursors
from specola.services.rights import visible_task
from specola.storage.store import Store

__all__ = ["Connections", "ConnectionsPage"]

KEPT = timedelta(days=90)
MOST_CARRIED = 1000
MOST_REFUSED = 200
MOST_ON_A_PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionsPage:
    """One page of a task's connections; `cursor` asks for the next, None: there is none."""

    connections: Sequence[Connection]
    cursor: str | None


class Connections:
    """The record of each task's connections: for 90 days, at most 1000 that were let in and 200 that were refused."""

    def __init__(self, *, store: Store, clock: Clock, sealer: Sealer) -> None:
        self._store = store
        self._clock = clock
        self._sealer = sealer

    async def note(self, reports: Sequence[Connection]) -> None:
        """Write down what was reported; what is too old, or too much for one task, goes.

        Parameters
        ----------
        reports
            The same connection may be reported again and again: when it begins, while it is open, at its end. Those of
            tasks without a record are passed over.
        """
        if not reports:
            return
        async with self._store.write() as tx:
            grown = await tx.connections.note(reports)
            if grown:
                await tx.connections.forget(before=self._clock.now() - KEPT)
                await tx.connections.forget_beyond(grown, carried=MOST_CARRIED, refused=MOST_REFUSED)

    async def list(self, actor: Actor, name: str, *, cursor: str | None = None, most: int = 50) -> ConnectionsPage:
        """Return a task's connections, the latest first.

        Parameters
        ----------
        name
            The task's id or name.
        cursor
            What the page before gave.
        most
            How many on a page, 1 to 500.

        Raises
        ------
        MissingError
            There is no such task, or it is another's.
        InvalidError
            The cursor is none of this list, or `most` is out of range.
        """
        if not 1 <= most <= MOST_ON_A_PAGE:
            raise InvalidError(f"A page has 1 to {MOST_ON_A_PAGE} connections.", hint="Ask for 50.", field="limit")
        async with self._store.read() as tx:
            task = await visible_task(tx, actor, name)
            which = f"connections of {task.id}"
            before = None if cursor is None else cursors.read(cursor, sealer=self._sealer, of=which)
            found = await tx.connections.of(task.id, before=before, most=most + 1)
        shown = found[:most]
        if len(found) <= most:
            return ConnectionsPage(connections=shown, cursor=None)
        last = shown[-1]
        return ConnectionsPage(
            connections=shown, cursor=cursors.write(last.began, last.id, sealer=self._sealer, of=which)
        )
