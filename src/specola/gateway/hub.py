"""What all connections of one gateway process share."""

import asyncio
import contextlib
import ipaddress
from typing import Any

from specola.clock import Clock
from specola.config import Settings
from specola.domain.connection import ConnectionKind
from specola.domain.software import TERMINAL
from specola.domain.task import Endpoint
from specola.gateway.admission import Admission
from specola.gateway.asking import Internal
from specola.gateway.connection import Guest
from specola.gateway.decisions import Decisions, Lease
from specola.gateway.desktops import DesktopPipe
from specola.gateway.entering import Entering
from specola.gateway.forwarding import Via
from specola.gateway.frames import Frames
from specola.gateway.hosts import Names
from specola.gateway.pipes import TaskPipe
from specola.gateway.records import Visits, records_of
from specola.gateway.revocations import Revocations
from specola.gateway.rfb import Desktop
from specola.gateway.routes import Carry
from specola.gateway.tunnel import Tunnel
from specola.piping import Early
from specola.records import REPORT_SECONDS, Record

__all__ = ["Hub"]

SWEEP_SECONDS = 1.0
TEND_SECONDS = 5.0
BEAT_SECONDS = 20.0
"""Pause between pings on idle tunnels; proxies commonly cut what is silent for a minute."""
GRACE_SECONDS = 5.0


class Hub:
    """The wiring of one process, its connections, and the work that is done beside them."""

    def __init__(self, *, settings: Settings, clock: Clock) -> None:
        self.internal = internal = Internal(settings.internal_socket)
        self.clock = clock
        self.names = Names.of(settings)
        self._trusted = tuple(ipaddress.ip_network(one, strict=False) for one in settings.trusted_proxies)
        self.now = clock.monotonic
        self.wall = clock.now
        self.tick = clock.monotonic()
        """The time, as of the last sweep."""
        self.decisions = Decisions(internal=internal, clock=clock)
        self.records = records_of(internal, clock=clock)
        self.visits = Visits(self.records, clock=clock)
        self.revocations = Revocations(internal=internal, decisions=self.decisions, clock=clock)
        self.admission = Admission(
            names=self.names,
            decisions=self.decisions,
            entering=Entering(internal=internal, clock=clock, platform=settings.url),
            internal=internal,
            web=Endpoint(path=str(settings.web_socket)),
            agents=Endpoint(path=str(settings.agents_socket)),
            clock=clock,
            records=self.records,
        )
        self.visitors: set[Guest] = set()
        self._empty = asyncio.Event()
        self.tunnels: set[Tunnel] = set()
        self.pipes: set[TaskPipe] = set()
        self.stopping = False

    def via(self, transport: asyncio.Transport) -> Via:
        """Return how a visitor reached us."""
        peer: Any = transport.get_extra_info("peername")
        address = str(peer[0]) if isinstance(peer, tuple) and peer else "127.0.0.1"
        encrypted = transport.get_extra_info("sslcontext") is not None
        trusted = bool(self._trusted) and any(ipaddress.ip_address(address) in network for network in self._trusted)
        return Via(address=address, scheme="https" if encrypted else "http", encrypted=encrypted, trusted=trusted)

    def gone(self, visitor: Guest) -> None:
        """Forget a visitor's connection."""
        self.visitors.discard(visitor)
        if self.stopping and not self.visitors:
            self._empty.set()

    def tunnel(
        self,
        *,
        visitor: asyncio.Transport,
        task: asyncio.Transport,
        lease: Lease | None,
        visit: Record | None,
        carry: Carry,
    ) -> Tunnel:
        """Join two connections until both are closed; each tunnel is on record by itself, beside the visit."""
        decision = carry.decision
        websocket = (carry.head.upgrade or b"").lower() == b"websocket"
        kind = ConnectionKind.WEBSOCKET if websocket else ConnectionKind.TUNNEL
        if decision is not None and decision.protocol == TERMINAL.name:
            kind = ConnectionKind.TERMINAL
        tunnel = Tunnel(
            visitor=visitor,
            task=task,
            lease=lease,
            record=None if visit is None else self.visits.beside(visit, kind),
            # The connector tells which of a terminal's messages are keys.
            used=carry.used and kind is not ConnectionKind.TERMINAL,
            frames=Frames(decision.activity.pings) if websocket and decision else None,
            forget=self.tunnels.discard,
        )
        self.tunnels.add(tunnel)
        return tunnel

    def pipe(
        self,
        *,
        visitor: asyncio.Transport,
        stream: Early,
        lease: Lease,
        visit: Record,
        early: bytes,
        desktop: Desktop | None = None,
    ) -> None:
        """Join a WebSocket to a stream until both are closed; `early` came before they were joined.

        Parameters
        ----------
        desktop
            What speaks RFB in between; None: bytes go as they come.
        """
        kind = ConnectionKind.TUNNEL if desktop is None else ConnectionKind.DESKTOP
        record, forget = self.visits.beside(visit, kind), self.pipes.discard
        if desktop is None:
            pipe = TaskPipe(visitor=visitor, stream=stream, lease=lease, record=record, forget=forget)
        else:
            pipe = DesktopPipe(
                visitor=visitor, stream=stream, lease=lease, record=record, forget=forget, desktop=desktop
            )
        self.pipes.add(pipe)
        pipe.begin(early, stream)

    async def work(self) -> None:
        """Do what is done beside the connections, for ever."""
        async with asyncio.TaskGroup() as group:
            for work in (self.revocations.follow(), self._sweep(), self._tend(), self._report(), self._beat()):
                group.create_task(work)

    async def stop(self) -> None:
        """Let what is going on end, for a short while; then close everything."""
        self.stopping = True
        for visitor in tuple(self.visitors):
            visitor.stop()
        if not self.visitors:
            self._empty.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE_SECONDS):
                await self._empty.wait()
        for pipe in tuple(self.pipes):
            pipe.stop()
        for tunnel in tuple(self.tunnels):
            tunnel.revoke()
        # What was written last is on its way once the loop has gone round.
        await asyncio.sleep(0)
        for visitor in tuple(self.visitors):
            visitor.abort()
        # What was closed says so once the loop has gone round.
        await asyncio.sleep(0)
        await self.records.close()

    def sweep(self) -> None:
        """Close connections whose time has run out."""
        self.tick = now = self.now()
        for visitor in [one for one in self.visitors if one.deadline < now]:
            visitor.expire()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self.sweep()

    async def _tend(self) -> None:
        while True:
            await asyncio.sleep(TEND_SECONDS)
            self.revocations.tend()

    def beat(self) -> None:
        """Keep idle tunnels from being cut by proxies in front."""
        for pipe in tuple(self.pipes):
            pipe.beat()

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            self.beat()

    async def report(self) -> None:
        """Tell `web` what was carried, and for whom."""
        self.visits.sweep()
        await self.records.report()

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            await self.report()
