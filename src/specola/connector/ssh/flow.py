"""Bytes between a channel of SSH and a task: each side waits while the other is slow, in bounded memory."""

import asyncio
from collections import deque
from typing import Protocol

__all__ = ["CHUNK", "Inbox", "Outbox"]

CHUNK = 256 * 1024
HIGH = 512 * 1024
"""Bytes held for a task that does not take them; then the channel is not read, and its window closes."""


class Pausable(Protocol):
    """What an inbox needs of a channel."""

    def pause_reading(self) -> None:
        """Stop handing over what comes."""

    def resume_reading(self) -> None:
        """Go on."""


class Inbox:
    """What a visitor has sent and the task has not taken yet."""

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._ended = False
        self._paused = False
        self._arrived = asyncio.Event()
        self._channel: Pausable | None = None

    def attach(self, channel: Pausable) -> None:
        """Say where it comes from."""
        self._channel = channel

    def put(self, data: bytes) -> None:
        """Take what has come."""
        self._pieces.append(data)
        self._size += len(data)
        if self._size > HIGH and not self._paused and self._channel is not None:
            self._paused = True
            self._channel.pause_reading()
        self._arrived.set()

    def end(self) -> None:
        """Take note that nothing more will come."""
        self._ended = True
        self._arrived.set()

    async def take(self) -> bytes:
        """Return all that has come, waiting for it; nothing once the visitor has ended."""
        while not self._pieces:
            if self._ended:
                return b""
            self._arrived.clear()
            await self._arrived.wait()
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self._size = 0
        if self._paused and self._channel is not None:
            self._paused = False
            self._channel.resume_reading()
        return data


class Outbox:
    """Whether a visitor takes what is sent: both the window of the channel and the connection have to be open.

    Parameters
    ----------
    connection
        Is set while the connection's own buffer is below its mark. A visitor who grants an endless window and reads
        nothing fills that one alone.
    """

    def __init__(self, connection: asyncio.Event) -> None:
        self._connection = connection
        self._channel = asyncio.Event()
        self._channel.set()

    def pause(self) -> None:
        """Take note that the channel's window is full."""
        self._channel.clear()

    def resume(self) -> None:
        """Take note that it has room again."""
        self._channel.set()

    async def ready(self) -> None:
        """Return once more can be sent."""
        while not (self._channel.is_set() and self._connection.is_set()):
            await self._channel.wait()
            await self._connection.wait()
