"""The ways to the ports of a task, tried in turn: its own address, a published port, its network from inside, the helper in it."""

import asyncio
import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from specola.clock import Clock
from specola.computing.engine.api import Engine
from specola.computing.engine.errors import ContainerGoneError
from specola.computing.engine.observing import own_address, published
from specola.computing.engine.ports import Ports
from specola.computing.engine.remote import Remote
from specola.computing.engine.sockets import HERE, inside, listeners
from specola.computing.engine.stream import ExecStream
from specola.computing.inside.paths import HELPER
from specola.computing.tcp import SocketStream
from specola.domain.computing import Handle
from specola.domain.errors import ComputingUnreachableError
from specola.ports.computing import Stream

__all__ = ["Dialler"]

# An address that is known is not asked for again before that; a freed one rests for longer (`network_rest`).
KNOWN_SECONDS = 60.0


@dataclass(slots=True)
class _Place:
    """Where a running container is: its own address, its published ports, and which of these lead to a server."""

    since: float
    address: str | None
    ports: Mapping[int, tuple[str, int]]
    open: set[int] = field(default_factory=set)


class Dialler:
    """Opens streams to the ports of containers on one engine.

    Many servers listen on the container's own loopback only. Then its address refuses, and a published port (of an engine
    without root) accepts and breaks off, so before the latter the kernel is asked.

    Parameters
    ----------
    remote
        The engine's host where that is another one; None: it is this machine, or nothing of it but the API is reached.
    local
        Whether the engine is on this machine.
    """

    def __init__(
        self, *, computing: str, engine: Engine, ports: Ports, remote: Remote | None, local: bool, clock: Clock
    ) -> None:
        self._computing = computing
        self._engine = engine
        self._ports = ports
        self._remote = remote
        self._local = local
        self._clock = clock
        self._places: dict[Handle, _Place] = {}

    async def dial(self, handle: Handle, port: int, *, rootless: bool) -> Stream:
        """Connect to a port of a running container.

        Raises
        ------
        ComputingUnreachableError
            Nothing listens there, or it could not be asked.
        ContainerGoneError
            It does not run.
        """
        if self._remote is not None:
            return await self._from_afar(self._remote, handle, port, rootless=rootless)
        place = await self._look(handle)
        if self._local and not rootless and place.address is not None:
            with contextlib.suppress(ConnectionRefusedError):
                return await SocketStream.connect(place.address, port)
        # From inside, nothing need be known: what it refuses is looked for at other addresses.
        with contextlib.suppress(ConnectionRefusedError):
            if near := await self._ports.connect(handle, "127.0.0.1", port):
                return near
        where = await self._listeners(handle, port)
        if where is not None and not where:
            raise self._silent(port)
        if port in place.ports and (where is None or where - HERE):
            return await SocketStream.connect(*place.ports[port])
        if near := await self._ports.connect(handle, inside(where), port):
            return near
        return await self._by_helper(handle, inside(where), port)

    def forget(self, handle: Handle) -> None:
        """Forget a container that was removed."""
        self._places.pop(handle, None)

    async def _from_afar(self, remote: Remote, handle: Handle, port: int, *, rootless: bool) -> Stream:
        """Connect by way of the engine's host, in one round trip where that was done before.

        1. What is known of the container may be out of date, so a refusal is believed of what was asked just now alone.
        2. The address of a container of an engine without root is known to that user's own network only, and its
           published ports accept whether anybody listens or not: who listens is looked at once.
        3. What listens on loopback alone is reached by the helper.
        """
        place = self._known(handle)
        if place is not None:
            with contextlib.suppress(ConnectionRefusedError):
                if found := await self._straight(remote, place, port, rootless=rootless):
                    return found
        place = await self._look(handle)
        with contextlib.suppress(ConnectionRefusedError):
            if found := await self._straight(remote, place, port, rootless=rootless):
                return found
        where = await self._ports.addresses(handle, port)
        if not where:
            raise self._silent(port)
        if port in place.ports and where - HERE:
            place.open.add(port)
            return await remote.connect(*place.ports[port])
        return await self._by_helper(handle, inside(where), port)

    async def _straight(self, remote: Remote, place: _Place, port: int, *, rootless: bool) -> Stream | None:
        if rootless:
            return await remote.connect(*place.ports[port]) if port in place.open else None
        return None if place.address is None else await remote.connect(place.address, port)

    def _known(self, handle: Handle) -> _Place | None:
        place = self._places.get(handle)
        return place if place is not None and self._clock.monotonic() - place.since < KNOWN_SECONDS else None

    async def _look(self, handle: Handle) -> _Place:
        """Ask the engine where a container is; one that has not ended keeps what was found out of its ports."""
        filters = json.dumps({"name": [f"^/?{handle}$"]})
        found: list[dict[str, Any]] = await self._engine.get("containers/json", {"filters": filters})
        if not found:
            self.forget(handle)
            raise ContainerGoneError(handle)
        ports, before = published(found[0]), self._places.get(handle)
        place = _Place(self._clock.monotonic(), own_address(found[0]), ports)
        if before is not None and before.ports == ports:
            place.open = before.open
        self._places[handle] = place
        return place

    async def _listeners(self, handle: Handle, port: int) -> frozenset[str] | None:
        """Return where a port is listened to in the container; None: that cannot be seen from here."""
        if not self._local:
            return None
        state = (await self._engine.docker.containers.container(handle).show())["State"]
        return await asyncio.to_thread(listeners, int(state.get("Pid") or 0), port)

    async def _by_helper(self, handle: Handle, address: str, port: int) -> Stream:
        return await ExecStream.open(self._engine, handle, [HELPER, "nc", address, str(port)])

    def _silent(self, port: int) -> ComputingUnreachableError:
        return ComputingUnreachableError(self._computing, f"nothing listens on port {port} of the task")
