"""Follows what `web` takes back, and closes what is open on it."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import structlog

from specola.clock import Clock
from specola.connector.ssh.live import Live
from specola.local_http import over_socket

__all__ = ["Revocations"]

SILENCE = httpx.Timeout(5.0, read=25.0)
PAUSE = 0.5
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
        self._logger = structlog.stdlib.get_logger("specola.connector")

    async def run(self) -> None:
        """Follow until cancelled, connecting again wherever the stream breaks."""
        transport = over_socket(self._socket)
        async with httpx.AsyncClient(transport=transport, base_url="http://internal", timeout=SILENCE) as client:
            while True:
                try:
                    await self._follow(client)
                except (httpx.HTTPError, OSError):
                    self.lost()
                except (ValueError, KeyError, TypeError):
                    self._logger.exception("revocations_not_understood")
                await asyncio.sleep(PAUSE)

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

    async def _follow(self, client: httpx.AsyncClient) -> None:
        after = {} if self._last is None else {"after": self._last}
        async with client.stream("GET", "/revocations", params=after) as answer:
            answer.raise_for_status()
            async for line in answer.aiter_lines():
                if line:
                    self.note(json.loads(line))

    def _renew(self, mark: str | None) -> None:
        task = asyncio.create_task(self._live.renew(mark))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)
