"""The process `worker`: converges computings until it is asked to end."""

import asyncio
import socket
from contextlib import AsyncExitStack

import uvloop

from specola import logging
from specola.clock import Clock
from specola.computing.kinds import Context, open_computing
from specola.config import Settings
from specola.connector.client import ConnectorClient
from specola.domain.durations import parse_duration
from specola.installation import computing_context
from specola.lifetime import asked_to_end, slot
from specola.secrets import Sealer
from specola.storage.logs import LogArchive
from specola.storage.store import Store
from specola.worker.beside import Beside
from specola.worker.timing import Timing
from specola.worker.worker import Worker

__all__ = ["run", "serve"]


async def serve(settings: Settings, *, context: Context, stop: asyncio.Event, timing: Timing | None = None) -> None:
    """Work until `stop` is set.

    Parameters
    ----------
    context
        What the computings of the installation share.
    stop
        Ends the process.
    timing
        Other time limits than the usual ones.
    """
    async with AsyncExitStack() as stack:
        number = stack.enter_context(slot(settings.run, "worker"))
        store = Store(settings.database, clock=context.clock)
        stack.push_async_callback(store.close)
        await store.check()
        connector = ConnectorClient(settings.connector_socket)
        stack.push_async_callback(connector.close)
        worker = Worker(
            store=store,
            sealer=Sealer.read(settings.data / "secrets" / "key"),
            archive=LogArchive(settings.data / "logs"),
            opener=lambda record: open_computing(
                record.kind, name=record.name, settings=record.settings, context=context
            ),
            beside=Beside(streams=settings.streams, tell=connector.tell),
            holder=f"{socket.gethostname()}:{number}",
            clock=context.clock,
            timing=timing or Timing(warnings=tuple(parse_duration(one) for one in settings.warn_before)),
        )
        working = asyncio.create_task(worker.run())
        stopping = asyncio.create_task(stop.wait())
        _ = await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        working.cancel()
        ended = await asyncio.gather(working, return_exceptions=True)
        if isinstance(ended[0], Exception):
            raise ended[0]


def run(settings: Settings) -> None:
    """Run the process to its end."""
    logging.configure(settings, process="worker")
    uvloop.run(_run(settings))


async def _run(settings: Settings) -> None:
    await serve(settings, context=computing_context(settings, Clock()), stop=asked_to_end())
