"""Many byte streams over one connection: frames, each stream with a window of credit, all of them in turns.

A frame is the number of its stream, its kind, its length, its content. One side opens streams, with a request; the other
answers each with one reply. Then bytes go both ways, each half ended by itself. A sender has credit for as many bytes as
the receiver has said it will hold, so that a stream nobody reads stops that stream alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
from collections import deque
from collections.abc import Awaitable, Coroutine
from typing import Any, Callable, Protocol

from .flow import Incoming, Outgoing

__all__ = ["GREETING", "Carrier", "HostileError", "Link", "Reply", "Request", "Stream"]

GREETING = b"\0specola agent 1\n"
"""What the agent's side says first; what a login wrote before it (a message of the day) is passed over."""
NOISE = 65536
HEADER = struct.Struct(">IBI")
NUMBER = struct.Struct(">I")
OPEN, REPLY, DATA, END, RESET, CREDIT, PING, PONG = range(1, 9)
FRAME = 32768
LIMITS = {OPEN: 1 << 20, REPLY: 1 << 20, DATA: 65536, END: 0, RESET: 4096, CREDIT: 4, PING: 0, PONG: 0}
BATCH = 262144
MOST_STREAMS = 2048
MOST_CONTROL = 4 * MOST_STREAMS
EXTRA = 64 * 1024**2
BEAT, ROUNDS = 15.0, 3

Request = dict[str, Any]
Reply = dict[str, Any]


class HostileError(ConnectionError):
    """The other side does not keep to the protocol."""


class Carrier(Protocol):
    """What the frames go over."""

    async def read(self, most: int = 65536) -> bytes:
        """Return up to `most` bytes; empty at the end."""

    async def write(self, data: bytes) -> None:
        """Send `data`, waiting while the other side is slow."""

    async def close(self) -> None:
        """Give it up."""


class Stream:
    """One of the streams; as the platform's byte streams, each side of it can be ended by itself."""

    def __init__(self, link: Link, number: int) -> None:
        self._link = link
        self.number = number
        self.incoming = Incoming()
        self.outgoing = Outgoing()
        self.replied: asyncio.Future[Reply] = link.loop.create_future()

    async def read(self, most: int = 65536) -> bytes:
        """Return up to `most` bytes; empty once the other side has ended its half.

        Raises
        ------
        ConnectionError
            The other side, or the whole link, broke off.
        """
        data = await self.incoming.read(most)
        self._link.owe(self)
        return data

    async def write(self, data: bytes) -> None:
        """Send `data`, waiting while the other side is slow. Raises ConnectionError if it broke off."""
        view = memoryview(data)
        while view:
            taken = await self.outgoing.put(view)
            view = view[taken:]
            self._link.hurry(self)

    async def end(self) -> None:
        """Say that nothing more will be written; reading goes on."""
        self.outgoing.ending = True
        self._link.hurry(self)

    async def close(self) -> None:
        """Give the stream up, both halves; what was written before may be lost."""
        self._link.drop(self, "closed")

    async def reply(self, answer: Reply) -> None:
        """Answer the request that opened it; with an `error` in the answer, that is its end."""
        self._link.answer(self, answer)

    def linger(self) -> None:
        """Send what was written and the end, and take no more notice of what comes."""
        self.outgoing.ending = True
        self.incoming.drop_all()
        self._link.owe(self)
        self._link.hurry(self)

    def break_off(self, error: ConnectionError) -> None:
        """Let everybody who waits for it know that it broke off."""
        self.incoming.break_off(error)
        self.outgoing.break_off(error)
        if not self.replied.done():
            self.replied.set_exception(error)
            # Nobody may have asked yet.
            self.replied.exception()

    @property
    def is_over(self) -> bool:
        """Whether both halves have ended, and all was sent."""
        return self.incoming.ended and self.outgoing.ended


Accept = Callable[[Request, Stream], Coroutine[Any, Any, None]]


