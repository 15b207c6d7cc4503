"""Pieces of a command's stream: which of its channels the bytes are of, or how it ended."""

from __future__ import annotations

import struct
from typing import Protocol

__all__ = ["CODE", "END", "ERRORS", "INPUT", "MOST", "OUTPUT", "RESIZE", "Readable", "piece", "read_piece"]

INPUT, END, RESIZE = b"i", b"e", b"r"
"""What the platform says: input, its end, another size of the terminal (columns and rows in JSON)."""
OUTPUT, ERRORS, CODE = b"o", b"s", b"x"
"""What the agent says: the two outputs, then the exit code."""
HEAD = struct.Struct(">cI")
MOST = 65536


class Readable(Protocol):
    """What pieces are read from."""

    async def read(self, most: int = 65536) -> bytes:
        """Return up to `most` bytes; empty at the end."""


def piece(kind: bytes, content: bytes = b"") -> bytes:
    """Return a piece as it is sent."""
    return HEAD.pack(kind, len(content)) + content


async def read_piece(source: Readable) -> tuple[bytes, bytes]:
    """Return the next piece, its kind and its content; two empty ones at the end.

    Raises
    ------
    ConnectionError
        The stream broke off, or is not made of pieces.
    """
    head = await _exactly(source, HEAD.size)
    if not head:
        return b"", b""
    kind, length = HEAD.unpack(head)
    if length > MOST:
        raise ConnectionError("A piece of a command's stream that is too long.")
    return kind, await _exactly(source, length, part=True)


async def _exactly(source: Readable, count: int, *, part: bool = False) -> bytes:
    data = b""
    while len(data) < count:
        more = await source.read(count - len(data))
        if not more:
            if data or part:
                raise ConnectionError("A command's stream ended within a piece.")
            return b""
        data += more
    return data
