"""Refused visitors: told of in bounded number, however many there are."""

import ipaddress
import logging
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from specola.clock import Clock
from specola.domain.connection import ConnectionKind

__all__ = ["Refusal", "Refusals"]

WINDOW_SECONDS = 300.0
"""For how long the same refusal of the same visitor is one record."""
MOST_KEPT = 256
MOST_FROM_ONE_ADDRESS = 10
IPV6_NETWORK = 64
"""Whoever has one IPv6 address has the other 2^64 of its network too."""

log = logging.getLogger(__name__)

Key = tuple[ConnectionKind, str, str, str, str, str]


class Refusal:
    """One visitor, refused `times` times for the same reason at the same interface."""

    __slots__ = ("_key", "began", "changed", "id", "last", "network", "opened", "times")

    def __init__(self, key: Key, *, id: str, at: datetime, opened: float, network: str) -> None:  # noqa: A002 - the field's name
        self._key = key
        self.id = id
        self.began = self.last = at
        self.opened = opened
        self.network = network
        self.times = 0
        self.changed = False

    def line(self) -> dict[str, Any]:
        """Return the line of a report."""
        kind, task, interface, person, address, code = self._key
        return {
            "id": self.id,
            "kind": kind.value,
            "task": task,
            "interface": interface,
            "person": person,
            "address": address,
            "began": self.began.isoformat(),
            "ended": self.last.isoformat(),
            "received": 0,
            "sent": 0,
            "refused": code,
            "times": self.times,
        }


class Refusals:
    """The refusals of the last minutes: at most 10 different ones from one address, at most 256 in all."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[Key, Refusal] = {}
        self._by_network: Counter[str] = Counter()
        self._uncounted = 0

    def note(self, *, kind: ConnectionKind, task: str, interface: str, person: str, address: str, code: str) -> None:
        """Note that a visitor was refused; what passes the bounds is counted, and no more."""
        key = (kind, task, interface, person, address, code)
        refusal = self._kept.get(key)
        if refusal is None:
            network = network_of(address)
            if len(self._kept) >= MOST_KEPT or self._by_network[network] >= MOST_FROM_ONE_ADDRESS:
                self._uncounted += 1
                return
            now = self._clock.now()
            made = Refusal(key, id=self._clock.new_id(16), at=now, opened=self._clock.monotonic(), network=network)
            refusal = self._kept[key] = made
            self._by_network[network] += 1
        refusal.times += 1
        refusal.last = self._clock.now()
        refusal.changed = True

    def due(self) -> Sequence[Refusal]:
        """Return those that are new, or happened again, since they were last returned; forget those that are over."""
        if self._uncounted:
            log.warning("%d refused visitors are not on record, since there were too many", self._uncounted)
            self._uncounted = 0
        due = [one for one in self._kept.values() if one.changed]
        for refusal in due:
            refusal.changed = False
        now = self._clock.monotonic()
        for key, refusal in tuple(self._kept.items()):
            if now - refusal.opened >= WINDOW_SECONDS:
                del self._kept[key]
                self._by_network[refusal.network] -= 1
        self._by_network = +self._by_network
        return due

    def again(self, refusals: Sequence[Refusal]) -> None:
        """Take back what could not be told; one whose time is over is not told of any more."""
        for refusal in refusals:
            refusal.changed = True


def network_of(address: str) -> str:
    """Return what stands for one visitor's addresses."""
    try:
        read = ipaddress.ip_address(address)
    except ValueError:
        return address
    if read.version == 4:
        return address
    return str(ipaddress.ip_network((read, IPV6_NETWORK), strict=False))
