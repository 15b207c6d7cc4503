"""Whether an interface answers: one try, by connecting to its endpoint as the gateway would."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from specola.domain.software import Health, Interface, Protocol
from specola.domain.task import Endpoint
from specola.task_tls import task_tls

__all__ = ["answers"]

LINE_LIMIT = 8192
TCP_SETTLE = 0.1
RELAY_SETTLE = 1.0

TASK_TLS = task_tls()


async def answers(interface: Interface, endpoint: Endpoint, *, patience: float = 5.0) -> bool:
    """Try an interface once.

    Parameters
    ----------
    interface
        What speaks there. For `http` and `https`, a GET of the health path has to answer as the release says; without
        one, any answer will do. For anything else, a connection has to be accepted and kept.
    endpoint
        Where it is reached.
    patience
        Seconds to wait for an answer.

    Notes
    -----
    A publishing proxy and the connector both accept before they know whether the port inside does, and close when it
    does not. So a silent protocol counts as answering only when its connection is still open after a moment.
    """
    try:
        async with asyncio.timeout(patience), _connected(interface, endpoint) as (reader, writer):
            if interface.protocol.opens_in_browser:
                return await _serves(interface.health or Health(), reader, writer)
            return await _keeps(reader, TCP_SETTLE if endpoint.path is None else RELAY_SETTLE)
    except (OSError, EOFError, TimeoutError, ValueError):
        return False


@asynccontextmanager
async def _connected(
    interface: Interface, endpoint: Endpoint
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    tls = TASK_TLS if interface.protocol is Protocol.HTTPS else None
    if endpoint.path is not None:
        name = "localhost" if tls else None
        opening = asyncio.open_unix_connection(endpoint.path, ssl=tls, server_hostname=name, limit=LINE_LIMIT)
        reader, writer = await opening
    else:
        reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port, ssl=tls, limit=LINE_LIMIT)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def _serves(health: Health, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    writer.write(
        f"GET {health.path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: specola\r\n"
        "Accept: */*\r\nConnection: close\r\n\r\n".encode()
    )
    await writer.drain()
    version, status, *_ = (await reader.readline()).split(maxsplit=2)
    return version.startswith(b"HTTP/") and health.accepts(int(status))


async def _keeps(reader: asyncio.StreamReader, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return bool(await reader.read(1))
    except TimeoutError:
        return True
