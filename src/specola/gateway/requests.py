"""Reads the head of a request, strictly: what two readers could understand differently is refused."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import httptools

from specola.gateway.framing import FIELD, FIELDS, Body, Chunked, Length

__all__ = ["HEAD_LIMIT", "LINE", "Head", "RefusedError", "read_head"]

HEAD_LIMIT = 64 * 1024
FIELD_LIMIT = 128
METHODS = (
    b"GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|PROPFIND|PROPPATCH|MKCOL|COPY|MOVE|LOCK|UNLOCK|REPORT|SEARCH"
    b"|CHECKOUT|MERGE|MKACTIVITY|TRACE|ACL|QUERY"
)
LINE = re.compile(rb"(" + METHODS + rb") (/[!-\"$-~]*) HTTP/1\.1\r\n")
"""The request line nearly everybody sends; anything else is read by `read_head` at leisure."""
ANY_LINE = re.compile(
    rb"(?P<method>" + METHODS + rb") "
    rb"(?:(?P<scheme>https?)://(?P<authority>[^/?#\s@]+))?(?P<target>/[!-\"$-~]*|\*|\?[!-\"$-~]*|) "
    rb"HTTP/1\.(?P<minor>[01])\r\n",
)
DIGITS = re.compile(rb"[0-9]{1,15}")
ENDS_HERE = frozenset(
    (
        b"connection", b"keep-alive", b"proxy-connection", b"proxy-authorization", b"proxy-authenticate", b"te",
        b"upgrade", b"http2-settings",
    )
)  # fmt: skip
"""Fields that concern one connection only (RFC 9110, 7.6.1)."""
NEVER_OPTIONS = frozenset(
    (
        b"authorization", b"content-length", b"content-type", b"cookie", b"expect", b"host", b"origin",
        b"sec-fetch-dest", b"sec-fetch-mode", b"sec-fetch-site", b"transfer-encoding",
    )
)  # fmt: skip
"""Fields that `Connection` may not name: removing one would change what the request means."""


class RefusedError(Exception):
    """A request is not carried on: a status, a stable code, one sentence."""

    def __init__(self, status: int, code: str, sentence: str, *, hint: str = "") -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code
        self.sentence = sentence
        self.hint = hint


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What a request's head says; `fields` are all fields in order and case as sent, `values` by lower-case name."""

    method: bytes
    target: bytes
    minor: int
    host: bytes
    fields: tuple[tuple[bytes, bytes], ...] = field(repr=False)
    values: Mapping[bytes, tuple[bytes, ...]] = field(repr=False)
    block: bytes = field(repr=False)
    """All that follows the request line, as sent."""
    ends_here: frozenset[bytes]
    """Lower-case names of the fields that are not passed on."""
    length: int | None
    chunked: bool
    keep: bool
    upgrade: bytes | None
    expects: bool

    def one(self, name: bytes) -> bytes | None:
        """Return a field's value; None if it is absent or there are several."""
        values = self.values.get(name, ())
        return values[0] if len(values) == 1 else None

    def body(self) -> Body | None:
        """Return a fresh reader of the request's body, None if it has none."""
        if self.chunked:
            return Chunked()
        return Length(self.length) if self.length else None


def read_head(data: bytes) -> Head:
    """Read a head, from the request line to the empty line; raises RefusedError."""
    line = ANY_LINE.match(data)
    if line is None:
        raise RefusedError(400, "request_line", "The request line is malformed.")
    block = data[line.end() : -2]
    if not FIELDS.fullmatch(block):
        raise RefusedError(400, "header", "A header line is malformed.")
    check_with_llhttp(data)
    fields = tuple(FIELD.findall(block))
    if len(fields) > FIELD_LIMIT:
        raise RefusedError(431, "headers_too_many", "The request has too many header lines.")
    values: dict[bytes, tuple[bytes, ...]] = {}
    for name, value in fields:
        key = name.lower()
        values[key] = (*values.get(key, ()), value)
    minor = int(line["minor"])
    options = tokens(values.get(b"connection", ()))
    if not NEVER_OPTIONS.isdisjoint(options):
        raise RefusedError(400, "connection", "The Connection header names a field that may not be dropped.")
    length, chunked = body_of(values, minor)
    return Head(
        method=line["method"],
        target=target_of(line),
        minor=minor,
        host=host_of(values, line["authority"]),
        fields=fields,
        values=values,
        block=data[line.end() :],
        ends_here=ENDS_HERE | options,
        length=length,
        chunked=chunked,
        keep=minor == 1 and b"close" not in options,
        upgrade=upgrade_of(values, options, has_body=bool(length) or chunked, minor=minor),
        expects=expects(values, minor),
    )


