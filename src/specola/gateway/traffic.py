"""Counts the bytes carried for each interface and person, and reports them: how the platform knows what is in use."""

import logging
from typing import Any

from specola.gateway.asking import Internal, InternalError

__all__ = ["Meter", "Traffic"]

log = logging.getLogger(__name__)

REPORT_LIMIT = 1000
"""Entries in one report."""


class Meter:
    """What one person has carried through one interface since the last report; bytes as tasks see them."""

    __slots__ = ("holders", "interface", "person", "received", "sent", "task", "used")

    def __init__(self, task: str, interface: str, person: str) -> None:
        self.task = task
        self.interface = interface
        self.person = person
        self.received = 0
        self.sent = 0
        self.used = False
        self.holders = 0
        """Connections that count here."""

    @property
    def moved(self) -> bool:
        """Whether there is something to report."""
        return bool(self.received or self.sent or self.used)

    def entry(self) -> dict[str, Any]:
        """Return the line of a report."""
        return {
            "task": self.task,
            "interface": self.interface,
            "person": self.person,
            "received": self.received,
            "sent": self.sent,
            "used": self.used,
        }


class Traffic:
    """All meters of this process."""

    def __init__(self, internal: Internal) -> None:
        self._internal = internal
        self._meters: dict[tuple[str, str, str], Meter] = {}

    def meter(self, task: str, interface: str, person: str) -> Meter:
        """Return the one meter of a person at an interface; who keeps it counts as a holder."""
        key = (task, interface, person)
        meter = self._meters.get(key)
        if meter is None:
            meter = self._meters[key] = Meter(*key)
        return meter

    async def report(self) -> None:
        """Tell `web` what has been carried. What it did not take is told the next time."""
        moved = [meter for meter in self._meters.values() if meter.moved]
        for start in range(0, len(moved), REPORT_LIMIT):
            await self._tell(moved[start : start + REPORT_LIMIT])
        for key, meter in tuple(self._meters.items()):
            if not meter.holders and not meter.moved:
                del self._meters[key]

    async def _tell(self, meters: list[Meter]) -> None:
        entries = [meter.entry() for meter in meters]
        for meter in meters:
            meter.used = False
        if not await self._taken(entries):
            for meter, entry in zip(meters, entries, strict=True):
                meter.used = meter.used or entry["used"]
            return
        # Bytes may have been carried while web answered, so what was told is subtracted.
        for meter, entry in zip(meters, entries, strict=True):
            meter.received -= entry["received"]
            meter.sent -= entry["sent"]

    async def _taken(self, entries: list[dict[str, Any]]) -> bool:
        try:
            status, _ = await self._internal.post("/traffic", entries)
        except InternalError as error:
            log.debug("traffic is reported later: %s", error)
            return False
        if 400 <= status < 500:
            log.error("web refused a report of traffic with status %s; it is dropped", status)
        return status < 500
