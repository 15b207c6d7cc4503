"""WebSocket frames (RFC 6455) as a client has them: made for sending, read strictly as they come."""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Iterator

__all__ = ["BINARY", "CLOSE", "PING", "PONG", "FrameError", "Frames", "accepted", "frame"]

# RFC 6455, section 1.3.
MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CONTINUATION, BINARY, CLOSE, PING, PONG = 0x0, 0x2, 0x8, 0x9, 0xA
KNOWN = frozenset((CONTINUATION, BINARY, CLOSE, PING, PONG))
FINAL, MASKED = 0x80, 0x80
MEDIUM, LONG = 126, 127
MOST_CONTROL = 125
MOST = 1 << 24
"""Bytes of one frame; the platform sends far smaller ones."""


class FrameError(Exception):
    """What came is no frame of a server's."""


def accepted(key: str) -> str:
    """Return what a server answers to a client's key."""
    return base64.b64encode(hashlib.sha1(key.encode() + MAGIC).digest()).decode()  # noqa: S324 -- RFC 6455 has it so


def frame(kind: int, content: bytes = b"") -> bytes:
    """Return a whole frame, masked by the key zero: masks are for what scripts in browsers send."""
    size = len(content)
    if size < MEDIUM:
        head = struct.pack("!BB", FINAL | kind, MASKED | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", FINAL | kind, MASKED | MEDIUM, size)
    else:
        head = struct.pack("!BBQ", FINAL | kind, MASKED | LONG, size)
    return head + bytes(4) + content


class Frames:
    """Reads frames from bytes as they come."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield kind and content of each frame that is whole by now. Raises FrameError."""
        self._held += data
        while (found := self._next()) is not None:
            yield found

    def _next(self) -> tuple[int, bytes] | None:
        held = self._held
        if len(held) < 2:
            return None
        kind, size, begin = held[0] & 0x0F, held[1] & 0x7F, 2
        if held[0] & 0x70 or kind not in KNOWN or held[1] & MASKED:
            raise FrameError("what is no frame of a server's")
        if kind >= CLOSE and (size > MOST_CONTROL or not held[0] & FINAL):
            raise FrameError("a control frame that is too long")
        if size >= MEDIUM:
            form = "!H" if size == MEDIUM else "!Q"
            begin += struct.calcsize(form)
            if len(held) < begin:
                return None
            (size,) = struct.unpack_from(form, held, 2)
        if size > MOST:
            raise FrameError("a frame that is too long")
        if len(held) < begin + size:
            return None
        content = bytes(held[begin : begin + size])
        del held[: begin + size]
        return (kind or BINARY), content
