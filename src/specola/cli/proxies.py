"""The way through an HTTP proxy, where this machine has to use one (http_proxy, https_proxy, no_proxy)."""

import asyncio
import base64
import re
import ssl
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from typing_extensions import override

from specola.piping import Early

__all__ = ["Proxy", "proxy_for", "through"]

STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})[ \r]")
HEAD_LIMIT = 64 * 1024


@dataclass(frozen=True, slots=True)
class Proxy:
    """Where a proxy is, and what it is told."""

    host: str
    port: int
    authorization: str

    @classmethod
    def read(cls, address: str) -> "Proxy":
        """Read an address as it stands in a variable; the scheme may be left out."""
        parts = urlsplit(address if "//" in address else f"//{address}")
        authorization = ""
        if parts.username:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            authorization = "Basic " + base64.b64encode(pair.encode()).decode("ascii")
        return cls(parts.hostname or "", parts.port or 80, authorization)


def proxy_for(origin: SplitResult) -> Proxy | None:
    """Return the proxy that leads to an origin, None if none is needed; the same one as for the API."""
    host = origin.hostname or ""
    address = getproxies().get(origin.scheme) or getproxies().get("all")
    return Proxy.read(address) if address and not proxy_bypass(host) else None


async def through(
    proxy: Proxy, host: str, port: int, protocol: Early, *, tls: ssl.SSLContext | None, name: str | None
) -> None:
    """Connect to a host through a proxy (RFC 9110, 9.3.6), and begin `protocol` there; raises OSError."""
    loop = asyncio.get_running_loop()
    way = Way(host, port, proxy.authorization)
    await loop.create_connection(lambda: way, proxy.host, proxy.port)
    try:
        await way.answered
    except BaseException:
        way.transport.abort()
        raise
    if tls is None:
        way.transport.set_protocol(protocol)
        protocol.connection_made(way.transport)
        return
    wrapped = await loop.start_tls(way.transport, protocol, tls, server_hostname=name)
    if wrapped is None:
        raise ConnectionResetError("the connection broke off")
    protocol.connection_made(wrapped)


class Way(Early):
    """A connection to a proxy, until it leads further."""

    __slots__ = ("_wire", "answered")

    def __init__(self, host: str, port: int, authorization: str) -> None:
        super().__init__()
        lines = [f"CONNECT {host}:{port} HTTP/1.1", f"Host: {host}:{port}"]
        if authorization:
            lines.append(f"Proxy-Authorization: {authorization}")
        self._wire = "\r\n".join((*lines, "", "")).encode("ascii")
        self.answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.write(self._wire)

    @override
    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.answered.done() or b"\r\n\r\n" not in self.held:
            if len(self.held) > HEAD_LIMIT:
                self._fail(ConnectionError("the proxy's answer is no HTTP"))
            return
        status = STATUS.match(self.held)
        if status is None or not status[1].startswith(b"2"):
            said = status[1].decode("ascii") if status else "nothing that is HTTP"
            self._fail(ConnectionError(f"the proxy answered {said}"))
        else:
            self.answered.set_result(None)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._fail(exc or ConnectionResetError("the proxy broke off the connection"))

    def _fail(self, error: Exception) -> None:
        if not self.answered.done():
            self.answered.set_exception(error)
