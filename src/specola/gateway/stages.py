"""The stages of a visitor's connection, how long each may last, and what is remembered from one request to the next."""

from enum import IntEnum

from specola.gateway.admission import Asked
from specola.gateway.decisions import Decision, Lease
from specola.gateway.routes import Carry

__all__ = [
    "FRESH_SECONDS",
    "HEAD_SECONDS",
    "HOLD_LIMIT",
    "IDLE_SECONDS",
    "LINGER_SECONDS",
    "NEVER",
    "SAFE_TO_REPEAT",
    "STALL_SECONDS",
    "Known",
    "Stage",
]

HOLD_LIMIT = 64 * 1024
"""Bytes held for later (a body before its upstream is there, further requests) before reading stops."""
NEVER = float("inf")
HEAD_SECONDS = 20.0
IDLE_SECONDS = 75.0
FRESH_SECONDS = 2.0
STALL_SECONDS = 600.0
LINGER_SECONDS = 2.0
SAFE_TO_REPEAT = frozenset(
    (b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE", b"PROPFIND", b"REPORT", b"SEARCH", b"TRACE")
)


class Stage(IntEnum):
    """Where a connection is; it goes round from WAITING to RELAYING, and ends in the last two."""

    WAITING = 0
    """For a whole head."""
    ADMITTING = 1
    """Somebody is asked, or dialled; what comes is held."""
    RELAYING = 2
    """A request has been sent on; its answer is not complete."""
    LINGERING = 3
    """The last answer is written; what still comes is thrown away, lest a reset swallow the answer."""
    CLOSED = 4


class Known:
    """A header block that this connection has sent before: read, checked and rewritten once, then sent on as it is."""

    __slots__ = ("asked", "block", "carry", "decision", "lease", "method", "route")

    def __init__(self, asked: Asked, carry: Carry, lease: Lease, decision: Decision) -> None:
        self.asked = asked
        self.block = asked.head.block
        self.carry = carry
        self.lease = lease
        self.decision = decision
        self.route = carry.route
        self.method = asked.head.method
