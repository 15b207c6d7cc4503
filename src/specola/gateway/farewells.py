"""What a client is told in its own protocol before its connection is closed, so that it can say what is wrong."""

from specola.gateway.requests import RefusedError

__all__ = ["farewell"]


def farewell(protocol: str, error: RefusedError) -> bytes:
    """Return the last words to a client of a protocol; empty where the protocol has none for its beginning."""
    words = {"postgres": postgres_error, "redis": redis_error}.get(protocol)
    return words(error) if words else b""


def postgres_error(error: RefusedError) -> bytes:
    """Return an ErrorResponse (PostgreSQL, "Message Formats"): SQLSTATE 57P03 where trying again helps, else 28000."""
    state = "57P03" if error.status == 503 else "28000"
    fields = {"S": "FATAL", "V": "FATAL", "C": state, "M": error.sentence, "H": error.hint}
    body = b"".join(f"{kind}{text}\0".encode() for kind, text in fields.items() if text) + b"\0"
    return b"E" + (len(body) + 4).to_bytes(4) + body


def redis_error(error: RefusedError) -> bytes:
    """Return a simple error (Redis serialization protocol), which answers whatever is asked first."""
    line = " ".join(f"{error.sentence} {error.hint}".split())
    return f"-ERR {line}\r\n".encode()
