"""The process `gateway`: listens at the public port and carries what comes there."""

import asyncio
import resource
import signal
import socket
from functools import partial

import uvloop

from specola import logging
from specola.clock import Clock
from specola.config import Settings
from specola.gateway.door import Door
from specola.gateway.hub import Hub
from specola.gateway.port import bind_port
from specola.gateway.several import run_several
from specola.gateway.tls import PublicTls, server_tls
from specola.gateway.visitor import Visitor
from specola.lifetime import asked_to_end
from specola.privileges import drop_to

__all__ = ["run", "serve", "serve_hub"]


async def serve(
    settings: Settings, *, listening: socket.socket, tls: PublicTls | None, clock: Clock, stop: asyncio.Event
) -> None:
    """Serve one listening socket until `stop` is set, then let what is going on end shortly."""
    await serve_hub(Hub(settings=settings, clock=clock), listening=listening, tls=tls, stop=stop)


async def serve_hub(hub: Hub, *, listening: socket.socket, tls: PublicTls | None, stop: asyncio.Event) -> None:
    """Serve as `serve` does, with wiring that is there already."""
    works = [asyncio.create_task(hub.work())]
    server: Door | asyncio.Server
    if tls is None:
        server = await asyncio.get_running_loop().create_server(partial(Visitor, hub), sock=listening)
    else:
        server = Door(hub, listening=listening, tls=tls)
        works.append(asyncio.create_task(server.work()))
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({*works, stopped}, return_when=asyncio.FIRST_COMPLETED)
        for work in works:
            if work.done():
                work.result()
    finally:
        server.close()
        stopped.cancel()
        await hub.stop()
        for work in works:
            work.cancel()


def run(settings: Settings) -> None:
    """Run the process to its end; raises PortError, CertificateError, UserMissingError."""
    logging.configure(settings, process="gateway")
    tls = server_tls(settings.tls_cert, settings.tls_key) if settings.tls_cert else None
    sockets = bind_port(settings)
    allow_many_connections()
    drop_to(settings.run_as)
    if len(sockets) == 1:
        run_one(settings, tls, sockets[0])
    else:
        run_several(sockets, partial(run_one, settings, tls))


def allow_many_connections() -> None:
    """Raise the soft limit of open files to the hard one: each WebSocket takes two."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def run_one(settings: Settings, tls: PublicTls | None, listening: socket.socket) -> None:
    """Serve one of the sockets to the end of this process."""
    uvloop.run(_serve(settings, tls, listening))


async def _serve(settings: Settings, tls: PublicTls | None, listening: socket.socket) -> None:
    if tls is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, tls.reload)
    await serve(settings, listening=listening, tls=tls, clock=Clock(), stop=asked_to_end())
