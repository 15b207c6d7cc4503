"""A REST service that sums two numbers, as small as a service can be."""

import json
import os
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

__all__ = ["Handler", "main"]

HERE = Path(__file__).parent
LONGEST_BODY = 64 * 1024
LONGEST_DRAINED = 16 * 1024**2
DIGITS = 100
PAGES: Mapping[str, tuple[str, str]] = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/openapi.json": ("openapi.json", "application/json"),
}


class RefusedError(Exception):
    """What was sent cannot be summed."""


def number(name: str, values: Mapping[str, object]) -> Decimal:
    """Read one number of the request, exactly as it was written."""
    if name not in values:
        raise RefusedError(f"“{name}” is missing: send two numbers, a and b.")
    text = str(values[name])
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("nan")
    if not value.is_finite() or len(text) > DIGITS or abs(value.adjusted()) > DIGITS:
        raise RefusedError(f"“{name}” is not a number of at most {DIGITS} digits.")
    return value


def plain(value: Decimal) -> int | float:
    """Return a number as JSON knows it."""
    return int(value) if value == value.to_integral_value() else float(value)


def add(values: Mapping[str, object]) -> dict[str, int | float]:
    """Sum the numbers `a` and `b`, and repeat them beside their sum."""
    a, b = number("a", values), number("b", values)
    return {"a": plain(a), "b": plain(b), "sum": plain(a + b)}


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    server_version = "Sum/1.0"

    def do_GET(self) -> None:
        """Serve the page, the description, the health and sums asked by query."""
        address = urlsplit(self.path)
        if address.path in PAGES:
            name, kind = PAGES[address.path]
            self.reply(HTTPStatus.OK, (HERE / name).read_bytes(), kind)
        elif address.path == "/health":
            self.reply_json(HTTPStatus.OK, {"status": "good"})
        elif address.path == "/sum":
            self.reply_sum(dict(parse_qsl(address.query)))
        else:
            self.reply_json(HTTPStatus.NOT_FOUND, {"error": f"There is nothing at {address.path}."})

    def do_POST(self) -> None:
        """Serve sums asked by a JSON object."""
        body = self.body()
        if body is None:
            self.reply_json(HTTPStatus.BAD_REQUEST, {"error": f"Send a body of at most {LONGEST_BODY} bytes."})
            return
        if urlsplit(self.path).path != "/sum":
            self.reply_json(HTTPStatus.NOT_FOUND, {"error": f"There is nothing to post to at {self.path}."})
            return
        try:
            values = json.loads(body, parse_float=str, parse_int=str)
        except ValueError:
            values = None
        if isinstance(values, dict):
            self.reply_sum(values)
        else:
            self.reply_json(HTTPStatus.BAD_REQUEST, {"error": 'Send a JSON object, for example {"a": 1, "b": 2}.'})

    def body(self) -> bytes | None:
        """Read the request's body; None: it is too long, or its length is not told, and the connection ends after the answer."""
        length = self.headers.get("Content-Length", "")
        if not length.isdigit():
            self.close_connection = True
            return None
        if int(length) <= LONGEST_BODY:
            return self.rfile.read(int(length))
        # Read all the same: a connection closed on unread data may take the answer with it.
        self.close_connection = True
        left = min(int(length), LONGEST_DRAINED)
        while left and (chunk := self.rfile.read(min(left, LONGEST_BODY))):
            left -= len(chunk)
        return None

    def reply_sum(self, values: Mapping[str, object]) -> None:
        """Answer with the sum, or with what is wrong."""
        try:
            self.reply_json(HTTPStatus.OK, add(values))
        except RefusedError as error:
            self.reply_json(HTTPStatus.BAD_REQUEST, {"error": str(error)})

    def reply_json(self, status: HTTPStatus, value: Mapping[str, object]) -> None:
        """Answer with a JSON object."""
        self.reply(status, json.dumps(value, ensure_ascii=False).encode(), "application/json")

    def reply(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        """Answer with a body."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    """Serve on the port in PORT (8000; 0: a free one) until ended."""
    server = ThreadingHTTPServer(("", int(os.environ.get("PORT", "8000"))), Handler)
    print(f"Listening on port {server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
