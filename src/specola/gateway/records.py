"""Records of a gateway: visits, by which HTTP is on record, and how `web` is told."""

import logging
from typing import Any

from specola.clock import Clock
from specola.domain.connection import ConnectionKind
from specola.gateway.asking import Internal, InternalError
from specola.records import Record, Records

__all__ = ["Visits", "records_of"]

AWAY_SECONDS = 60.0
"""How long after its last connection closed a visit goes on when the visitor comes back: browsers close what is idle."""

log = logging.getLogger(__name__)

Key = tuple[str, str, str, str]
"""Task, interface, person, address."""


def records_of(internal: Internal, *, clock: Clock) -> Records:
    """Make the records of a gateway, told to its `web`."""

    async def tell(path: str, lines: list[dict[str, Any]]) -> bool:
        try:
            status, _ = await internal.post(path, lines)
        except InternalError as error:
            log.debug("%s is reported later: %s", path, error)
            return False
        if 400 <= status < 500:
            log.error("web refused a report to %s with status %s; it is dropped", path, status)
        return status < 500

    return Records(clock=clock, tell=tell)


class Visit:
    """The connections that count as one, and since when there are none."""

    __slots__ = ("holders", "left", "left_at", "record")

    def __init__(self, record: Record) -> None:
        self.record = record
        self.holders = 0
        self.left = 0.0
        self.left_at = record.began


class Visits:
    """HTTP on record: all requests of one person at one interface from one address are one visit.

    It begins with the first request and ends a minute after the last of its connections has closed, which is then noted
    as its end. A connection that waits for an endless answer keeps it open, as it is.
    """

    def __init__(self, records: Records, *, clock: Clock) -> None:
        self._records = records
        self._clock = clock
        self._visits: dict[Key, Visit] = {}

    def join(self, task: str, interface: str, person: str, address: str) -> Record:
        """Let a connection count for a visit, a fresh one if there is none."""
        key = (task, interface, person, address)
        visit = self._visits.get(key)
        if visit is None:
            visit = self._visits[key] = Visit(
                self._records.begin(
                    kind=ConnectionKind.HTTP, task=task, interface=interface, person=person, address=address
                )
            )
        visit.holders += 1
        return visit.record

    def leave(self, record: Record) -> None:
        """Let a connection count no longer."""
        visit = self._visits.get((record.task, record.interface, record.person, record.address))
        if visit is None or visit.record is not record:
            return
        visit.holders -= 1
        if not visit.holders:
            visit.left = self._clock.monotonic()
            visit.left_at = self._clock.now()

    def beside(self, visit: Record, kind: ConnectionKind) -> Record:
        """Begin the record of a connection that a visit was upgraded to."""
        return self._records.begin(
            kind=kind, task=visit.task, interface=visit.interface, person=visit.person, address=visit.address
        )

    def sweep(self, *, away: float = AWAY_SECONDS) -> None:
        """End the visits whose visitors have been away for so many seconds."""
        now = self._clock.monotonic()
        for key, visit in tuple(self._visits.items()):
            if not visit.holders and now - visit.left >= away:
                visit.record.end(at=visit.left_at)
                del self._visits[key]
