"""Which interfaces speak no HTTP, as `web` tells: known before anybody connects, since a handshake is no time to ask."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from specola.clock import Clock
from specola.gateway.asking import Internal, InternalError
from specola.gateway.tls import PublicTls

__all__ = ["Interfaces"]

SILENCE = 25.0
"""Seconds without a line, beats included, after which the stream counts as lost."""
PAUSE = 0.5
PATIENCE = 5.0
"""Seconds that a client waits for the first word of `web`, where the gateway has only just started."""

log = logging.getLogger(__name__)


class Interfaces:
    """The protocols of interfaces by task. While `web` is away, what it told last counts."""

    def __init__(self, *, internal: Internal, clock: Clock, tls: PublicTls) -> None:
        self._internal = internal
        self._clock = clock
        self._tls = tls
        self._spoken: dict[str, Mapping[str, str]] = {}
        self._next: dict[str, Mapping[str, str]] | None = None
        self._authority = ""
        self._known = asyncio.Event()

    async def protocol(self, task: str, interface: str) -> str | None:
        """Return what an interface speaks; None: HTTP, or there is none."""
        if not self._known.is_set():
            try:
                async with asyncio.timeout(PATIENCE):
                    _ = await self._known.wait()
            except TimeoutError:
                return None
        return self._spoken.get(task, {}).get(interface)

    async def follow(self) -> None:
        """Follow what `web` tells for ever, connecting again wherever it breaks."""
        while True:
            self._next = {}
            try:
                async for line in self._internal.lines("/names", silence=SILENCE):
                    self.note(line)
            except InternalError as error:
                log.debug("web cannot be heard: %s; interfaces are as it told last", error)
            await self._clock.sleep(PAUSE)

    def note(self, line: Mapping[str, Any]) -> None:
        """Act on one line: the authority, a task, or the end of the snapshot, up to which what was told before counts."""
        if "authority" in line:
            self._trust(str(line["authority"]))
        elif "task" in line:
            self._take(self._spoken if self._next is None else self._next, line)
        elif "snapshot" in line:
            self._spoken, self._next = self._next or {}, None
            self._known.set()

    def _take(self, spoken: dict[str, Mapping[str, str]], line: Mapping[str, Any]) -> None:
        interfaces = {str(name): str(protocol) for name, protocol in line["interfaces"].items()}
        if interfaces:
            spoken[str(line["task"])] = interfaces
        else:
            spoken.pop(str(line["task"]), None)

    def _trust(self, authority: str) -> None:
        if authority != self._authority:
            self._tls.trust(authority)
            self._authority = authority