class Silent:
    """Listens to nothing: llhttp is asked for its judgement only."""


SILENT = Silent()


def check_with_llhttp(data: bytes) -> None:
    """Let llhttp judge the head too; it knows rules that are not written here."""
    try:
        httptools.HttpRequestParser(SILENT).feed_data(data)
    except httptools.HttpParserUpgrade:
        return
    except httptools.HttpParserError as error:
        raise RefusedError(400, "malformed", "The request is malformed.") from error


def target_of(line: re.Match[bytes]) -> bytes:
    """Return the target in origin form, or `*`."""
    target = line["target"]
    if target == b"*":
        if line["method"] != b"OPTIONS" or line["authority"]:
            raise RefusedError(400, "target", "The request's target is malformed.")
        return target
    if target.startswith(b"/"):
        return target
    if not line["authority"]:
        raise RefusedError(400, "target", "The request's target is malformed.")
    return b"/" + target


def host_of(values: Mapping[bytes, tuple[bytes, ...]], authority: bytes | None) -> bytes:
    """Return the one Host; a target in absolute form has to name the same."""
    hosts = values.get(b"host", ())
    if len(hosts) != 1 or not hosts[0]:
        raise RefusedError(400, "host", "The request needs exactly one Host header.")
    if authority is not None and authority.lower() != hosts[0].lower():
        raise RefusedError(400, "host", "The request's target and its Host header name different hosts.")
    return hosts[0]


def body_of(values: Mapping[bytes, tuple[bytes, ...]], minor: int) -> tuple[int | None, bool]:
    """Return (length, chunked)."""
    codings = values.get(b"transfer-encoding", ())
    lengths = values.get(b"content-length", ())
    if codings:
        if lengths:
            raise RefusedError(400, "framing", "The request has both Content-Length and Transfer-Encoding.")
        if minor == 0:
            raise RefusedError(400, "framing", "HTTP/1.0 has no Transfer-Encoding.")
        if len(codings) > 1 or codings[0].lower() != b"chunked":
            raise RefusedError(501, "framing", "Of all transfer codings only chunked is understood.")
        return None, True
    if not lengths:
        return None, False
    if len(lengths) > 1 or not DIGITS.fullmatch(lengths[0]):
        raise RefusedError(400, "framing", "The request needs one Content-Length, in digits.")
    return int(lengths[0]), False


def upgrade_of(
    values: Mapping[bytes, tuple[bytes, ...]], options: frozenset[bytes], *, has_body: bool, minor: int
) -> bytes | None:
    """Return the protocol to change to. HTTP/2 in clear text is not: requests inside it would pass unchecked."""
    wanted = values.get(b"upgrade", ())
    if not wanted or b"upgrade" not in options or minor == 0:
        return None
    if len(wanted) > 1:
        raise RefusedError(400, "upgrade", "The request has more than one Upgrade header.")
    if b"h2c" in wanted[0].lower() or has_body:
        return None
    return wanted[0]


def expects(values: Mapping[bytes, tuple[bytes, ...]], minor: int) -> bool:
    """Tell whether the visitor waits for `100 Continue` before it sends the body."""
    wanted = values.get(b"expect", ())
    if not wanted:
        return False
    if len(wanted) > 1 or wanted[0].lower() != b"100-continue":
        raise RefusedError(417, "expectation", "Only the expectation 100-continue is understood.")
    return minor == 1


def tokens(values: tuple[bytes, ...]) -> frozenset[bytes]:
    """Return the members of a comma-separated list, in lower case."""
    return frozenset(one.strip().lower() for value in values for one in value.split(b",") if one.strip())
