"""Whether the platform answers: every part behind the web socket, and the public port."""

import asyncio
import errno
import socket
from collections.abc import Collection
from urllib.parse import urlsplit

import httpx

from specola.config import Settings
from specola.domain.errors import AddressInUseError, BudgetExhaustedError, ProcessFailingError
from specola.local_http import over_socket
from specola.supervisor.child import Child

__all__ = ["check_address", "wait_until_up"]

PAUSE = 0.05
PATIENCE = 60.0
QUICK_DEATHS = 4
WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - read, not listened on
WORDS = {
    errno.EADDRINUSE: "something else listens there already",
    errno.EADDRNOTAVAIL: "this machine does not have that address",
    errno.EACCES: "this user may not listen on that port",
}


def check_address(settings: Settings) -> None:
    """Find out whether the public address can be listened on.

    Raises
    ------
    AddressInUseError
        It cannot.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((settings.host, settings.port))
            probe.listen(1)
    except OSError as error:
        trouble = WORDS.get(error.errno or 0, error.strerror or str(error))
        raise AddressInUseError(settings.bind, trouble) from error


async def wait_until_up(settings: Settings, children: Collection[Child]) -> None:
    """Return once every part answers.

    Raises
    ------
    ProcessFailingError
        One of `children` ends again and again.
    BudgetExhaustedError
        It took longer than a minute.
    """
    # Whatever is spoken at the public port, there is no TLS on this socket.
    address = f"http://{urlsplit(settings.url).netloc}"
    async with httpx.AsyncClient(transport=over_socket(settings.web_socket), base_url=address, timeout=5.0) as client:
        try:
            async with asyncio.timeout(PATIENCE):
                while not (await _answers(client) and await _listens(settings)):
                    for child in children:
                        if child.quick_deaths >= QUICK_DEATHS:
                            raise ProcessFailingError(child.name)
                    await asyncio.sleep(PAUSE)
        except TimeoutError as error:
            raise BudgetExhaustedError("Starting the platform", PATIENCE) from error


async def _answers(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/api/v1/health")).is_success
    except httpx.HTTPError:
        return False


async def _listens(settings: Settings) -> bool:
    try:
        _, writer = await asyncio.open_connection(WILDCARDS.get(settings.host, settings.host), settings.port)
    except OSError:
        return False
    writer.close()
    return True
