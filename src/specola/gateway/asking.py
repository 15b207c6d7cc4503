"""Asks `web` over its internal Unix socket: short questions, and one endless answer."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httptools

__all__ = ["Internal", "InternalError"]

QUESTION_SECONDS = 10.0
ANSWER_LIMIT = 4 * 1024 * 1024


class InternalError(Exception):
    """`web` could not be asked, or gave no proper answer."""


class Answer:
    """Collects one answer; llhttp calls its methods."""

    def __init__(self) -> None:
        self.status = 0
        self.complete = False
        self._pieces: list[bytes] = []
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Take what the socket gave; nothing is its end."""
        if not data:
            raise InternalError("web closed the connection before its answer was complete")
        self._parser.feed_data(data)

    def take(self) -> bytes:
        """Return the body that has come since the last call."""
        body = b"".join(self._pieces)
        self._pieces.clear()
        return body

    def on_headers_complete(self) -> None:
        """See httptools."""
        self.status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        """See httptools."""
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        """See httptools."""
        self.complete = True


@contextmanager
def internal_errors() -> Iterator[None]:
    """Turn what sockets, llhttp and JSON say into InternalError."""
    try:
        yield
    except (OSError, TimeoutError, httptools.HttpParserError, ValueError) as error:
        raise InternalError(str(error) or type(error).__name__) from error


class Internal:
    """`web`, as the gateway knows it."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    @property
    def path(self) -> str:
        """Where it is asked."""
        return str(self._socket)

    async def post(self, path: str, body: object) -> tuple[int, Mapping[str, Any]]:
        """Ask one question; return the status and the JSON object of the answer (empty for an empty body)."""
        with internal_errors():
            async with asyncio.timeout(QUESTION_SECONDS), self._asking("POST", path, json.dumps(body)) as reader:
                answer = Answer()
                collected = b""
                while not answer.complete:
                    answer.feed(await reader.read(65536))
                    collected += answer.take()
                    if len(collected) > ANSWER_LIMIT:
                        raise InternalError("the answer of web is too long")
                value = json.loads(collected) if collected else {}
                if not isinstance(value, dict):
                    raise InternalError("the answer of web is not an object")
                return answer.status, value

    async def lines(self, path: str, *, silence: float) -> AsyncIterator[Mapping[str, Any]]:
        """Follow an endless answer of JSON lines; it ends after `silence` seconds without one, or with InternalError."""
        with internal_errors():
            async with self._asking("GET", path) as reader:
                answer = Answer()
                held = b""
                while not answer.complete:
                    async with asyncio.timeout(silence):
                        answer.feed(await reader.read(65536))
                    if answer.status not in {0, 200}:
                        raise InternalError(f"web answered {answer.status} to {path}")
                    *lines, held = (held + answer.take()).split(b"\n")
                    for line in lines:
                        if line.strip():
                            yield json.loads(line)

    @asynccontextmanager
    async def _asking(self, method: str, path: str, body: str = "") -> AsyncIterator[asyncio.StreamReader]:
        reader, writer = await asyncio.open_unix_connection(self.path)
        try:
            content = body.encode()
            head = f"{method} {path} HTTP/1.1\r\nHost: internal\r\nContent-Length: {len(content)}\r\n"
            writer.write(f"{head}Content-Type: application/json\r\n\r\n".encode() + content)
            await writer.drain()
            yield reader
        finally:
            writer.transport.abort()
