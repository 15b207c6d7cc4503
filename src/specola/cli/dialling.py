"""Opens one tunnel to an interface of a task: connects, speaks the handshake, and says what went wrong."""

import asyncio
import base64
import contextlib
import json
import os
import re
import socket
import ssl
from collections.abc import Iterator
from functools import cache
from typing import Any
from urllib.parse import SplitResult, urlsplit

from typing_extensions import override

from specola import __version__
from specola.cli.failures import AnsweredError
from specola.cli.proxies import proxy_for, through
from specola.cli.reaching import Target
from specola.domain.errors import PlatformUnreachableError
from specola.flow import pause
from specola.piping import Early
from specola.websocket import accept_key

__all__ = ["Handshake", "dial"]

SECONDS = 20.0
KEEPALIVE_SECONDS = 60
HEAD_LIMIT = 64 * 1024
BODY_LIMIT = 64 * 1024
STATUS = re.compile(rb"HTTP/1\.1 ([1-5][0-9]{2})[ \r]")
LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,9})[ \t]*\r\n", re.IGNORECASE)
ACCEPT = re.compile(rb"\r\nsec-websocket-accept:[ \t]*([!-~]+)[ \t]*\r\n", re.IGNORECASE)
BROKEN = "the connection broke off"
DEFAULT_PORTS = {"http": 80, "https": 443}


class Handshake(Early):
    """A connection to the platform until it has answered; then `held` is what came after the answer's head."""

    __slots__ = ("_key", "_wire", "answered")

    def __init__(self, wire: bytes, key: str) -> None:
        super().__init__()
        self._wire = wire
        self._key = key
        self.answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.write(self._wire)

    @override
    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self.answered.done():
            self._look()

    @override
    def eof_received(self) -> bool:
        self._fail(ConnectionResetError(BROKEN))
        return False

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._fail(exc or ConnectionResetError(BROKEN))

    def _fail(self, error: Exception) -> None:
        if not self.answered.done():
            self.answered.set_exception(error)

    def _look(self) -> None:
        end = self.held.find(b"\r\n\r\n") + 4
        if end < 4:
            if len(self.held) > HEAD_LIMIT:
                self._fail(ConnectionError("the answer is no HTTP"))
            return
        head, body = self.held[: end - 2], self.held[end:]
        status = STATUS.match(head)
        if status is None:
            self._fail(ConnectionError("the answer is no HTTP"))
        elif status[1] == b"101":
            self._accept(head, body)
        else:
            length = LENGTH.search(head)
            if length is None or len(body) >= min(int(length[1]), BODY_LIMIT):
                self._fail(AnsweredError(int(status[1]), problem_of(body)))

    def _accept(self, head: bytes, rest: bytes) -> None:
        accepted = ACCEPT.search(head)
        if accepted is None or accepted[1].decode("ascii") != accept_key(self._key):
            self._fail(ConnectionError("the answer is not the platform's"))
            return
        self.held = rest
        self.answered.set_result(None)
        # Until both connections are joined, nothing more is taken.
        pause(self.transport)


def problem_of(body: bytes) -> dict[str, Any]:
    """Read a refusal of the gateway, in the words that the API uses."""
    try:
        value = json.loads(body)
        return {"code": value["code"], "detail": value["sentence"], "hint": value["hint"], "state": value.get("state")}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {"hint": "A proxy in front of the platform may not let WebSockets pass; tell an administrator."}


async def dial(target: Target) -> Handshake:
    """Open a tunnel.

    Raises
    ------
    AnsweredError
        The platform refused.
    PlatformUnreachableError
        It gave no answer, or its certificate is not to be trusted.
    """
    parts = urlsplit(target.origin)
    key = base64.b64encode(os.urandom(16)).decode("ascii")
    shake = Handshake(request(parts, target.token, key), key)
    try:
        with reaching(target.origin):
            async with asyncio.timeout(SECONDS):
                await connect(parts, shake)
                await shake.answered
    except BaseException:
        if not shake.answered.done():
            shake.answered.cancel()
        with contextlib.suppress(AttributeError):  # it never came to a connection
            shake.transport.abort()
        raise
    if shake.lost:
        raise PlatformUnreachableError(target.origin, BROKEN)
    return shake


async def connect(parts: SplitResult, shake: Handshake) -> None:
    """Connect to the host of an origin."""
    host = parts.hostname or ""
    tls = trusted() if parts.scheme == "https" else None
    # Names below localhost are this machine's (RFC 6761, 6.3), though many resolvers do not know them.
    here = host == "localhost" or host.endswith(".localhost")
    where, port = "127.0.0.1" if here else host, parts.port or DEFAULT_PORTS[parts.scheme]
    name = host if tls else None
    proxy = None if here else proxy_for(parts)
    if proxy is not None:
        await through(proxy, where, port, shake, tls=tls, name=name)
    else:
        await asyncio.get_running_loop().create_connection(lambda: shake, where, port, ssl=tls, server_hostname=name)
    connection = shake.transport.get_extra_info("socket")
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, "TCP_KEEPIDLE", 0x10), KEEPALIVE_SECONDS)


def request(parts: SplitResult, token: str, key: str) -> bytes:
    """Return the request for a tunnel."""
    lines = (
        "GET /.specola/tunnel HTTP/1.1",
        f"Host: {parts.netloc}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Protocol: specola.tunnel",
        f"Authorization: Bearer {token}",
        f"User-Agent: specola/{__version__}",
        "Accept: application/json",
    )
    return "\r\n".join((*lines, "", "")).encode("ascii")


@cache
def trusted() -> ssl.SSLContext:
    """Return how the platform is verified: by this machine's authorities, or those that SSL_CERT_FILE names."""
    context = ssl.create_default_context()
    # Whoever does not say that it speaks HTTP is asked for a client certificate, under names of interfaces that do not.
    context.set_alpn_protocols(["http/1.1"])
    return context


@contextlib.contextmanager
def reaching(url: str) -> Iterator[None]:
    """Turn what the network does into one failure."""
    try:
        yield
    except TimeoutError as error:
        raise PlatformUnreachableError(url, "it takes too long") from error
    except ssl.SSLCertVerificationError as error:
        raise PlatformUnreachableError(url, error.verify_message or str(error)) from error
    except OSError as error:
        raise PlatformUnreachableError(url, error.strerror or str(error)) from error
