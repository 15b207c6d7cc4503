#!/usr/bin/env python3
"""Serves one protocol, chosen by a word: a page with its service, WebSocket, gRPC or an echo."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

HTTP, SOCKET, REST, ECHO, GRPC = 8000, 8001, 8002, 7000, 50051
EVERYWHERE = "0.0.0.0"  # noqa: S104 -- in a container
PAGE = Path("/usr/local/share/protocols/page.html")
CHUNK = 65536


class Application(BaseHTTPRequestHandler):
    """A page, and the sum that its button asks for."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer with the page, or with a sum."""
        target = urlsplit(self.path)
        if target.path != "/sum":
            self._answer("text/html", PAGE.read_bytes())
            return
        asked = parse_qs(target.query)
        total = sum(int(asked[name][0]) for name in ("a", "b"))
        self._answer("application/json", json.dumps({"sum": total}).encode())

    def do_POST(self) -> None:
        """Answer with the length of what was sent."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer("application/json", json.dumps({"length": len(body)}).encode())

    def _answer(self, kind: str, body: bytes) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def serve_http(port: int) -> None:
    """Serve the page."""
    ThreadingHTTPServer((EVERYWHERE, port), Application).serve_forever()


async def serve_websocket() -> None:
    """Serve the page to whoever asks for one, and an echo to whoever opens a WebSocket."""
    import websockets.legacy.server as websockets

    async def page(_path: str, headers: Mapping[str, str]) -> tuple[HTTPStatus, list[tuple[str, str]], bytes] | None:
        if headers.get("Upgrade", "").lower() == "websocket":
            return None
        return HTTPStatus.OK, [("Content-Type", "text/html")], PAGE.read_bytes()

    async def echo(socket: "websockets.WebSocketServerProtocol") -> None:
        async for message in socket:
            await socket.send(message)

    async with websockets.serve(echo, EVERYWHERE, SOCKET, process_request=page):
        await asyncio.Event().wait()


async def serve_echo() -> None:
    """Send back what comes; once the other half has ended, say so, and end too."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        carried = 0
        while data := await reader.read(CHUNK):
            carried += len(data)
            writer.write(data)
            await writer.drain()
        writer.write(f"end after {carried}\n".encode())
        writer.close()

    server = await asyncio.start_server(echo, EVERYWHERE, ECHO)
    await server.serve_forever()


async def serve_grpc() -> None:
    """Serve texts in reverse, and sums as a stream."""
    import grpc

    async def reversed_text(request: bytes, _context: object) -> bytes:
        return request[::-1]

    async def summed(requests: AsyncIterator[bytes], _context: object) -> AsyncIterator[bytes]:
        total = 0
        async for request in requests:
            total += int(request)
            yield str(total).encode()

    handlers = {
        "Reverse": grpc.unary_unary_rpc_method_handler(reversed_text),
        "Sum": grpc.stream_stream_rpc_method_handler(summed),
    }
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("tests.Texts", handlers),))
    server.add_insecure_port(f"0.0.0.0:{GRPC}")
    await server.start()
    await server.wait_for_termination()


def main(word: str) -> None:
    """Serve what the word says."""
    match word:
        case "http":
            serve_http(HTTP)
        case "rest":
            serve_http(REST)
        case "websocket":
            asyncio.run(serve_websocket())
        case "echo":
            asyncio.run(serve_echo())
        case "grpc":
            asyncio.run(serve_grpc())
        case _:
            sys.exit(f"Nothing here is called {word}.")


if __name__ == "__main__":
    main(sys.argv[1])
