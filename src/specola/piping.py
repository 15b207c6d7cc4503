"""Joins a WebSocket to a stream: binary messages carry the bytes, each way with its own end (the message `end`)."""

import asyncio
import contextlib
import socket
import struct
from enum import IntEnum
from typing import Protocol, cast

from typing_extensions import override

from specola.flow import pause, resume
from specola.websocket import PING, PONG, TEXT, FrameError, Reader, closing, frame, head

__all__ = ["Early", "EndCode", "Meter", "Pipe", "SocketEnd", "StreamEnd", "reset"]

END = b"end"
"""The text message that says: no more bytes come from here. It is to a tunnel what FIN is to TCP."""
GOODBYE_SECONDS = 1.0
"""How long the other side may take to read our close, and to answer it."""
STALL_SECONDS = 600.0
"""How long after a proper end the rest is kept for who reads slowly, or not at all."""
EARLY_LIMIT = 64 * 1024
"""Bytes held before a connection is joined to another; reading stops then."""


class EndCode(IntEnum):
    """Why a tunnel is closed; the numbers are those of WebSocket close frames."""

    DONE = 1000
    """Both halves have ended."""
    GOING_AWAY = 1001
    UNEXPECTED = 1003
    LOST = 1006
    """The connection broke off without a close; never sent."""
    FAILED = 1011
    UNREACHABLE = 4001
    """The target refused the connection, or cannot be reached."""
    TASK_ENDED = 4002
    REVOKED = 4003


class Meter(Protocol):
    """Counts the bytes that are carried, without their frames."""

    received: int
    """Out of the WebSocket, into the stream."""
    sent: int
    used: bool
    """Whether somebody used the other side: bytes came out of the WebSocket."""


def reset(transport: asyncio.Transport) -> None:
    """Close a connection so that the other side cannot take it for a proper end (RST in place of FIN)."""
    connection = transport.get_extra_info("socket")
    if connection is not None and not transport.is_closing():
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


class Early(asyncio.Protocol):
    """A stream before it is joined: keeps what comes, since many servers speak first."""

    __slots__ = ("ended", "held", "lost", "transport")

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.held = b""
        self.ended = False
        self.lost = False

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    @override
    def data_received(self, data: bytes) -> None:
        self.held += data
        if len(self.held) > EARLY_LIMIT:
            pause(self.transport)

    @override
    def eof_received(self) -> bool:
        self.ended = True
        return True

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True


class Pipe:
    """A WebSocket and a stream that have become one; both connections are up, and their protocols are replaced.

    Parameters
    ----------
    socket
        The connection that speaks WebSocket; its handshake is over.
    stream
        The connection whose bytes are carried.
    meter
        Counts them.
    client
        Whether we are the WebSocket's client, whose frames are masked.

    Notes
    -----
    `code` and `reason` say in the end why. What one side does not take holds up the other: at most one read is in
    memory beyond what the transports hold.
    """

    __slots__ = ("_open", "client", "code", "meter", "ours", "quiet", "reason", "socket", "stream", "stream_lost")

    def __init__(self, *, socket: asyncio.Transport, stream: Early, meter: Meter, client: bool = False) -> None:
        self.meter = meter
        self.client = client
        self.code = EndCode.LOST.value
        self.reason = ""
        self.ours = False
        """Whether it was this side that closed."""
        self.stream_lost = "The other side broke off the connection."
        """What a reset of the stream is told as."""
        self.quiet = True
        """Whether nothing has been sent over the WebSocket since the last beat."""
        self._open = 2
        self.socket = SocketEnd(socket, self)
        self.stream = StreamEnd(stream.transport, self)
        socket.set_protocol(self.socket)
        stream.transport.set_protocol(self.stream)

    def begin(self, early: bytes, stream: Early) -> None:
        """Start to carry.

        Parameters
        ----------
        early
            What came over the WebSocket together with the handshake.
        stream
            The stream as it was made with, which may have brought something too, or be gone already.
        """
        for end in (self.socket, self.stream):
            if not end.transport.is_closing():
                resume(end.transport)
        if stream.held:
            self.stream.data_received(stream.held)
        if stream.lost:
            self.stream.connection_lost(ConnectionResetError())
        elif stream.ended:
            self.stream.eof_received()
        if early:
            self.socket.data_received(early)

    def beat(self) -> None:
        """Send a ping if nothing else was sent since the last beat, lest a proxy in between takes us for dead."""
        end = self.socket
        if self.quiet and not end.full and not end.said_goodbye and not end.transport.is_closing():
            end.transport.write(frame(PING, masked=self.client))
        self.quiet = True

    def close(self, code: int, reason: str = "") -> None:
        """Close both connections, and tell the other side of the WebSocket why."""
        self.socket.say_goodbye(code, reason)
        if code == EndCode.DONE:
            self.stream.transport.close()
        else:
            reset(self.stream.transport)

    def closed(self) -> None:
        """Note that one of both connections is closed."""
        self._open -= 1
        if not self._open:
            self.finished()

    def finished(self) -> None:
        """Do what is to be done once both are closed."""


