"""The handshake of a tunnel: what a visitor has to ask, and what it is answered (RFC 6455, section 4)."""

import base64
import binascii

from specola.gateway.requests import Head, RefusedError
from specola.websocket import accept_key

__all__ = ["welcome"]

SPOKEN = ("specola.tunnel", "binary")
"""Sub-protocols that are echoed if they are offered; none is needed."""
VERSION = b"13"


def welcome(head: Head) -> bytes:
    """Return the answer that makes a WebSocket of a connection; raises RefusedError."""
    if head.method != b"GET" or head.upgrade is None or head.upgrade.lower() != b"websocket":
        raise RefusedError(
            426, "websocket_needed", "A tunnel is a WebSocket.", hint="Use `specola forward` or `specola connect`."
        )
    if head.one(b"sec-websocket-version") != VERSION:
        raise RefusedError(400, "websocket_version", "Of all versions of WebSocket only 13 is spoken.")
    key = head.one(b"sec-websocket-key") or b""
    if not is_key(key):
        raise RefusedError(400, "websocket_key", "The request needs one Sec-WebSocket-Key of 16 bytes in base64.")
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept_key(key.decode('ascii'))}",
    ]
    spoken = chosen(head.values.get(b"sec-websocket-protocol", ()))
    if spoken:
        lines.append(f"Sec-WebSocket-Protocol: {spoken}")
    return "\r\n".join((*lines, "", "")).encode("ascii")


def is_key(key: bytes) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False


def chosen(offered: tuple[bytes, ...]) -> str:
    """Return the first sub-protocol of ours that is offered; empty if there is none."""
    words = [word.strip() for value in offered for word in value.decode("latin-1").split(",")]
    return next((word for word in words if word in SPOKEN), "")
