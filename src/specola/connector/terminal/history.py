"""The newest bytes of a stream, each known by its offset from the stream's beginning."""

__all__ = ["History"]


class History:
    """Keeps at most `most` bytes; older ones are dropped."""

    def __init__(self, most: int) -> None:
        self._most = most
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
        if len(self._kept) > self._most:
            del self._kept[: len(self._kept) - self._most]

    def since(self, offset: int, most: int) -> bytes:
        """Return up to `most` bytes from an offset on, which must be kept."""
        begin = offset - self.start
        return bytes(self._kept[begin : begin + most])

    def beginning(self) -> int:
        """Return the offset where reading begins well: after the first line that may have been cut, if any was dropped."""
        if not self.start:
            return 0
        return self.start + self._kept.find(b"\n") + 1
