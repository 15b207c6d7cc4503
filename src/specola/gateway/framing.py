"""Where the body of an HTTP/1.1 message ends: found while its bytes are passed on, never by collecting them."""

import re
from typing import ClassVar, Protocol

__all__ = ["FIELD", "FIELDS", "Body", "Chunked", "FramingError", "Length", "UntilClose"]

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
VALUE = rb"[^\x00-\x08\x0a-\x1f\x7f]*"
FIELD = re.compile(rb"(" + TOKEN + rb"):[ \t]*([^\r\n]*?)[ \t]*\r\n")
FIELDS = re.compile(rb"(?:" + TOKEN + rb":" + VALUE + rb"\r\n)*")
"""A whole header block, each line with its CRLF: no bare CR or LF, no NUL, no folding, no space before the colon."""

EXTENSION = rb"(?:[ \t]{0,8};[\t\x20-\x7e\x80-\xff]{0,1000})?"
CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})" + EXTENSION + rb"\r\n")
CHUNK_BEGUN = re.compile(rb"[0-9A-Fa-f]{0,15}" + EXTENSION + rb"\r?")
CHUNK_LINE_LIMIT = 1024
TRAILER_LIMIT = 16 * 1024

# A trailer must never be taken for one of these by whoever merges it into the headers (RFC 9110, 6.5.1).
NOT_IN_TRAILERS = frozenset(
    (
        b"authorization", b"connection", b"content-encoding", b"content-length", b"content-range", b"content-type",
        b"cookie", b"expect", b"forwarded", b"host", b"keep-alive", b"origin", b"proxy-authorization", b"set-cookie",
        b"te", b"trailer", b"transfer-encoding", b"upgrade",
    )
)  # fmt: skip


class FramingError(Exception):
    """A body is not framed as its header said."""


class Body(Protocol):
    """Reads a body as it comes."""

    done: bool
    ends_by_close: ClassVar[bool]
    """Whether the end of the connection is the end of the body, rather than a loss."""

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """Take the next bytes; return what to pass on, and what follows the body once it is `done`."""


class Length:
    """A body of as many bytes as Content-Length said."""

    __slots__ = ("_left", "done")
    ends_by_close: ClassVar[bool] = False

    def __init__(self, length: int) -> None:
        self._left = length
        self.done = length == 0

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """See Body."""
        size = len(data)
        if size < self._left:
            self._left -= size
            return data, b""
        self.done = True
        if size == self._left:
            self._left = 0
            return data, b""
        cut, self._left = self._left, 0
        return data[:cut], data[cut:]


class UntilClose:
    """A body that ends with its connection."""

    __slots__ = ("done",)
    ends_by_close: ClassVar[bool] = True

    def __init__(self) -> None:
        self.done = False

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """See Body."""
        return data, b""


class Chunked:
    """A chunked body. Chunks pass as they are; trailers are held until they are whole, checked and cleaned."""

    __slots__ = ("_crlf", "_held", "_last", "_left", "done")
    ends_by_close: ClassVar[bool] = False

    def __init__(self) -> None:
        self._held = b""
        self._left = 0
        self._crlf = 0
        self._last = False
        self.done = False

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """See Body."""
        if self._held:
            data, self._held = self._held + data, b""
        at, size = 0, len(data)
        while at < size:
            if self._left:
                step = min(self._left, size - at)
                self._left -= step
                at += step
            elif self._crlf:
                at = self._chunk_end(data, at)
            elif self._last:
                return self._trailers(data, at)
            else:
                found = CHUNK.match(data, at)
                if found is None:
                    return self._hold_line(data, at)
                at = found.end()
                self._left = int(found[1], 16)
                self._last = self._left == 0
                self._crlf = 0 if self._last else 2
        return data, b""

    def _chunk_end(self, data: bytes, at: int) -> int:
        seen = data[at : at + self._crlf]
        if not b"\r\n"[2 - self._crlf :].startswith(seen):
            raise FramingError("a chunk is longer than it said")
        self._crlf -= len(seen)
        return at + len(seen)

    def _hold_line(self, data: bytes, at: int) -> tuple[bytes, bytes]:
        self._held = data[at:]
        if len(self._held) > CHUNK_LINE_LIMIT or not CHUNK_BEGUN.fullmatch(self._held):
            raise FramingError("a chunk does not begin with its size")
        return data[:at], b""

    def _trailers(self, data: bytes, at: int) -> tuple[bytes, bytes]:
        if data.startswith(b"\r\n", at):
            self.done = True
            return data[: at + 2], data[at + 2 :]
        end = data.find(b"\r\n\r\n", at)
        if end < 0:
            self._held = data[at:]
            if len(self._held) > TRAILER_LIMIT:
                raise FramingError("the trailers are too long")
            return data[:at], b""
        block = data[at : end + 2]
        if end - at > TRAILER_LIMIT or not FIELDS.fullmatch(block):
            raise FramingError("a trailer is malformed")
        self.done = True
        kept = [
            line[0] for line in FIELD.finditer(block) if line[1].lower() not in NOT_IN_TRAILERS and not is_ours(line[1])
        ]
        return b"".join((data[:at], *kept, b"\r\n")), data[end + 4 :]


def is_ours(name: bytes) -> bool:
    """Tell whether a field is one that only the gateway may set."""
    return name.lower().startswith((b"x-specola-", b"x-forwarded-"))
