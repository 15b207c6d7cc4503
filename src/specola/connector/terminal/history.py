"""The newest bytes of a stream, each known by its offset from the stream's beginning."""

__all__ = ["History"]


class History:
    """Keeps at most `most` bytes, and `slack` more for who has begun to read and is overtaken; older ones are dropped."""

    def __init__(self, most: int, *, slack: int = 0) -> None:
        self._most = most
        self._slack = slack
        self._kept = bytearray()
        self.end = 0
        """The offset after the newest byte."""

    @property
    def start(self) -> int:
        """The offset of the oldest byte that is kept."""
        return self.end - len(self._kept)

    def append(self, data: bytes) -> None:
        """Add bytes at the end."""
        self._kept += data
        self.end += len(data)
        if len(self._kept) > self._most + self._slack:
            del self._kept[: len(self._kept) - self._most - self._slack]

    def since(self, offset: int, most: int) -> bytes:
        """Return up to `most` bytes from an offset on, which must be kept."""
        begin = offset - self.start
        return bytes(self._kept[begin : begin + most])

    def beginning(self) -> int:
        """Return the offset where reading begins well: after the first line that may have been cut, if any was dropped."""
        begin = max(len(self._kept) - self._most, 0)
        if not self.start + begin:
            return 0
        return self.start + max(self._kept.find(b"\n", begin) + 1, begin)
