"""Which ports containers listen on: read on this host where it is the engine's own, else by the helper inside."""

import asyncio
from collections.abc import Collection, Mapping
from typing import Any

from aiodocker.exceptions import DockerError

from specola.computing.engine.api import Engine
from specola.computing.engine.entering import connect
from specola.computing.engine.errors import NO_CONNECTION
from specola.computing.engine.names import HELPER
from specola.computing.engine.sockets import Process, open_ports
from specola.computing.engine.stream import ExecStream
from specola.computing.tcp import SocketStream
from specola.domain.computing import Handle
from specola.threads import in_thread

__all__ = ["Ports"]

# How many containers are asked at the same time: each answer is a program started inside one.
WIDTH = 4
MOST = 4 * 1024**2
TABLES = ("/proc/net/tcp", "/proc/net/tcp6")

Found = Mapping[int, bool]


class Ports:
    """Looks at the ports of many containers; the process of each is asked for once, and again when it is gone."""

    def __init__(self, engine: Engine, *, local: bool) -> None:
        self._engine = engine
        self._local = local
        self._processes: dict[Handle, Process] = {}

    async def look(self, handles: Collection[Handle]) -> Mapping[Handle, Found]:
        """Return what the running ones among `handles` listen on; see `HasPorts.listening`."""
        found = await in_thread(_read, {one: self._processes[one] for one in handles if one in self._processes})
        for handle in self._processes.keys() & set(handles) - found.keys():
            del self._processes[handle]
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
        process = self._processes.get(handle)
        if process is None or not process.is_there():
            process = await self._process(handle, await self._state(handle))
        made = None if process is None else await connect(process, host, port)
        return None if made is None else await SocketStream.over(made)

    def forget(self, handle: Handle) -> None:
        """Forget a container that was removed."""
        self._processes.pop(handle, None)

    async def _meet(self, handle: Handle) -> Found | None:
        """Look at a container whose process is not known; None: it does not run, or not any more."""
        try:
            state = await self._state(handle)
            if not state.get("Running"):
                return None
            process = await self._process(handle, state)
            if process is not None:
                return await in_thread(process.open_ports)
            return open_ports(await self._tables(handle))
        except DockerError as error:
            if error.status == NO_CONNECTION:
                raise
            return None

    async def _state(self, handle: Handle) -> Mapping[str, Any]:
        state: Mapping[str, Any] = (await self._engine.docker.containers.container(handle).show())["State"]
        return state

    async def _process(self, handle: Handle, state: Mapping[str, Any]) -> Process | None:
        """Find a container's first process on this machine, and remember it."""
        process = await in_thread(Process.find, int(state.get("Pid") or 0)) if self._local else None
        if process is not None:
            self._processes[handle] = process
        return process

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


def _read(processes: Mapping[Handle, Process]) -> dict[Handle, Found]:
    seen = {handle: process.open_ports() for handle, process in processes.items()}
    return {handle: ports for handle, ports in seen.items() if ports is not None}