class End(asyncio.Protocol):
    """One end of a pipe."""

    __slots__ = ("ended", "full", "pipe", "transport")

    def __init__(self, transport: asyncio.Transport, pipe: Pipe) -> None:
        self.transport = transport
        self.pipe = pipe
        self.ended = False
        """Whether no more bytes come from here."""
        self.full = False
        """Whether what is written here is not taken at the moment."""

    def hold(self, other: "End") -> None:
        """Take nothing more from the other end for now."""
        self.full = True
        if not other.transport.is_closing():
            pause(other.transport)

    def let_go(self, other: "End") -> None:
        """Go on taking from the other end."""
        self.full = False
        if not other.transport.is_closing():
            resume(other.transport)


class SocketEnd(End):
    """The end that speaks WebSocket."""

    __slots__ = ("_reader", "said_goodbye")

    def __init__(self, transport: asyncio.Transport, pipe: Pipe) -> None:
        super().__init__(transport, pipe)
        self.said_goodbye = False
        self._reader = Reader(self, masked=not pipe.client)

    @override
    def data_received(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
        except FrameError as error:
            if self.said_goodbye:
                self.transport.abort()
            else:
                self.pipe.close(error.code, error.sentence)

    def took(self, data: bytes | memoryview) -> None:
        """See Sink."""
        if self.said_goodbye:
            return
        if self.ended:
            raise FrameError("Bytes come after their end.")
        pipe = self.pipe
        meter = pipe.meter
        meter.received += len(data)
        meter.used = True
        pipe.stream.transport.write(data)

    def said(self, text: bytes) -> None:
        """See Sink."""
        if self.said_goodbye or self.ended:
            return
        if text != END:
            raise FrameError("Of all text messages only “end” has a meaning here.", code=EndCode.UNEXPECTED)
        self.ended = True
        stream = self.pipe.stream
        if stream.ended:
            self.pipe.close(EndCode.DONE)
        elif not stream.transport.is_closing():
            stream.transport.write_eof()

    def pinged(self, payload: bytes) -> None:
        """See Sink."""
        # Who pings and does not read must not fill our memory; a later ping gets its answer.
        if not self.full and not self.said_goodbye:
            self.transport.write(frame(PONG, payload, masked=self.pipe.client))

    def closed(self, code: int, reason: str) -> None:
        """See Sink."""
        pipe = self.pipe
        if not self.said_goodbye:
            pipe.code, pipe.reason = code, reason
            self.said_goodbye = True
            self.transport.write(closing(code, masked=pipe.client))
        self.transport.close()

    def say_goodbye(self, code: int, reason: str) -> None:
        """Send a close, and give the other side a moment to read it."""
        if self.said_goodbye or self.transport.is_closing():
            return
        self.said_goodbye = self.pipe.ours = True
        self.pipe.code, self.pipe.reason = code, reason
        self.transport.write(closing(code, reason, masked=self.pipe.client))
        # What still comes is read and thrown away: closed with bytes unread, the kernel would send a reset, which
        # swallows what we wrote.
        resume(self.transport)
        asyncio.get_running_loop().call_later(GOODBYE_SECONDS, self._leave, STALL_SECONDS)

    def _leave(self, left: float) -> None:
        # After a proper end, who reads slowly gets the rest; whose right was taken back does not.
        if self.pipe.code == EndCode.DONE and left > 0 and self.transport.get_write_buffer_size():
            asyncio.get_running_loop().call_later(GOODBYE_SECONDS, self._leave, left - GOODBYE_SECONDS)
        else:
            self.transport.abort()

    @override
    def pause_writing(self) -> None:
        self.hold(self.pipe.stream)

    @override
    def resume_writing(self) -> None:
        self.let_go(self.pipe.stream)

    @override
    def eof_received(self) -> bool:
        return False

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        pipe = self.pipe
        # A proper close of a tunnel of which both halves had ended; anything else is a loss, and looks like one.
        if pipe.code == EndCode.DONE:
            pipe.stream.transport.close()
        else:
            reset(pipe.stream.transport)
        pipe.closed()


class StreamEnd(End):
    """The end whose bytes are carried."""

    __slots__ = ()

    @override
    def data_received(self, data: bytes) -> None:
        pipe = self.pipe
        size = len(data)
        pipe.meter.sent += size
        pipe.quiet = False
        pipe.socket.transport.writelines((head(size, masked=pipe.client), data))

    @override
    def eof_received(self) -> bool:
        self.ended = True
        pipe = self.pipe
        other = pipe.socket
        if not other.said_goodbye:
            other.transport.write(frame(TEXT, END, masked=pipe.client))
            if other.ended:
                pipe.close(EndCode.DONE)
        return True

    @override
    def pause_writing(self) -> None:
        self.hold(self.pipe.socket)

    @override
    def resume_writing(self) -> None:
        self.let_go(self.pipe.socket)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        pipe = self.pipe
        if exc is not None:
            pipe.socket.say_goodbye(EndCode.FAILED, pipe.stream_lost)
        elif not pipe.socket.said_goodbye:
            pipe.socket.say_goodbye(EndCode.DONE, "")
        pipe.closed()
