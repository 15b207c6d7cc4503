"""The socket on which the gateway hands over connections that agents of tasks have opened to the platform."""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

import structlog

from specola.closing import close
from specola.computing.batch.agent.proof import SCHEME
from specola.computing.batch.enrolment import Enrolment
from specola.connector.directory import Directory, Way
from specola.domain.errors import SpecolaError
from specola.ports.computing import AwaitsAgents
from specola.websocket import BINARY, PONG, FrameError, Reader, accept_key, closing, frame, head

__all__ = ["HEAD_BYTES", "AgentServer"]

HEAD_SECONDS = 10.0
HEAD_BYTES = 64 * 1024
MOST_UNKNOWN = 64
"""Connections of which it is not known yet whose they are; the gateway hands over whole heads, so each is short."""
MOST_OFTEN = 0.2
"""Seconds between two connections of one task; an agent calls again no sooner."""
LOG_SECONDS = 10.0
CHUNK = 256 * 1024
GOING_AWAY = 1001


@dataclass(frozen=True, slots=True)
class _Shown:
    """What an agent shows."""

    task: str
    nonce: str
    proof: str
    key: str


class AgentServer:
    """Lets agents in that show they know their task's secret, and hands each to the computing of its task.

    Parameters
    ----------
    enrolment
        Checks what they show: first of all, and by itself, so that who knows nothing costs nothing and learns nothing.
    """

    def __init__(self, directory: Directory, enrolment: Enrolment) -> None:
        self._directory = directory
        self._enrolment = enrolment
        self._connections: set[asyncio.Task[None]] = set()
        self._unknown = 0
        self._last: dict[str, float] = {}
        self._logged = 0.0
        self._logger = structlog.stdlib.get_logger("specola.connector")

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end."""
        connection = asyncio.current_task()
        assert connection is not None
        self._connections.add(connection)
        try:
            await self._serve(reader, writer)
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError, FrameError) as error:
            self._logger.info("agent_lost", error=str(error) or type(error).__name__)
        finally:
            self._connections.discard(connection)
            writer.transport.abort()

    async def close(self) -> None:
        """Close every connection; tasks go on."""
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._unknown >= MOST_UNKNOWN:
            await _refuse(writer, HTTPStatus.SERVICE_UNAVAILABLE)
            return
        self._unknown += 1
        try:
            async with asyncio.timeout(HEAD_SECONDS):
                fields = _fields(await reader.readuntil(b"\r\n\r\n"))
        finally:
            self._unknown -= 1
        shown = _shown(fields)
        answer = self._enrolment.answer(shown.task, shown.nonce, shown.proof) if shown else ""
        if shown is None or not answer:
            self._note(fields.get("x-forwarded-for", ""))
            await _refuse(writer, HTTPStatus.FORBIDDEN)
            return
        if not self._in_turn(shown.task):
            await _refuse(writer, HTTPStatus.TOO_MANY_REQUESTS)
            return
        found = await self._expected(shown.task)
        if found is None:
            await _refuse(writer, HTTPStatus.FORBIDDEN)
            return
        computing, way = found
        lines = (
            "HTTP/1.1 101 Switching Protocols",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Accept: {accept_key(shown.key)}",
            f"Authentication-Info: {answer}",
        )
        writer.write("\r\n".join((*lines, "", "")).encode("ascii"))
        self._logger.info("agent_arrived", task=way.task, computing=way.computing)
        await computing.welcome(way.handle, AgentStream(reader, writer))

    async def _expected(self, task: str) -> tuple[AwaitsAgents, Way] | None:
        """Return where the agent of a task is awaited; None: nowhere (any more)."""
        try:
            computing, way = await self._directory.way(task)
        except SpecolaError:
            return None
        if not isinstance(computing, AwaitsAgents) or not await computing.expects(way.handle):
            return None
        return computing, way

    def _in_turn(self, task: str) -> bool:
        """Tell whether a task's agent does not come too often. Nobody is refused for what others do."""
        now = asyncio.get_running_loop().time()
        if now - self._last.get(task, 0.0) < MOST_OFTEN:
            return False
        if len(self._last) > 10_000:
            self._last = {name: at for name, at in self._last.items() if now - at < MOST_OFTEN}
        self._last[task] = now
        return True

    def _note(self, address: str) -> None:
        """Say from time to time that somebody came who knows no secret."""
        now = asyncio.get_running_loop().time()
        if now >= self._logged:
            self._logged = now + LOG_SECONDS
            self._logger.warning("agent_refused", address=address)


class AgentStream:
    """The byte stream in a WebSocket of an agent: binary messages, as long or short as they come."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._frames = Reader(self, masked=True)
        self._came = bytearray()
        self._ended = False

    async def read(self, most: int = 65536) -> bytes:
        """Return up to `most` bytes; empty at the end."""
        while not self._came and not self._ended:
            data = await self._reader.read(min(most, CHUNK))
            if not data:
                break
            try:
                self._frames.feed(data)
            except FrameError as error:
                await self._close(error.code, error.sentence)
                raise ConnectionError(error.sentence) from error
        data = bytes(self._came[:most])
        del self._came[:most]
        return data

    async def write(self, data: bytes) -> None:
        """Send `data`, waiting while the other side is slow."""
        self._writer.write(head(len(data), opcode=BINARY) + data)
        await self._writer.drain()

    async def end(self) -> None:
        """Send no more; a WebSocket has no half-close, so this is the end of both."""
        await self.close()

    async def close(self) -> None:
        """Close it."""
        await self._close(GOING_AWAY, "")

    def took(self, data: bytes | memoryview) -> None:
        """Take bytes of a binary message."""
        self._came += data

    def said(self, text: bytes) -> None:
        """Take a text, which agents do not send."""
        del text
        self._ended = True

    def pinged(self, payload: bytes) -> None:
        """Answer a ping."""
        self._writer.write(frame(PONG, payload))

    def closed(self, code: int, reason: str) -> None:
        """Take the other side's close."""
        del code, reason
        self._ended = True

    async def _close(self, code: int, reason: str) -> None:
        with contextlib.suppress(OSError):
            if not self._writer.is_closing():
                self._writer.write(closing(code, reason))
                self._writer.close()


def _fields(request: bytes) -> Mapping[str, str]:
    lines = request.decode("latin-1").split("\r\n")[1:-2]
    return {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _shown(fields: Mapping[str, str]) -> _Shown | None:
    scheme, *words = fields.get("authorization", "").split(" ")
    key = fields.get("sec-websocket-key", "")
    if scheme != SCHEME or len(words) != 3 or not key or fields.get("upgrade", "").lower() != "websocket":
        return None
    task, nonce, shown = words
    return _Shown(task, nonce, shown, key)


async def _refuse(writer: asyncio.StreamWriter, status: HTTPStatus) -> None:
    writer.write(
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode("ascii")
    )
    await writer.drain()
    await close(writer)
