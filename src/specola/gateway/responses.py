"""Reads the head of a task's answer, strictly, and makes of it what the visitor gets."""

import re
from dataclasses import dataclass, field
from functools import cached_property

import httptools

from specola.gateway.cookies import may_be_set_by_task
from specola.gateway.framing import FIELDS, Body, Chunked, FramingError, Length, UntilClose

__all__ = ["Answer", "read_answer"]

STATUS = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})((?: [^\x00-\x08\x0a-\x1f\x7f]*)?)\r\n")
DIGITS = re.compile(rb"[0-9]{1,15}")
NOTED = re.compile(
    rb"^(connection|keep-alive|proxy-connection|proxy-authenticate|upgrade|te|content-length|transfer-encoding"
    rb"|set-cookie|alt-svc|clear-site-data|x-specola-[^:]*):[ \t]*([^\r\n]*?)[ \t]*\r\n",
    re.IGNORECASE | re.MULTILINE,
)
"""The few fields that have a meaning here; all others pass as they are."""

# Alt-Svc would send browsers past the gateway; Clear-Site-Data clears the cookies of every sibling under the same
# registrable domain, where that is not on the Public Suffix List.
NEVER_FROM_TASKS = frozenset((b"alt-svc", b"clear-site-data"))
NEVER_PASSED = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"te"))


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer's head. `head` is what the visitor gets, without the empty line at its end."""

    status: int
    head: bytes = field(repr=False)
    length: int | None
    chunked: bool
    keep: bool
    """Whether the connection may be used again after the body."""
    upgraded: bool
    changed: bool
    """Whether `wire` differs from what the task sent."""

    @cached_property
    def wire(self) -> bytes:
        """The head for a connection that is kept."""
        return self.head + b"\r\n"

    @cached_property
    def last_wire(self) -> bytes:
        """The head for a connection that ends with this answer."""
        return self.head + b"Connection: close\r\n\r\n"

    @property
    def informational(self) -> bool:
        """Whether another answer follows to the same request."""
        return self.status < 200 and not self.upgraded

    def body(self, method: bytes) -> Body | None:
        """Return a reader of the body, None if there is none (RFC 9112, 6.3)."""
        if method == b"HEAD" or self.status in {204, 304} or self.status < 200:
            return None
        if self.chunked:
            return Chunked()
        if self.length is not None:
            return Length(self.length) if self.length else None
        return UntilClose()


def read_answer(data: bytes, *, from_task: bool) -> Answer:
    """Read a head with its empty line; raises FramingError for what is malformed or can be read in two ways."""
    line = STATUS.match(data)
    if line is None:
        raise FramingError("the answer does not begin with a status line")
    block = data[line.end() : -2]
    if not FIELDS.fullmatch(block):
        raise FramingError("the answer has a malformed header line")
    check_with_llhttp(data)
    status = int(line[2])
    noted = [(one[1].lower(), one[2], one.span()) for one in NOTED.finditer(block)]
    options = {word.strip().lower() for name, value, _ in noted if name == b"connection" for word in value.split(b",")}
    length, chunked = body_of(noted)
    upgraded = status == 101
    if upgraded and (b"upgrade" not in options or not any(name == b"upgrade" for name, _, _ in noted)):
        raise FramingError("the answer changes to a protocol that it does not name")
    old = line[1] == b"0"
    head = b"HTTP/1.1 %s%s\r\n%s" % (line[2], line[3] or b" ", cleaned(block, noted, options, from_task=from_task))
    return Answer(
        status=status,
        head=head,
        length=length,
        chunked=chunked,
        keep=(b"keep-alive" in options if old else b"close" not in options),
        upgraded=upgraded,
        changed=head != data[:-2],
    )


Noted = list[tuple[bytes, bytes, tuple[int, int]]]


class Silent:
    """Listens to nothing: llhttp is asked for its judgement only."""


SILENT = Silent()


def check_with_llhttp(data: bytes) -> None:
    """Let llhttp judge the head too."""
    try:
        httptools.HttpResponseParser(SILENT).feed_data(data)
    except httptools.HttpParserUpgrade:
        return
    except httptools.HttpParserError as error:
        raise FramingError(str(error)) from error


def body_of(noted: Noted) -> tuple[int | None, bool]:
    """Return (length, chunked)."""
    lengths = [value for name, value, _ in noted if name == b"content-length"]
    codings = [value.lower() for name, value, _ in noted if name == b"transfer-encoding"]
    if codings:
        if lengths or codings != [b"chunked"]:
            raise FramingError("the answer's body is framed in two ways, or in one that is not known")
        return None, True
    if not lengths:
        return None, False
    if len(lengths) > 1 or not DIGITS.fullmatch(lengths[0]):
        raise FramingError("the answer has a malformed Content-Length")
    return int(lengths[0]), False


def cleaned(block: bytes, noted: Noted, options: set[bytes], *, from_task: bool) -> bytes:
    """Return the header block without what concerns this connection only, and what a task may not say."""
    parts: list[bytes] = []
    done = 0
    upgrading = b"upgrade" in options
    for name, value, (begin, end) in noted:
        passes = (
            (name not in NEVER_PASSED or (name == b"connection" and upgrading))
            and (name != b"upgrade" or upgrading)
            and not (from_task and (name in NEVER_FROM_TASKS or name.startswith(b"x-specola-")))
            and not (from_task and name == b"set-cookie" and not may_be_set_by_task(value))
        )
        if passes and name == b"connection":
            parts.append(block[done:begin] + b"Connection: Upgrade\r\n")
            done = end
        elif not passes:
            parts.append(block[done:begin])
            done = end
    kept = b"".join((*parts, block[done:])) if done else block
    named = options - {b"close", b"keep-alive", b"upgrade", b"content-length", b"transfer-encoding", b"set-cookie", b""}
    return without(kept, named) if named else kept


def without(block: bytes, names: set[bytes]) -> bytes:
    """Return the block without the fields that `Connection` named."""
    lines = block.split(b"\r\n")
    return b"\r\n".join(line for line in lines if line.partition(b":")[0].lower() not in names)