class Link:
    """One side of the connection.

    Parameters
    ----------
    carrier
        What the frames go over.
    accept
        What is done with a stream that the other side opens; None: this side opens them.
    """

    def __init__(self, carrier: Carrier, *, accept: Accept | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        self._carrier = carrier
        self._accept = accept
        self._streams: dict[int, Stream] = {}
        self._next = 1
        self._control: deque[bytes] = deque()
        self._ready: deque[Stream] = deque()
        self._waiting: set[int] = set()
        self._wake = asyncio.Event()
        self._calm = asyncio.Event()
        self._extra = 0
        self._silent = 0
        self._early = b""
        self._broken: ConnectionError | None = None
        self._serving: set[asyncio.Task[None]] = set()

    @property
    def is_open(self) -> bool:
        """Whether streams can be opened."""
        return self._broken is None

    async def run(self) -> None:
        """Carry frames until the connection ends, which ends all streams. Raises nothing but what cancels it."""
        parts = [self.loop.create_task(one) for one in (self._read(), self._pump(), self._beat())]
        error = ConnectionError("The connection to the task ended.")
        try:
            await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            found = parts[0].exception() if parts[0].done() else None
            if isinstance(found, HostileError):
                error = found
        finally:
            self._break(error)
            ending = [*parts, *self._serving]
            for task in ending:
                task.cancel()
            await asyncio.gather(*ending, return_exceptions=True)
            with contextlib.suppress(OSError):
                await self._carrier.close()

    async def close(self) -> None:
        """End the connection, and all streams; also where `run` has not begun."""
        self._break(ConnectionError("The connection to the task was closed."))
        with contextlib.suppress(OSError):
            await self._carrier.close()

    async def greeted(self) -> None:
        """Pass over what comes before the other side's greeting.

        Raises
        ------
        ConnectionError
            It ended before, or somebody else is there; the error tells what was said.
        """
        seen = b""
        while GREETING not in seen:
            data = await self._carrier.read(4096)
            if not data or len(seen) > NOISE:
                text = seen.decode(errors="replace").strip()
                raise ConnectionError(f"The task's agent does not answer{f': {text[-300:]}' if text else '.'}")
            seen += data
        self._early = seen.partition(GREETING)[2]

    async def open(self, request: Request) -> tuple[Reply, Stream]:
        """Open a stream; return what it is answered, and the stream. Raises ConnectionError if that breaks off."""
        if self._broken is not None:
            raise self._broken
        stream = Stream(self, self._next)
        self._next += 1
        self._streams[stream.number] = stream
        self._say(stream.number, OPEN, json.dumps(request).encode())
        try:
            return await asyncio.shield(stream.replied), stream
        except asyncio.CancelledError:
            self.drop(stream, "cancelled")
            raise

    def answer(self, stream: Stream, answer: Reply) -> None:
        """Send a reply."""
        if self._streams.get(stream.number) is stream:
            self._say(stream.number, REPLY, json.dumps(answer).encode())
            if "error" in answer:
                self._forget(stream)

    def hurry(self, stream: Stream) -> None:
        """Have a stream send what it has, when it is its turn."""
        if stream.number not in self._waiting and stream.outgoing.wants and stream.number in self._streams:
            self._waiting.add(stream.number)
            self._ready.append(stream)
            self._wake.set()

    def owe(self, stream: Stream) -> None:
        """Give the other side new credit for what was read."""
        if stream.number in self._streams and not stream.incoming.ended:
            credit = stream.incoming.credit(EXTRA - self._extra)
            if credit.extra:
                self._extra += credit.extra
            if credit.granted:
                self._say(stream.number, CREDIT, NUMBER.pack(credit.granted))

    def drop(self, stream: Stream, why: str) -> None:
        """Give a stream up, and say so unless it is over."""
        if self._streams.get(stream.number) is stream:
            self._say(stream.number, RESET, why.encode()[: LIMITS[RESET]])
            self._forget(stream)
        stream.break_off(ConnectionResetError(why))

    def _forget(self, stream: Stream) -> None:
        if self._streams.pop(stream.number, None) is not None:
            self._extra -= stream.incoming.extra

    def _break(self, error: ConnectionError) -> None:
        self._broken = self._broken or error
        for stream in list(self._streams.values()):
            self._forget(stream)
            stream.break_off(error)

    def _say(self, number: int, kind: int, content: bytes = b"") -> None:
        self._control.append(HEADER.pack(number, kind, len(content)) + content)
        self._wake.set()

    async def _beat(self) -> None:
        """Ask from time to time whether the other side is still there; return when it is not."""
        while self._silent < ROUNDS:
            self._silent += 1
            self._say(0, PING)
            await asyncio.sleep(BEAT)

    async def _pump(self) -> None:
        if self._accept is not None:
            await self._carrier.write(GREETING)
        while True:
            await self._wake.wait()
            self._wake.clear()
            while batch := self._batch():
                await self._carrier.write(batch)

    def _batch(self) -> bytes:
        """Return what is sent next: what steers, then a frame of each stream that has something, in turns."""
        parts: list[bytes] = list(self._control)
        self._control.clear()
        self._calm.set()
        size = 0
        while self._ready and size < BATCH:
            stream = self._ready.popleft()
            self._waiting.discard(stream.number)
            if self._streams.get(stream.number) is not stream:
                continue
            data = stream.outgoing.take(FRAME)
            if data:
                parts += (HEADER.pack(stream.number, DATA, len(data)), data)
                size += len(data)
            elif stream.outgoing.ends():
                parts.append(HEADER.pack(stream.number, END, 0))
                if stream.is_over:
                    self._forget(stream)
            self.hurry(stream)
        return b"".join(parts)

    async def _read(self) -> None:
        buffer = bytearray(self._early)
        while True:
            at = 0
            while len(buffer) - at >= HEADER.size:
                number, kind, length = HEADER.unpack_from(buffer, at)
                if length > LIMITS.get(kind, -1):
                    raise HostileError(f"A frame of kind {kind} with {length} bytes.")
                end = at + HEADER.size + length
                if len(buffer) < end:
                    break
                self._heard(number, kind, bytes(buffer[at + HEADER.size : end]))
                at = end
            del buffer[:at]
            data = await self._carrier.read(BATCH)
            if not data:
                return
            self._silent = 0
            buffer += data
            if len(self._control) > MOST_CONTROL // 2:
                # Whoever asks much has to listen to the answers.
                self._calm.clear()
                await self._calm.wait()

    def _heard(self, number: int, kind: int, content: bytes) -> None:
        if kind == PING:
            self._say(0, PONG)
        elif kind == OPEN:
            self._opened(number, content)
        elif (stream := self._streams.get(number)) is not None:
            self._told(stream, kind, content)
        if len(self._control) > MOST_CONTROL:
            raise HostileError("More questions than answers were read.")

    def _opened(self, number: int, content: bytes) -> None:
        if self._accept is None or number < self._next:
            raise HostileError("A stream was opened that cannot be.")
        self._next = number + 1
        request = _object(content)
        if len(self._streams) >= MOST_STREAMS:
            error = {"code": "too_many", "sentence": f"There are {MOST_STREAMS} connections to this task."}
            self._say(number, REPLY, json.dumps({"error": error}).encode())
            return
        stream = self._streams[number] = Stream(self, number)
        task = self.loop.create_task(self._served(self._accept(request, stream), stream))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _served(self, serving: Awaitable[None], stream: Stream) -> None:
        try:
            await serving
        except Exception as error:  # noqa: BLE001 -- whoever asked must not wait for ever
            self.drop(stream, f"{type(error).__name__}: {error}")
        else:
            stream.linger()

    def _told(self, stream: Stream, kind: int, content: bytes) -> None:
        if kind == DATA:
            if not stream.incoming.put(content):
                raise HostileError("More was sent than there was credit for.")
            self.owe(stream)
        elif kind == CREDIT:
            if len(content) != NUMBER.size or not stream.outgoing.grant(NUMBER.unpack(content)[0]):
                raise HostileError("Credit that nobody can have.")
            self.hurry(stream)
        elif kind == END:
            stream.incoming.end()
            if stream.is_over:
                self._forget(stream)
        elif kind == RESET:
            self._forget(stream)
            stream.break_off(ConnectionResetError(content.decode(errors="replace")))
        elif kind == REPLY and self._accept is None and not stream.replied.done():
            answer = _object(content)
            if "error" in answer:
                self._forget(stream)
            stream.replied.set_result(answer)
        else:
            raise HostileError(f"A frame of kind {kind} that nobody asked for.")


def _object(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError as error:
        raise HostileError("Something that is not JSON.") from error
    if not isinstance(found, dict):
        raise HostileError("JSON that is no object.")
    return found
