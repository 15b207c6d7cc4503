"""The front door's parts, put together."""

import asyncio

import structlog

from specola.authorities.ssh import SshAuthority
from specola.clock import Clock
from specola.config import Settings
from specola.connector.directory import Directory
from specola.connector.ssh.asking import Asking
from specola.connector.ssh.door import FrontDoor, Place
from specola.connector.ssh.live import Live
from specola.connector.ssh.revocations import Revocations
from specola.domain.errors import SpecolaError
from specola.records import Records
from specola.secrets import Sealer

__all__ = ["serve_ssh"]


async def serve_ssh(settings: Settings, *, directory: Directory, clock: Clock, records: Records) -> None:
    """Serve SSH until cancelled.

    Parameters
    ----------
    directory
        The computings and tasks of the process.
    records
        Where every channel is noted.
    """
    secrets = settings.data / "secrets"
    authority = SshAuthority(secrets, Sealer.read(secrets / "key"))
    asking = Asking(settings.internal_socket)
    live = Live(asking, records)
    place = Place(host=settings.ssh_host, port=settings.ssh_port, names=settings.ssh_names)
    door = FrontDoor(place, authority=authority, live=live, directory=directory, clock=clock)
    revocations = Revocations(settings.internal_socket, live, clock=clock)
    following = asyncio.create_task(revocations.run())
    try:
        await door.run()
    except SpecolaError as error:
        # Without its keys there is no front door; the ways into tasks are not to suffer from that.
        structlog.stdlib.get_logger("specola.connector").exception("ssh_not_served", error=error.sentence)
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await asking.close()
