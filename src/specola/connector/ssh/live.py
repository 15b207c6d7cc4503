"""What is open at the front door, by the marks under which it can be taken back."""

import asyncio
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from specola.connector.ssh.asking import Admitted, Asking, Entered
from specola.domain.connection import ConnectionKind
from specola.domain.errors import SpecolaError, WebUnreachableError
from specola.records import Record, Records

__all__ = ["TAKEN_BACK", "Live", "Open"]

TAKEN_BACK = "Your right to this was taken back."
ENDED = "The task is ending, or your right to it was taken back."
KINDS = {"forward": ConnectionKind.FORWARD, "sftp": ConnectionKind.SFTP}
"""As what a channel is on record; all others are SSH."""


@dataclass(eq=False, slots=True, kw_only=True)
class Open:
    """A connection or a channel: how it is closed, and what it stands on.

    `close` takes the sentence that the visitor is told. A connection has no task, and so no `record`.
    """

    kind: str
    by: str
    marks: frozenset[str]
    person: str
    address: str
    close: Callable[[str], None]
    task: str = ""
    interface: str = ""
    record: Record | None = None
    refused: str = ""

    def received(self, size: int) -> None:
        """Count bytes from the visitor."""
        if self.record is not None:
            self.record.received += size

    def sent(self, size: int) -> None:
        """Count bytes to the visitor."""
        if self.record is not None:
            self.record.sent += size


class Live:
    """Everything that is open. Every channel begins and ends here, so it is here that connections go on record."""

    def __init__(self, asking: Asking, records: Records) -> None:
        self._asking = asking
        self._records = records
        self._open: set[Open] = set()
        self._watching: list[set[str]] = []
        self._logger = structlog.stdlib.get_logger("specola.connector")

    @property
    def open(self) -> Collection[Open]:
        """What is open now."""
        return tuple(self._open)

    async def enter(self, admitted: Admitted, task: str) -> Entered:
        """Ask for the right to a task; who gets it has to `begin` before anything else is awaited.

        What is taken back at the same time is not missed: 1. a right is asked for, and given; 2. it is taken back,
        before the answer is here; 3. the answer arrives, and is asked for again, since one of its marks was among
        those of step 2.
        """
        while True:
            with self._watched() as taken_back:
                entered = await self._asking.enter(admitted.by, task)
            if taken_back.isdisjoint(entered.marks):
                return entered

    async def admit(self, comer: dict[str, object]) -> Admitted:
        """Ask who comes, as carefully as `enter` does."""
        while True:
            with self._watched() as taken_back:
                admitted = await self._asking.admit(comer)
            if taken_back.isdisjoint(admitted.marks):
                return admitted

    def begin(self, opened: Open) -> None:
        """Take note of something that has been opened."""
        self._open.add(opened)
        if opened.task:
            opened.record = self._records.begin(
                kind=KINDS.get(opened.kind, ConnectionKind.SSH),
                task=opened.task,
                interface=opened.interface,
                person=opened.person,
                address=opened.address,
            )
        self._logger.info(
            "ssh_opened",
            kind=opened.kind,
            task=opened.task,
            interface=opened.interface,
            person=opened.person,
            address=opened.address,
        )

    def end(self, opened: Open) -> None:
        """Take note that something has ended; silent if that is known."""
        if opened in self._open:
            self._open.discard(opened)
            if opened.record is not None:
                opened.record.end(refused=opened.refused)
            self._logger.info("ssh_ended", kind=opened.kind, task=opened.task, person=opened.person)

    def refuse(self, *, kind: str, task: str, address: str, person: str, error: SpecolaError) -> None:
        """Take note that somebody was refused."""
        self._records.refuse(
            kind=KINDS.get(kind, ConnectionKind.SSH),
            task=task,
            interface="",
            person=person,
            address=address,
            code=error.code,
        )
        self._logger.info("ssh_refused", kind=kind, task=task, address=address, code=error.code)

    def revoke(self, mark: str) -> None:
        """Close all that stands on a mark."""
        self._touch(mark)
        for opened in [one for one in self._open if mark in one.marks]:
            if mark.startswith("task:"):
                opened.close(ENDED)
            else:
                opened.refused = "revoked"
                opened.close(TAKEN_BACK)

    async def renew(self, mark: str | None = None) -> None:
        """Ask again for all open channels that stand on a mark, None: for all; close those that may not go on."""
        if mark is not None:
            self._touch(mark)
        asked: dict[tuple[str, str], list[Open]] = {}
        for opened in self._open:
            if opened.task and (mark is None or mark in opened.marks):
                asked.setdefault((opened.by, opened.task), []).append(opened)
        await asyncio.gather(*(self._renew(by, task, channels) for (by, task), channels in asked.items()))

    def close_all(self, sentence: str) -> None:
        """Close everything."""
        for opened in list(self._open):
            opened.close(sentence)

    async def _renew(self, by: str, task: str, channels: list[Open]) -> None:
        try:
            _ = await self._asking.enter(by, task, live=True)
        except WebUnreachableError:
            return  # nothing was learned; what has been heard of for too long is closed elsewhere
        except SpecolaError as error:
            for opened in channels:
                opened.refused = "revoked"
                opened.close(error.sentence)

    def _touch(self, mark: str) -> None:
        for seen in self._watching:
            seen.add(mark)

    @contextmanager
    def _watched(self) -> Iterator[set[str]]:
        seen: set[str] = set()
        self._watching.append(seen)
        try:
            yield seen
        finally:
            self._watching.remove(seen)
