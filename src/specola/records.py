"""Records of what is carried into tasks: counted where it is carried, reported to `web` every few seconds."""

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Any

from specola.clock import Clock
from specola.domain.connection import ConnectionKind
from specola.refusals import Refusals

__all__ = ["REPORT_SECONDS", "Record", "Records", "Tell"]

Tell = Callable[[str, list[dict[str, Any]]], Awaitable[bool]]
"""Posts a report to the internal socket; False: nobody took it, and it is to be sent again."""

REPORT_SECONDS = 10.0
RENEWAL_SECONDS = 300.0
"""How often an open connection is told of."""
LARGEST_REPORT = 1000
"""Lines of a kind in one report."""
MOST_WAITING = 10_000
"""Connections that have ended and are not told of yet; more are only counted."""
NEVER_TOLD = float("-inf")

log = logging.getLogger(__name__)


class Record:
    """One connection, or one visit, as its carrier counts it.

    Count with `record.received += n` (bytes from the visitor) and `record.sent += n` (to the visitor). Where bytes alone
    tell nothing (`by_bytes` is False), set `record.used = True` for what is a person's doing.
    """

    __slots__ = (
        "_records", "address", "began", "by_bytes", "counted_received", "counted_sent", "ended", "id", "interface", "kind",
        "person", "received", "refused", "sent", "task", "told", "used",
    )  # fmt: skip

    def __init__(
        self, records: "Records", *, kind: ConnectionKind, task: str, interface: str, person: str, address: str
    ) -> None:
        self._records = records
        self.id, self.began = records.stamp()
        self.kind = kind
        self.task = task
        self.interface = interface
        self.person = person
        self.address = address
        self.ended: datetime | None = None
        self.refused = ""
        self.received = 0
        self.sent = 0
        self.used = False
        self.by_bytes = kind.bytes_are_use
        """Whether any byte from the visitor is a use."""
        self.counted_received = 0
        self.counted_sent = 0
        self.told = NEVER_TOLD

    @property
    def worth_telling(self) -> bool:
        """Whether it is more than a visit of which nothing is left but the connections that it was upgraded to."""
        return self.kind is not ConnectionKind.HTTP or self.received > 0

    def end(self, *, at: datetime | None = None, refused: str = "") -> None:
        """Note that it is over; silent if it is already.

        Parameters
        ----------
        at
            When, if not now.
        refused
            `revoked` if it was closed because its right was taken back.
        """
        if self.ended is None:
            self.refused = refused
            self._records.end(self, at)

    def line(self) -> dict[str, Any]:
        """Return the line of a report."""
        return {
            "id": self.id,
            "kind": self.kind.value,
            "task": self.task,
            "interface": self.interface,
            "person": self.person,
            "address": self.address,
            "began": self.began.isoformat(),
            "ended": self.ended.isoformat() if self.ended else None,
            "received": self.received,
            "sent": self.sent,
            "refused": self.refused,
        }


class Carried:
    """What was carried for one person through one interface, and `web` does not know yet."""

    __slots__ = ("received", "sent", "used")

    def __init__(self) -> None:
        self.received = 0
        self.sent = 0
        self.used = False

    def add(self, received: int, sent: int, *, used: bool) -> None:
        """Add to it."""
        self.received += received
        self.sent += sent
        self.used = self.used or used


Key = tuple[str, str, str]
"""Task, interface, person."""


