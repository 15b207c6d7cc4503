"""The process `signer`: holds the authority for accounts on hosts, and nothing else."""

import asyncio
import os
import socket

import uvloop

from specola import logging
from specola.authorities.accounts import AccountAuthority
from specola.clock import Clock
from specola.config import Settings
from specola.lifetime import asked_to_end
from specola.listening import bind
from specola.privileges import close_memory, drop_to
from specola.secrets import Sealer
from specola.signer.asking import Asking
from specola.signer.server import LARGEST_LINE, Server

__all__ = ["run", "serve"]


async def serve(
    settings: Settings, authority: AccountAuthority, *, listening: socket.socket, trusted: int, stop: asyncio.Event
) -> None:
    """Serve until `stop` is set.

    Parameters
    ----------
    listening
        The signer's socket.
    trusted
        The number of the user whose processes may ask, besides root.
    """
    asking = Asking(settings.internal_socket)
    answering = Server(authority, asking, trusted=trusted, clock=Clock())
    serving = await asyncio.start_unix_server(answering.accept, sock=listening, limit=LARGEST_LINE)
    try:
        _ = await stop.wait()
    finally:
        serving.close()
        await asking.close()


def run(settings: Settings) -> None:
    """Run the process to its end.

    Started as root, it opens its socket for root alone and reads its key, which lies where nobody else looks; then it
    becomes the unprivileged user, whose other processes cannot read its memory.
    """
    logging.configure(settings, process="signer")
    authority = AccountAuthority.read(settings.data, Sealer.read(settings.data / "secrets" / "key"))
    trusted = os.geteuid()
    listening = bind(settings.signer_socket)
    drop_to(settings.run_as)
    close_memory()
    uvloop.run(_run(settings, authority, listening, trusted))


async def _run(settings: Settings, authority: AccountAuthority, listening: socket.socket, trusted: int) -> None:
    await serve(settings, authority, listening=listening, trusted=trusted, stop=asked_to_end())
