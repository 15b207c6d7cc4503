"""The process `web`: serves the public application and the internal one, each on its own Unix socket."""

import asyncio
from pathlib import Path

import anyio.lowlevel
import uvloop

from specola import logging
from specola.config import Settings
from specola.factory import Services, open_process
from specola.internal.app import create_app as create_internal_app
from specola.lifetime import asked_to_end
from specola.listening import Listener, bind, listener
from specola.privileges import drop_to
from specola.web.app import create_app
from specola.web.live import Feed
from specola.web.look import Look

__all__ = ["run", "serve", "servers"]


def servers(services: Services, *, feed: Feed, look: Look) -> tuple[tuple[Listener, Path], ...]:
    """Return both applications' servers and where they listen; nothing is opened yet."""
    return (
        (listener(create_internal_app(services, feed=feed, look=look)), services.settings.internal_socket),
        (listener(create_app(services, feed=feed, look=look)), services.settings.web_socket),
    )


async def serve(made: tuple[tuple[Listener, Path], ...], *, feed: Feed, stop: asyncio.Event) -> None:
    """Serve until `stop` is set; answers that are under way get a second to end."""
    async with feed.running(), asyncio.TaskGroup() as group:
        for server, path in made:
            group.create_task(server.serve([bind(path)]))
        _ = await stop.wait()
        for server, _path in made:
            server.should_exit = True


def run(settings: Settings) -> None:
    """Run the process to its end.

    Started as root, it drops its privileges once all that it will ever import is there, and before it opens anything:
    what it makes, the sockets and the database's own files, has to belong to the unprivileged user.
    """
    logging.configure(settings, process="web")
    uvloop.run(_run(settings, Look.load()))


async def _run(settings: Settings, look: Look) -> None:
    async with open_process(settings) as context:
        services = Services.of(context)
        feed = Feed(services.store)
        made = servers(services, feed=feed, look=look)
        # The first use of anyio loads its backend.
        await anyio.lowlevel.checkpoint()
        drop_to(settings.run_as)
        await context.store.check()
        await serve(made, feed=feed, stop=asked_to_end())
