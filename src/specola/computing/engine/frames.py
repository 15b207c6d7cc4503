"""How an engine puts a container's output and error output into one stream, and how lines are made of it."""

import re
import struct
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Protocol

from specola.domain.computing import LogLine

__all__ = ["Reader", "frame", "frames", "lines"]

STREAMS = {1: "stdout", 2: "stderr"}
HEADER = struct.Struct(">BxxxL")
# A program may write without ever ending a line; what is longer is handed on in pieces.
LONGEST = 64 * 1024
STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d) ")


class Reader(Protocol):
    """What both asyncio's and aiohttp's stream readers offer."""

    async def readexactly(self, n: int, /) -> bytes:
        """Return exactly `n` bytes, or raise IncompleteReadError."""


async def frame(reader: Reader) -> tuple[str, bytes] | None:
    """Return the next (stream, bytes), or None at the end; a stream cut in the middle of a frame raises IncompleteReadError.

    Each frame has a header of 8 bytes: which stream, three zeros, the length as a big-endian 32-bit number
    (Docker Engine API, "Attach to a container", stream format).
    """
    first = await _first(reader)
    if first is None:
        return None
    kind, length = HEADER.unpack(first + await reader.readexactly(HEADER.size - 1))
    return STREAMS.get(kind, "stdout"), await reader.readexactly(length)


async def frames(reader: Reader) -> AsyncIterator[tuple[str, bytes]]:
    """Yield (stream, bytes) until the stream ends."""
    while (one := await frame(reader)) is not None:
        yield one


async def lines(reader: Reader) -> AsyncIterator[LogLine]:
    """Yield the lines of a stream of frames, each of which begins with the moment it was written.

    An engine cuts a long line into several frames, each with a moment of its own: it ends where a newline is.
    """
    pending: dict[str, tuple[datetime | None, bytes]] = {}
    async for stream, frame in frames(reader):
        at, data = _moment(frame)
        since, kept = pending.pop(stream, (at, b""))
        *whole, rest = (kept + data).split(b"\n")
        for one in whole:
            for line in _pieces(since, stream, one):
                yield line
            since = at
        while len(rest) > LONGEST:
            yield _line(since, stream, rest[:LONGEST])
            rest = rest[LONGEST:]
        if rest:
            pending[stream] = (since, rest)
    for stream, (at, rest) in pending.items():
        yield _line(at, stream, rest)


async def _first(reader: Reader) -> bytes | None:
    try:
        return await reader.readexactly(1)
    except EOFError:
        return None


def _moment(data: bytes) -> tuple[datetime | None, bytes]:
    found = STAMP.match(data)
    if found is None:
        return None, data
    # Nanoseconds are more than a datetime holds.
    seconds, fraction, zone = (part.decode() if part else "" for part in found.groups())
    return datetime.fromisoformat(f"{seconds}{fraction[:7]:0<7}{zone}" if fraction else seconds + zone), data[
        found.end() :
    ]


def _pieces(at: datetime | None, stream: str, data: bytes) -> list[LogLine]:
    return [_line(at, stream, data[start : start + LONGEST]) for start in range(0, max(len(data), 1), LONGEST)]


def _line(at: datetime | None, stream: str, data: bytes) -> LogLine:
    return LogLine(at=at, stream=stream, text=data.decode(errors="replace").rstrip("\r"))
