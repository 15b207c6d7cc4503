"""What a cluster keeps of a task's output: lines, each behind the moment it was written."""

import re
from collections.abc import AsyncIterator
from datetime import datetime

from specola.domain.computing import LogLine

__all__ = ["lines"]

# A program may write without ever ending a line; what is longer is handed on in pieces.
LONGEST = 64 * 1024
STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d) ")


async def lines(pieces: AsyncIterator[bytes]) -> AsyncIterator[LogLine]:
    """Yield the lines in bytes as they come."""
    rest = b""
    async for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        for one in whole:
            yield _line(one)
        while len(rest) > LONGEST:
            yield _line(rest[:LONGEST])
            rest = rest[LONGEST:]
    if rest:
        yield _line(rest)


def _line(data: bytes) -> LogLine:
    found = STAMP.match(data)
    at = None
    if found is not None:
        seconds, fraction, zone = (part.decode() if part else "" for part in found.groups())
        # Nanoseconds are more than a datetime holds.
        at = datetime.fromisoformat(f"{seconds}{fraction[:7]:0<7}{zone}" if fraction else seconds + zone)
        data = data[found.end() :]
    return LogLine(at=at, stream="stdout", text=data.decode(errors="replace").rstrip("\r"))
