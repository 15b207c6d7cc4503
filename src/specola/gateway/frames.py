"""Reads the headers of a visitor's WebSocket frames: what was a person's doing, and what keeps a connection open."""

__all__ = ["MOST_AT_ONCE", "Frames"]

CONTROL = 0x8
"""Opcodes from here on are of control frames: close, ping, pong (RFC 6455, 5.5)."""
MOST_AT_ONCE = 256


class Frames:
    """Follows the frames that a visitor sends (RFC 6455, 5.2); payloads are skipped, and stay masked.

    Parameters
    ----------
    pings
        Messages of at most so many bytes do not count: applications keep connections open with them.

    Notes
    -----
    A few operations for each frame, whatever its size. Whoever sends more than 256 frames in one piece streams
    something: that connection is not looked into any more, and all it sends counts.
    """

    __slots__ = ("_counts", "_gone", "_held", "_left", "_pings")

    def __init__(self, pings: int = 1) -> None:
        self._pings = pings
        self._held = b""
        self._left = 0
        """Bytes of the present frame that are still to come."""
        self._counts = False
        """Whether the present frame does."""
        self._gone = False

    def feed(self, data: bytes) -> bool:
        """Take what came; tell whether any of it counts as use."""
        if self._gone:
            return True
        used = self._counts and self._left > 0
        at = self._left
        size = len(data)
        if at >= size:
            self._left = at - size
            return used
        if self._held:
            # A frame's head was cut: nothing of its frame has been skipped yet.
            data, self._held = self._held + data, b""
            size = len(data)
        for _ in range(MOST_AT_ONCE):
            head = self._read(data, at, size)
            if head is None:
                self._held, self._left = data[at:], 0
                return used
            used = used or self._counts
            at += head
            if at >= size:
                self._left = at - size
                return used
        self._gone = True
        return True

    def _read(self, data: bytes, at: int, size: int) -> int | None:
        """Read the head of the frame at `at`; return the frame's size with its head, None if the head is not whole."""
        if size - at < 2:
            return None
        second = data[at + 1]
        length, head = second & 0x7F, 2
        if length > 125:
            more = 2 if length == 126 else 8
            head += more
            if size - at < head:
                return None
            length = int.from_bytes(data[at + 2 : at + head], "big")
        self._counts = data[at] & CONTROL == 0 and length > self._pings
        return head + (4 if second & 0x80 else 0) + length
