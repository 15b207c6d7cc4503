"""Which ports containers listen on: asked of this host's kernel where it is the engine's own, else by the helper inside."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from aiodocker.exceptions import DockerError

from specola.computing.engine.api import Engine
from specola.computing.engine.diagnosis import Diagnosis
from specola.computing.engine.entering import connect, made_inside
from specola.computing.engine.errors import NO_CONNECTION
from specola.computing.engine.sockets import Process, in_lines
from specola.computing.engine.stream import ExecStream
from specola.computing.inside.paths import HELPER
from specola.computing.inside.tables import in_tables, open_ports
from specola.computing.tcp import SocketStream
from specola.domain.computing import Handle
from specola.threads import in_thread

__all__ = ["Ports"]

# How many containers are asked at the same time: each answer may be a program started inside one.
WIDTH = 4
MOST = 4 * 1024**2
TABLES = ("/proc/net/tcp", "/proc/net/tcp6")

Found = Mapping[int, bool]


@dataclass(frozen=True, slots=True)
class _Place:
    """A container's network on this machine: its first process, and what asks there if that may be entered."""

    process: Process
    diagnosis: Diagnosis | None

    def look(self) -> Found | None:
        """Return what is listened to; None: the container has ended."""
        if self.diagnosis is None:
            return self.process.open_ports()
        try:
            found = open_ports(self.diagnosis.listeners())
        except OSError:
            return self.process.open_ports()
        return found if self.process.is_there() else None

    def leave(self) -> None:
        """Ask nothing more: a network lives as long as something holds it."""
        if self.diagnosis is not None:
            self.diagnosis.close()


class Ports:
    """Looks at the ports of many containers; where each is on this machine is found out once, and again when it is gone."""

    def __init__(self, engine: Engine, *, local: bool) -> None:
        self._engine = engine
        self._local = local
        self._places: dict[Handle, _Place] = {}

    async def look(self, handles: Collection[Handle]) -> Mapping[Handle, Found]:
        """Return what the running ones among `handles` listen on; see `HasPorts.listening`."""
        found = await in_thread(_look, {one: self._places[one] for one in handles if one in self._places})
        for handle in self._places.keys() - found.keys():
            self.forget(handle)
        width = asyncio.Semaphore(WIDTH)

        async def one(handle: Handle) -> Found | None:
            async with width:
                return await self._meet(handle)

        others = [handle for handle in handles if handle not in found]
        met = await asyncio.gather(*(one(handle) for handle in others))
        return found | {handle: ports for handle, ports in zip(others, met, strict=True) if ports is not None}

    async def connect(self, handle: Handle, host: str, port: int) -> SocketStream | None:
        """Connect from inside a container's network; None: that cannot be done from here.

        Raises
        ------
        OSError
            Nobody accepts connections there.
        """
        known = self._places.get(handle)
        process = known.process if known is not None and known.process.is_there() else None
        if process is None and self._local:
            process = await self._process(await self._state(handle))
        made = None if process is None else await connect(process, host, port)
        return None if made is None else await SocketStream.over(made)

    async def addresses(self, handle: Handle, port: int) -> frozenset[str]:
        """Return where a port is listened to, as the helper inside tells; see `sockets.listeners`."""
        return in_lines(await self._tables(handle), port)

    def forget(self, handle: Handle) -> None:
        """Forget a container that was removed."""
        place = self._places.pop(handle, None)
        if place is not None:
            place.leave()

    def close(self) -> None:
        """Forget all."""
        for handle in list(self._places):
            self.forget(handle)

    async def _meet(self, handle: Handle) -> Found | None:
        """Look at a container whose place is not known; None: it does not run, or not any more."""
        try:
            state = await self._state(handle)
            if not state.get("Running"):
                return None
            process = await self._process(state) if self._local else None
            if process is None:
                return open_ports(in_tables(await self._tables(handle)))
            place = _Place(process, await _diagnosis(process))
            self.forget(handle)
            self._places[handle] = place
            return await in_thread(place.look)
        except DockerError as error:
            if error.status == NO_CONNECTION:
                raise
            return None

    async def _state(self, handle: Handle) -> Mapping[str, Any]:
        state: Mapping[str, Any] = (await self._engine.docker.containers.container(handle).show())["State"]
        return state

    async def _process(self, state: Mapping[str, Any]) -> Process | None:
        return await in_thread(Process.find, int(state.get("Pid") or 0))

    async def _tables(self, handle: Handle) -> list[str]:
        """Let the helper tell the kernel's tables, of which the beginning is enough."""
        stream = await ExecStream.open(self._engine, handle, [HELPER, "cat", *TABLES])
        told = b""
        try:
            while len(told) < MOST and (data := await stream.read()):
                told += data
        finally:
            await stream.close()
        return told.decode("ascii", "replace").splitlines()


async def _diagnosis(process: Process) -> Diagnosis | None:
    """Open what asks in the network of a process; None: it may not be entered, or its kernel cannot be asked so."""
    try:
        asking = await made_inside(process, Diagnosis.open)
    except OSError:
        return None
    return None if asking is None else Diagnosis(asking)


def _look(places: Mapping[Handle, _Place]) -> dict[Handle, Found]:
    seen = {handle: place.look() for handle, place in places.items()}
    return {handle: ports for handle, ports in seen.items() if ports is not None}
