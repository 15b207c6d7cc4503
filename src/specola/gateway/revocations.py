"""Follows the numbered stream of what has been taken back, and closes what stands on it."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from specola.clock import Clock
from specola.gateway.asking import Internal, InternalError
from specola.gateway.decisions import Decisions

__all__ = ["Revocations"]

SILENCE = 25.0
"""Seconds without a line, beats included, after which the stream counts as lost."""
PAUSE = 0.5
LIVE_WITHOUT_WEB = 300.0
"""Seconds that open connections outlive the last word from `web`."""
RENEWAL = 300.0
"""Seconds after which the right to an open connection is asked for again, revoked or not."""

log = logging.getLogger(__name__)


class Revocations:
    """One stream for all connections of this process."""

    def __init__(self, *, internal: Internal, decisions: Decisions, clock: Clock) -> None:
        self._internal = internal
        self._decisions = decisions
        self._clock = clock
        self._last: int | None = None
        self._lost = False
        self._renewing: asyncio.Task[None] | None = None

    async def follow(self) -> None:
        """Follow the stream for ever, connecting again wherever it breaks."""
        while True:
            try:
                after = "" if self._last is None else f"?after={self._last}"
                async for line in self._internal.lines(f"/revocations{after}", silence=SILENCE):
                    self.note(line)
            except InternalError as error:
                # Before its first word `web` is only starting, and there are no decisions to keep.
                if not self._lost and self._last is not None:
                    log.warning("web cannot be heard: %s; decisions are kept for a minute", error)
                    self._lost = True
            await self._clock.sleep(PAUSE)

    def note(self, line: Mapping[str, Any]) -> None:
        """Act on one line of the stream."""
        if self._lost:
            log.info("web is heard again")
            self._lost = False
        sequence = int(line.get("sequence", 0))
        missed = self._last is None or sequence < self._last or ("beat" in line and sequence > self._last)
        self._last = sequence
        if missed or "gap" in line:
            self._decisions.forget_all()
            self._renew(older=0.0)
        if "mark" in line:
            self._decisions.revoke(str(line["mark"]))
        elif "changed" in line:
            self._decisions.change(str(line["changed"]))
        self._decisions.confirm()

    def tend(self) -> None:
        """Close what has outlived `web` by too long, and renew what is old; called every few seconds."""
        self._decisions.close_older(LIVE_WITHOUT_WEB)
        self._decisions.sweep()
        if not self._lost:
            self._renew(older=RENEWAL)

    def _renew(self, *, older: float) -> None:
        if older and self._renewing is not None and not self._renewing.done():
            return
        self._renewing = asyncio.create_task(self._renew_quietly(older))

    async def _renew_quietly(self, older: float) -> None:
        try:
            await self._decisions.renew(older=older)
        except InternalError as error:
            log.warning("open connections could not be confirmed: %s", error)
