"""Reading held up and taken up again, so that nothing is lost by it.

uvloop takes the end of a connection for the end of what TLS carries on it: bytes that have come and were not yet taken, since
reading was held up, are dropped (https://github.com/MagicStack/uvloop/pull/661). Here such a connection is read no further than
what is waiting, so that its end is not seen before that was taken.
"""

import asyncio
import ssl

from typing_extensions import override

__all__ = ["connect", "pause", "resume"]


def pause(transport: asyncio.Transport) -> None:
    """Take nothing more from a connection for now."""
    transport.pause_reading()
    if transport.get_extra_info("ssl_object") is not None:
        # Of any byte that waits to be decrypted.
        transport.set_read_buffer_limits(high=1, low=0)  # type: ignore[attr-defined]  # transports of TLS alone have it


def resume(transport: asyncio.Transport) -> None:
    """Go on taking from a connection."""
    transport.resume_reading()
    if transport.get_extra_info("ssl_object") is not None:
        # Only after what waits was taken, for which the loop has its own turn.
        asyncio.get_running_loop().call_soon(_widen, transport)


def _widen(transport: asyncio.Transport) -> None:
    """Read ahead again, unless reading was held up meanwhile."""
    if not transport.is_closing() and transport.is_reading():
        transport.set_read_buffer_limits()  # type: ignore[attr-defined]  # see above


async def connect(
    host: str,
    port: int,
    *,
    tls: ssl.SSLContext | None = None,
    name: str | None = None,
    limit: int = 65536,
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a connection, as `asyncio.open_connection` does.

    Parameters
    ----------
    name
        Whom the other side's certificate has to name.
    limit
        About how many bytes are held that nobody has read.
    """
    loop = asyncio.get_running_loop()
    reader = _Reader(limit=limit, loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await loop.create_connection(lambda: protocol, host, port, ssl=tls, server_hostname=name)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


class _Reader(asyncio.StreamReader):
    """Holds up its transport in the way above."""

    @override
    def set_transport(self, transport: asyncio.BaseTransport) -> None:
        super().set_transport(_Held(transport))  # type: ignore[arg-type]  # it is asked for these two alone


class _Held:
    """What a reader asks of its transport."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def pause_reading(self) -> None:
        pause(self._transport)

    def resume_reading(self) -> None:
        resume(self._transport)
