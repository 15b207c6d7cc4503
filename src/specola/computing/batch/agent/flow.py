"""The two halves of a stream: what has come and waits to be read, what waits to be sent, each with its credit."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import NamedTuple

__all__ = ["FIRST_WINDOW", "LAST_WINDOW", "Credit", "Incoming", "Outgoing"]

FIRST_WINDOW, LAST_WINDOW = 131072, 2097152
"""How many bytes a stream may be ahead of its reader: at first, and once it has shown that it is read as fast as it comes."""
MOST_WAITING = 65536
MOST_CREDIT = 2 * LAST_WINDOW


class Credit(NamedTuple):
    """Bytes that may be sent beyond what was allowed before, and by how much of them the window grew."""

    granted: int = 0
    extra: int = 0


class Incoming:
    """What has come and was not read."""

    def __init__(self) -> None:
        self.ended = False
        self.extra = 0
        self._parts: deque[bytes] = deque()
        self._size = 0
        self._allowed = FIRST_WINDOW
        self._owed = 0
        self._dropping = False
        self._error: ConnectionError | None = None
        self._news = asyncio.Event()

    def put(self, data: bytes) -> bool:
        """Keep what came; tell whether there was credit for it."""
        self._allowed -= len(data)
        if self._allowed < 0 or self.ended:
            return False
        if self._dropping:
            self._owed += len(data)
        elif data:
            self._parts.append(data)
            self._size += len(data)
            self._news.set()
        return True

    async def read(self, most: int) -> bytes:
        """Return up to `most` bytes; empty at the end."""
        while not self._parts:
            if self._error is not None and not self.ended:
                raise self._error
            if self.ended:
                return b""
            self._news.clear()
            await self._news.wait()
        data = self._parts.popleft()
        if len(data) > most:
            self._parts.appendleft(data[most:])
            data = data[:most]
        self._size -= len(data)
        self._owed += len(data)
        return data

    def credit(self, room: int) -> Credit:
        """Return the credit to give now; a stream that is read as fast as it comes gets more, out of `room`."""
        window = FIRST_WINDOW + self.extra
        if self._owed < window // 2:
            return Credit()
        more = window if not self._size and window < LAST_WINDOW and room >= window else 0
        granted, self._owed = self._owed + more, 0
        self._allowed += granted
        self.extra += more
        return Credit(granted, more)

    def end(self) -> None:
        """Nothing more will come."""
        self.ended = True
        self._news.set()

    def drop_all(self) -> None:
        """Keep nothing more of what comes."""
        self._dropping = True
        self._owed += self._size
        self._size = 0
        self._parts.clear()

    def break_off(self, error: ConnectionError) -> None:
        """Raise an error to who reads, after what has come already."""
        self._error = self._error or error
        self._news.set()


class Outgoing:
    """What was written and waits for its turn, and for credit."""

    def __init__(self) -> None:
        self.ending = False
        self.ended = False
        self._parts: deque[bytes] = deque()
        self._size = 0
        self._credit = FIRST_WINDOW
        self._error: ConnectionError | None = None
        self._room = asyncio.Event()
        self._room.set()

    @property
    def wants(self) -> bool:
        """Whether it has something to send, and may."""
        if self._parts:
            return self._credit > 0
        return self.ending and not self.ended

    async def put(self, data: memoryview) -> int:
        """Take some of `data`, once there is room; return how much."""
        while self._size >= MOST_WAITING and self._error is None:
            self._room.clear()
            await self._room.wait()
        if self._error is not None:
            raise self._error
        if self.ending:
            raise BrokenPipeError("This half of the stream has ended.")
        part = bytes(data[:MOST_WAITING])
        self._parts.append(part)
        self._size += len(part)
        return len(part)

    def take(self, most: int) -> bytes:
        """Return what is sent next; empty: nothing, or no credit."""
        if not self._parts or not self._credit:
            return b""
        data = self._parts.popleft()
        allowed = min(most, self._credit)
        if len(data) > allowed:
            self._parts.appendleft(data[allowed:])
            data = data[:allowed]
        self._size -= len(data)
        self._credit -= len(data)
        if self._size < MOST_WAITING:
            self._room.set()
        return data

    def ends(self) -> bool:
        """Tell whether the end is to be said now, once."""
        if self.ended or not self.ending or self._parts:
            return False
        self.ended = True
        return True

    def grant(self, more: int) -> bool:
        """Take credit; tell whether it can be true."""
        self._credit += more
        return self._credit <= MOST_CREDIT

    def break_off(self, error: ConnectionError) -> None:
        """Raise an error to who writes."""
        self._error = self._error or error
        self._room.set()
