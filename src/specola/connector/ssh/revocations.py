"""Follows what `web` takes back, and closes what is open on it."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from specola.clock import Clock
from specola.connector.following import follow
from specola.connector.ssh.live import Live

__all__ = ["Revocations"]

LIVE_WITHOUT_WEB = 300.0
"""Seconds that open channels outlive the last word from `web`."""
RENEWAL = 300.0
"""Seconds after which the right to each open channel is asked for again, revoked or not."""


class Revocations:
    """One stream for all that is open at the front door."""

    def __init__(self, socket: Path, live: Live, *, clock: Clock) -> None:
        self._socket = socket
        self._live = live
        self._clock = clock
        self._last: int | None = None
        self._heard = clock.monotonic()
        self._renewed = clock.monotonic()
        self._asking: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Follow until cancelled."""
        await follow(self._socket, "/revocations", begin=self._begin, take=self._take, lost=lambda _: self.lost())

    def note(self, line: Mapping[str, Any]) -> None:
        """Act on one line of the stream."""
        sequence = int(line["sequence"])
        missed = self._last is None or sequence < self._last or ("beat" in line and sequence > self._last)
        self._last, self._heard = sequence, self._clock.monotonic()
        if missed or "gap" in line or self._heard - self._renewed > RENEWAL:
            self._renewed = self._heard
            self._renew(None)
        if "mark" in line:
            self._live.revoke(str(line["mark"]))
        elif "changed" in line:
            self._renew(str(line["changed"]))

    def lost(self) -> None:
        """Act on a stream that cannot be had: what is open may go on for some minutes."""
        if self._clock.monotonic() - self._heard > LIVE_WITHOUT_WEB:
            self._live.close_all("The platform cannot be asked whether you still may.")

    def _begin(self) -> Mapping[str, int]:
        return {} if self._last is None else {"after": self._last}

    async def _take(self, line: Mapping[str, Any]) -> None:
        self.note(line)

    def _renew(self, mark: str | None) -> None:
        task = asyncio.create_task(self._live.renew(mark))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)
