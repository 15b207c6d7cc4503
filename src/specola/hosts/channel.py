"""One channel of an SSH connection as a byte stream, with back-pressure and half-close both ways."""

import asyncio
import contextlib
import signal
from collections import deque
from collections.abc import Callable
from typing import Any

import asyncssh
import asyncssh.channel
from typing_extensions import override

from specola.hosts.limits import ERRORS_KEPT, KILLED

__all__ = ["Channel"]

HIGH = 1024 * 1024
LOW = 256 * 1024
"""How much is kept for a slow reader before the other side is made to wait, and how little before it may go on."""
CLOSE_SECONDS = 5.0


class Channel(asyncssh.SSHClientSession[bytes], asyncssh.SSHTCPSession[bytes], asyncssh.SSHUNIXSession[bytes]):
    """A `Stream` of `specola.ports.computing` over a channel: a command's, or a connection's beyond the machine.

    Parameters
    ----------
    opened
        Called when the machine has granted it.
    gone
        Called when it has closed, however that came about.

    Notes
    -----
    A connection that breaks is an error to whoever reads, never an end: what came may be half of what was sent.
    """

    def __init__(self, *, opened: Callable[[], None], gone: Callable[[], None]) -> None:
        self._opened = opened
        self._gone = gone
        self._channel: asyncssh.channel.SSHChannel[bytes] | None = None
        self._held: deque[bytes] = deque()
        self._size = 0
        self._paused = False
        self._full = False
        self._ended = False
        self._closed = False
        self._failure: Exception | None = None
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._over = asyncio.Event()
        self.errors = bytearray()
        """The newest of what a command wrote to its second output."""
        self.code: int | None = None
        """A command's exit code; None: the machine has not told it."""

    @override
    def connection_made(self, chan: Any) -> None:
        self._channel = chan
        chan.set_write_buffer_limits(HIGH, LOW)
        self._opened()

    @override
    def data_received(self, data: bytes, datatype: int | None) -> None:
        if datatype is not None:
            self.errors += data
            del self.errors[:-ERRORS_KEPT]
            return
        self._held.append(data)
        self._size += len(data)
        self._news.set()
        if self._size > HIGH and not self._paused and self._channel is not None:
            self._paused = True
            self._channel.pause_reading()

    @override
    def eof_received(self) -> bool:
        self._ended = True
        self._news.set()
        return True

    @override
    def exit_status_received(self, status: int) -> None:
        self.code = status

    @override
    def exit_signal_received(self, signal_name: str, core_dumped: bool, msg: str, lang: str) -> None:
        number = getattr(signal, f"SIG{signal_name}", None)
        self.code = KILLED + (int(number) if number is not None else 0)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        # None: the other side has closed it. It may not have come to say before that nothing more follows.
        self._failure = self._failure or exc
        self._ended = True
        self._news.set()
        self._room.set()
        self._over.set()
        self._gone()

    @override
    def pause_writing(self) -> None:
        self._full = True
        self._room.clear()

    @override
    def resume_writing(self) -> None:
        self._full = False
        self._room.set()

    async def read(self, most: int = 65536) -> bytes:
        """Return up to `most` bytes; empty once the other side has ended its half."""
        while not self._held:
            if self._failure is not None:
                raise ConnectionResetError(str(self._failure)) from self._failure
            if self._ended or self._closed:
                return b""
            self._news.clear()
            await self._news.wait()
        first = self._held.popleft()
        if len(first) > most:
            self._held.appendleft(first[most:])
            first = first[:most]
        elif self._held and len(first) < most:
            taken = [first]
            size = len(first)
            while self._held and size + len(self._held[0]) <= most:
                taken.append(self._held.popleft())
                size += len(taken[-1])
            first = b"".join(taken)
        self._size -= len(first)
        if self._paused and self._size < LOW and self._channel is not None:
            self._paused = False
            self._channel.resume_reading()
        return first

    def put_back(self, data: bytes) -> None:
        """Have `data`, which was read, read again first."""
        if data:
            self._held.appendleft(data)
            self._size += len(data)

    async def write(self, data: bytes) -> None:
        """Send `data`, waiting while the other side is slow."""
        assert self._channel is not None, "it is open"
        if self._over.is_set():
            raise BrokenPipeError("the other side has closed the stream")
        self._channel.write(data)
        if self._full:
            await self._room.wait()

    async def end(self) -> None:
        """Say that nothing more will be written; reading goes on."""
        assert self._channel is not None, "it is open"
        if not self._over.is_set():
            self._channel.write_eof()

    async def close(self) -> None:
        """Give the stream up, both halves; what was written is sent first, if the other side takes it soon.

        A command is told that nobody listens any more, with all that it has started.
        """
        assert self._channel is not None, "it is open"
        self._closed = True
        self._news.set()
        if self._channel.get_write_buffer_size() and not self._over.is_set():
            self._channel.set_write_buffer_limits(0)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._room.wait()
        self.hang_up()

    def break_off(self) -> None:
        """Note that the connection is about to be closed under it."""
        if not self._over.is_set():
            self._failure = ConnectionResetError("the connection was closed")

    def leave(self) -> None:
        """Close it without waiting for anybody."""
        self._closed = True
        if self._channel is not None:
            self._channel.abort()

    def hang_up(self) -> None:
        """Tell a command that nobody listens any more, with all that it has started, and close its channel."""
        if isinstance(self._channel, asyncssh.SSHClientChannel) and not self._over.is_set():
            # Sent to the whole group of processes (OpenSSH from 7.9); before that, the end of its input has to do.
            for name in ("HUP", "TERM"):
                with contextlib.suppress(OSError):
                    self._channel.send_signal(name)
        self.leave()

    async def over(self) -> None:
        """Return once the channel has closed."""
        await self._over.wait()

    @property
    def failure(self) -> Exception | None:
        """What broke it; None: it is open, or has ended properly."""
        return self._failure
