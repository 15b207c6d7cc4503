"""Makes the header block that a request carries on: to a task, to the platform, or to the waiting page."""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import quote

from specola.gateway.cookies import without_own
from specola.gateway.decisions import Decision
from specola.gateway.framing import is_ours
from specola.gateway.requests import Head

__all__ = [
    "PLATFORM_TOKEN",
    "Via",
    "block_for_agent",
    "block_for_page",
    "block_for_platform",
    "block_for_task",
    "block_for_terminal",
    "target_for_task",
]

PLATFORM_TOKEN = re.compile(rb"[Bb][Ee][Aa][Rr][Ee][Rr][ \t]+(specola_[A-Za-z0-9_\-]{43})")
TOKEN_LIKE = re.compile(rb"bearer[ \t]+specola_", re.IGNORECASE)
FORWARDED = frozenset((b"forwarded", b"x-real-ip"))
PAGE_FIELDS = frozenset(
    (
        b"host", b"accept", b"accept-language", b"accept-encoding", b"user-agent", b"if-none-match",
        b"if-modified-since", b"last-event-id", b"content-type", b"content-length", b"transfer-encoding", b"expect",
        b"cache-control", b"range",
    )
)  # fmt: skip
"""All that a page of the platform's on a task's origin learns of a visitor, beside the person's id."""
SOCKET_FIELDS = frozenset(
    (
        b"host", b"upgrade", b"connection", b"sec-websocket-key", b"sec-websocket-version", b"sec-websocket-protocol",
        b"sec-websocket-extensions",
    )
)  # fmt: skip
"""All that a terminal learns of a visitor, beside the person's id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Via:
    """How a request reached the gateway."""

    address: str
    scheme: str
    encrypted: bool = False
    """Whether the gateway itself ends TLS here."""
    trusted: bool = field(default=False)
    """Whether the peer is a proxy whose X-Forwarded-* is believed."""

    def visitor(self, head: Head) -> str:
        """Return the visitor's own address: what a trusted proxy says, or else the peer's."""
        if not self.trusted:
            return self.address
        # What stands last was added by the proxy itself; what stands before it, anybody may have sent.
        said = b",".join(head.values.get(b"x-forwarded-for", ())).rpartition(b",")[2].strip().decode("latin-1")
        try:
            return str(ipaddress.ip_address(said))
        except ValueError:
            return self.address

    def fields(self, head: Head) -> list[tuple[bytes, bytes]]:
        """Return the X-Forwarded-* fields to send on."""
        visitors, scheme, host = self.address.encode(), self.scheme.encode(), head.host
        if self.trusted:
            before = b", ".join(head.values.get(b"x-forwarded-for", ()))
            visitors = before + b", " + visitors if before else visitors
            scheme = head.one(b"x-forwarded-proto") or scheme
            host = head.one(b"x-forwarded-host") or host
        return [(b"X-Forwarded-For", visitors), (b"X-Forwarded-Proto", scheme), (b"X-Forwarded-Host", host)]


def block_for_task(head: Head, decision: Decision, via: Via) -> bytes:
    """Return the header block for a task, with its empty line: what is ours is taken out, what it needs is added."""
    cookies = frozenset(name for way, name, _ in decision.add if way == b"cookie")
    headers = {name.lower(): (name, value) for way, name, value in decision.add if way == b"header"}
    if any(not TOKEN_LIKE.match(value) for value in head.values.get(b"authorization", ())):
        headers.pop(b"authorization", None)
    added = [value for way, name, value in decision.add if way == b"cookie" for value in (name + b"=" + value,)]
    fields: list[tuple[bytes, bytes]] = []
    for name, value in carried(head):
        key = name.lower()
        if key in headers or (key == b"authorization" and TOKEN_LIKE.match(value)):
            continue
        if key == b"cookie":
            left = without_own(value, cookies)
            kept = b"; ".join((left, *added)) if left else b"; ".join(added)
            added = []
            if kept:
                fields.append((name, kept))
        elif key == b"origin" and decision.own_address:
            fields.append((name, decision.own_address))
        else:
            fields.append((name, value))
    if added:
        fields.append((b"Cookie", b"; ".join(added)))
    return joined((*fields, *headers.values(), *via.fields(head)), head)


def target_for_task(target: bytes, decision: Decision) -> bytes:
    """Return the target with the query parameters that the task needs; the visitor's of the same name go."""
    wanted = [(name, value) for way, name, value in decision.add if way == b"query"]
    if not wanted or target == b"*":
        return target
    names = {name for name, _ in wanted}
    path, _, query = target.partition(b"?")
    kept = [one for one in query.split(b"&") if one and one.partition(b"=")[0] not in names]
    kept += [quote(name, safe="").encode() + b"=" + quote(value, safe="").encode() for name, value in wanted]
    return path + b"?" + b"&".join(kept)


def block_for_platform(head: Head, via: Via, request: str) -> bytes:
    """Return the header block for `web`, with its empty line."""
    fields = [(name, value) for name, value in carried(head) if name.lower() != b"x-request-id"]
    return joined((*fields, *via.fields(head), (b"X-Request-Id", request.encode())), head)


def block_for_agent(head: Head, via: Via) -> bytes:
    """Return the header block of a WebSocket of a task's agent, with its empty line: what it shows, and where it comes from."""
    wanted = SOCKET_FIELDS | {b"authorization"}
    fields = [(name, value) for name, value in carried(head) if name.lower() in wanted]
    return joined((*fields, *via.fields(head)), None)


def block_for_page(head: Head, via: Via, decision: Decision) -> bytes:
    """Return the header block for a page of the platform's, with its empty line: no cookie, no token."""
    fields = [(name, value) for name, value in carried(head) if name.lower() in PAGE_FIELDS]
    marks = ",".join(sorted(one for one in decision.marks if not one.startswith("task:"))).encode()
    ours = ((b"X-Specola-Person", decision.person.encode()), (b"X-Specola-Marks", marks))
    return joined((*fields, *via.fields(head), *ours), None)


def block_for_terminal(head: Head, via: Via, decision: Decision, task: str) -> bytes:
    """Return the header block of a WebSocket to a terminal, with its empty line: no cookie, no token."""
    fields = [(name, value) for name, value in carried(head) if name.lower() in SOCKET_FIELDS]
    ours = ((b"X-Specola-Task", task.encode()), (b"X-Specola-Person", decision.person.encode()))
    return joined((*fields, *via.fields(head), *ours), None)


def carried(head: Head) -> Iterable[tuple[bytes, bytes]]:
    """Return the visitor's fields without those that end here or that only the gateway may set."""
    for name, value in head.fields:
        key = name.lower()
        if key in head.ends_here:
            if head.upgrade is not None and key in {b"upgrade", b"connection"}:
                yield name, (value if key == b"upgrade" else b"Upgrade")
        elif not (key in FORWARDED or is_ours(key)):
            yield name, value


def joined(fields: Iterable[tuple[bytes, bytes]], head: Head | None) -> bytes:
    """Return the fields as bytes, with the empty line."""
    lines = [name + b": " + value + b"\r\n" for name, value in fields]
    if head is not None and head.minor == 0:
        lines.append(b"Connection: close\r\n")
    return b"".join(lines) + b"\r\n"
