"""What containers of a computing of kind `memory` serve: HTTP that tells what it was asked, or an echo."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from specola.computing.memory.websocket import echo_frames
from specola.websocket import accept_key

__all__ = ["Counter", "Listener", "Serve", "echo", "speak_http"]

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
CHUNK = 65536


@dataclass(slots=True)
class Counter:
    """Bytes that went into and out of a container."""

    received: int = 0
    sent: int = 0


class Listener:
    """A listener on a free loopback port; closing it cuts the connections that live, as the end of a container does."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def open(self) -> tuple[str, int]:
        """Start to listen; return the address."""
        # Known before it serves: who is cancelled while it begins to can still close it.
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, start_serving=False)
        await self._server.start_serving()
        host, port = self._server.sockets[0].getsockname()
        return host, port

    def close(self) -> None:
        """Stop listening, and cut every connection."""
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            # A visitor may leave in the middle of anything, or send what is not HTTP: the connection just ends.
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
                await self._serve(reader, writer)
            with contextlib.suppress(OSError):
                writer.close()
                await writer.wait_closed()
        finally:
            self._writers.discard(writer)


def echo(counter: Counter) -> Serve:
    """Return what sends every byte back, until the other side has ended its half."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK):
            counter.received += len(data)
            counter.sent += len(data)
            writer.write(data)
            await writer.drain()

    return serve


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    target: str
    version: str
    headers: tuple[tuple[str, str], ...]

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name), "")

    @property
    def keeps(self) -> bool:
        return self.version == "HTTP/1.1" and self.header("connection").lower() != "close"


def speak_http(counter: Counter, facts: dict[str, Any]) -> Serve:
    """Return an HTTP/1.1 server for one interface.

    `/bytes/<n>` answers n bytes, `/count` the length of the body sent, `/status/<n>` that status, `/events` three
    server-sent events, an upgrade to `websocket` echoes, and everything else answers a JSON object with `facts` and
    the request: method, target, headers in order, length of the body.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (request := await _read_request(reader)) is not None:
            if request.header("upgrade").lower() == "websocket":
                writer.write(_switching(request))
                await echo_frames(reader, writer)
                return
            length = 0
            async for data in _body(request, reader):
                length += len(data)
            counter.received += length
            counter.sent += await _answer(request, length, writer, facts)
            if not request.keeps:
                return

    return serve


async def _read_request(reader: asyncio.StreamReader) -> _Request | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    method, target, version = first.split(" ", 2)
    pairs = (line.partition(":") for line in lines)
    return _Request(method, target, version, tuple((name, value.strip()) for name, _, value in pairs))


async def _body(request: _Request, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    if request.header("transfer-encoding").lower() == "chunked":
        while size := int((await reader.readline()).split(b";")[0], 16):
            yield await reader.readexactly(size)
            await reader.readline()
        while (await reader.readline()).strip():
            pass
        return
    left = int(request.header("content-length") or 0)
    while left > 0 and (data := await reader.read(min(left, CHUNK))):
        left -= len(data)
        yield data


async def _answer(request: _Request, length: int, writer: asyncio.StreamWriter, facts: dict[str, Any]) -> int:
    _, _, rest = request.target.partition("?")[0].partition("/")
    word, _, number = rest.partition("/")
    status, kind = HTTPStatus.OK, "application/json"
    match word:
        case "bytes" if number.isdecimal():
            return await _send_bytes(request, int(number), writer)
        case "count":
            body = str(length).encode()
        case "events":
            kind, body = "text/event-stream", b"".join(b"data: %d\n\n" % count for count in range(3))
        case _:
            if word == "status" and number.isdecimal():
                status = HTTPStatus(int(number))
            told = {"method": request.method, "target": request.target, "headers": request.headers, "length": length}
            body = json.dumps(facts | told).encode()
    writer.write(_head(status, kind, len(body)) + (b"" if request.method == "HEAD" else body))
    await writer.drain()
    return len(body)


async def _send_bytes(request: _Request, number: int, writer: asyncio.StreamWriter) -> int:
    writer.write(_head(HTTPStatus.OK, "application/octet-stream", number))
    left = 0 if request.method == "HEAD" else number
    while left > 0:
        piece = min(left, CHUNK)
        writer.write(bytes(piece))
        await writer.drain()
        left -= piece
    return number


def _head(status: HTTPStatus, kind: str, length: int) -> bytes:
    lines = (f"HTTP/1.1 {status.value} {status.phrase}", f"Content-Type: {kind}", f"Content-Length: {length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _switching(request: _Request) -> bytes:
    lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
    lines.append(f"Sec-WebSocket-Accept: {accept_key(request.header('sec-websocket-key'))}")
    offered = request.header("sec-websocket-protocol")
    if offered:
        lines.append(f"Sec-WebSocket-Protocol: {offered.split(',')[0].strip()}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