class Records:
    """All records of one process.

    Notes
    -----
    Nothing is done for each byte or request beyond adding to a record: every 10 s the differences are gathered, and
    told as traffic (by interface and person) and as connections (one by one). What ended within those seconds is told
    once. In memory are the open ones, those that ended and wait to be told (bounded), and refusals (bounded).
    """

    def __init__(self, *, clock: Clock, tell: Tell) -> None:
        self._clock = clock
        self._tell = tell
        self._open: set[Record] = set()
        self._ended: deque[Record] = deque()
        self._owed: dict[Key, Carried] = {}
        self._refusals = Refusals(clock=clock)
        self._lost = 0
        self._reporting = asyncio.Lock()

    def begin(self, *, kind: ConnectionKind, task: str, interface: str, person: str, address: str) -> Record:
        """Begin the record of a connection that was let in."""
        record = Record(self, kind=kind, task=task, interface=interface, person=person, address=address)
        self._open.add(record)
        return record

    def refuse(
        self, *, kind: ConnectionKind, task: str, interface: str, address: str, code: str, person: str = ""
    ) -> None:
        """Note that a visitor was refused who came with something to sign in with.

        Parameters
        ----------
        code
            Why: `sign_in`, `missing`, or another stable code.
        person
            Who, if that is known.
        """
        self._refusals.note(kind=kind, task=task, interface=interface, address=address, code=code, person=person)

    def note_use(self, task: str, interface: str = "", person: str = "") -> None:
        """Note a use that moved no bytes; without interface and person: the task computes by itself."""
        self._owe((task, interface, person)).used = True

    async def report(self) -> None:
        """Tell `web` what has happened since the last time; what it does not take is told again."""
        async with self._reporting:
            for record in self._open:
                self._count(record)
            await self._tell_traffic()
            await self._tell_connections()

    async def close(self) -> None:
        """End all that is open, and tell of it."""
        for record in tuple(self._open):
            record.end()
        await self.report()

    async def run(self) -> None:
        """Report until cancelled."""
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            await self.report()

    # -- for records

    def stamp(self) -> tuple[str, datetime]:
        """Return an id and the present moment."""
        return self._clock.new_id(16), self._clock.now()

    def end(self, record: Record, at: datetime | None) -> None:
        """Take a record whose connection is over."""
        record.ended = at or self._clock.now()
        self._count(record)
        self._open.discard(record)
        if not record.worth_telling:
            return
        self._ended.append(record)
        if len(self._ended) > MOST_WAITING:
            self._ended.popleft()
            self._lost += 1

    # -- reports

    def _owe(self, key: Key) -> Carried:
        owed = self._owed.get(key)
        if owed is None:
            owed = self._owed[key] = Carried()
        return owed

    def _count(self, record: Record) -> None:
        received, sent = record.received - record.counted_received, record.sent - record.counted_sent
        used = record.used or (received > 0 and record.by_bytes)
        if received or sent or used:
            self._owe((record.task, record.interface, record.person)).add(received, sent, used=used)
            record.counted_received, record.counted_sent = record.received, record.sent
            record.used = False

    async def _tell_traffic(self) -> None:
        told, self._owed = self._owed, {}
        entries = iter(told.items())
        while batch := list(itertools.islice(entries, LARGEST_REPORT)):
            if not await self._tell("/traffic", [traffic_line(key, carried) for key, carried in batch]):
                for key, carried in (*batch, *entries):
                    self._owe(key).add(carried.received, carried.sent, used=carried.used)

    async def _tell_connections(self) -> None:
        if self._lost:
            log.warning("%d connections ended while web was away, and are not on record", self._lost)
            self._lost = 0
        now = self._clock.monotonic()
        # Each has its own share, so that many that end do not keep the open ones from being told of.
        ended = tuple(itertools.islice(self._ended, LARGEST_REPORT))
        due = (one for one in self._open if now - one.told >= RENEWAL_SECONDS and one.worth_telling)
        begun = tuple(itertools.islice(due, LARGEST_REPORT))
        refused = self._refusals.due()
        lines = [one.line() for one in (*ended, *begun)] + [one.line() for one in refused]
        if not lines:
            return
        if not await self._tell("/connections", lines):
            self._refusals.again(refused)
            return
        for record in begun:
            record.told = now
        self._forget(ended)

    def _forget(self, ended: Iterable[Record]) -> None:
        gone = set(ended)
        while self._ended and self._ended[0] in gone:
            self._ended.popleft()


def traffic_line(key: Key, carried: Carried) -> dict[str, Any]:
    """Return the line of a report of traffic."""
    task, interface, person = key
    return {
        "task": task,
        "interface": interface,
        "person": person,
        "received": carried.received,
        "sent": carried.sent,
        "used": carried.used,
    }
