"""A stand-in for the side of `web` that gateways ask: real HTTP/1.1 over Unix sockets, decisions set by the test."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from specola.config import Settings

__all__ = ["TASK", "Asked", "WebSide", "settings_in"]

TASK = "k3f9x2ab4c"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it arrived."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """Return a header's value; None if it is absent."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


@dataclass(kw_only=True)
class WebSide:
    """What `web` says; a test changes the fields, and reads what was asked."""

    settings: Settings
    cookies: dict[str, str] = field(default_factory=dict)
    """Value of the cookie: person."""
    tokens: dict[str, str] = field(default_factory=dict)
    certificates: dict[str, str] = field(default_factory=dict)
    """Serial number of a client certificate: person."""
    authority: str = ""
    """The certificate by which gateways check those of clients."""
    interfaces: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    """(task, interface): what a decision to pass has beside person and marks."""
    codes: dict[str, dict[str, Any]] = field(default_factory=dict)
    sequence: int = 1
    first_lines: list[dict[str, Any]] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    """All that came to the internal socket."""
    public: list[Asked] = field(default_factory=list)
    """All that came to the pages' socket."""
    traffic: list[dict[str, Any]] = field(default_factory=list)
    connections: list[dict[str, Any]] = field(default_factory=list)
    hold: asyncio.Event | None = None
    """While set and not fired, decisions wait for it."""
    heard: asyncio.Condition = field(default_factory=asyncio.Condition)
    _servers: list[asyncio.Server] = field(default_factory=list)
    _streams: set[asyncio.StreamWriter] = field(default_factory=set)
    _named: set[asyncio.StreamWriter] = field(default_factory=set)
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Listen at both sockets for the body of the statement."""
        await self.start()
        try:
            yield
        finally:
            await self.stop()

    async def start(self) -> None:
        """Listen at both sockets."""
        self.settings.run.mkdir(parents=True, exist_ok=True)
        for path in (self.settings.internal_socket, self.settings.web_socket):
            path.unlink(missing_ok=True)
        self._servers = [
            await asyncio.start_unix_server(self._connection(self._answer), self.settings.internal_socket),
            await asyncio.start_unix_server(self._connection(self._page), self.settings.web_socket),
        ]

    async def stop(self) -> None:
        """Be gone at once, with every connection."""
        for server in self._servers:
            server.close()
        self.hang_up()
        self.settings.internal_socket.unlink(missing_ok=True)
        self.settings.web_socket.unlink(missing_ok=True)

    async def restart(self) -> None:
        """Be gone, and come back."""
        await self.stop()
        self._streams.clear()
        await self.start()

    def hang_up(self) -> None:
        """Break every connection."""
        for writer in tuple(self._writers):
            writer.transport.abort()

    def serve_interface(self, interface: str, endpoint: dict[str, Any], *, task: str = TASK, **more: Any) -> None:
        """Let an interface be reached at an endpoint."""
        self.interfaces[task, interface] = {"endpoint": endpoint, **more}

    def name(self, task: str, **protocols: str) -> None:
        """Tell gateways what interfaces of a task speak that are no HTTP."""
        for writer in self._named:
            writer.write(chunk({"task": task, "interfaces": protocols}))

    async def revoke(self, mark: str) -> None:
        """Take a mark back."""
        await self._tell(mark=mark)

    async def change(self, mark: str) -> None:
        """Say that something about a mark has changed."""
        await self._tell(changed=mark)

    async def beat(self) -> None:
        """Say that nothing has happened."""
        self._write({"sequence": self.sequence, "beat": True})

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something that a request changes is so."""
        async with self.heard, asyncio.timeout(60):
            _ = await self.heard.wait_for(condition)

    @property
    def followers(self) -> int:
        """Gateways that follow the stream of revocations."""
        return len(self._streams)

    @property
    def streams_begun(self) -> int:
        """How often a gateway has asked for the stream of revocations."""
        return sum(one.target.startswith("/revocations") for one in self.asked)

    def decisions(self) -> list[dict[str, Any]]:
        """Return the questions about visitors so far."""
        return [json.loads(one.body) for one in self.asked if one.target == "/decide"]

    async def _tell(self, **line: Any) -> None:
        self.sequence += 1
        self._write({"sequence": self.sequence, **line})

    def _write(self, line: dict[str, Any]) -> None:
        for writer in self._streams:
            writer.write(chunk(line))

    def _connection(
        self, handle: Callable[[Asked, asyncio.StreamWriter], Any]
    ) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._writers.add(writer)
            try:
                while True:
                    asked = await read_request(reader)
                    await handle(asked, writer)
                    await writer.drain()
            except (asyncio.IncompleteReadError, ConnectionError):
                pass
            finally:
                self._streams.discard(writer)
                self._named.discard(writer)
                self._writers.discard(writer)
                writer.close()

        return serve

    async def _note(self, where: list[Asked], asked: Asked) -> None:
        async with self.heard:
            where.append(asked)
            self.heard.notify_all()

    async def _page(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        await self._note(self.public, asked)
        writer.write(answer(200, {"page": asked.target}))

    async def _answer(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        await self._note(self.asked, asked)
        path = asked.target.partition("?")[0]
        if path == "/decide":
            decision = self._decide(json.loads(asked.body))
            if self.hold is not None:
                await self.hold.wait()
            writer.write(answer(200, decision))
        elif path == "/redeem":
            entry = self.codes.pop(json.loads(asked.body)["code"], None)
            wrong = {"code": "sign_in", "sentence": "This sign-in is over.", "hint": "Open it again."}
            writer.write(answer(200, entry) if entry else answer(403, wrong))
        elif path in {"/traffic", "/connections"}:
            told = self.traffic if path == "/traffic" else self.connections
            told.extend(json.loads(asked.body))
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        elif path == "/revocations":
            await self._begin_stream(writer)
        elif path == "/names":
            await self._begin_names(writer)
        elif path.startswith("/waiting/"):
            self._wait_page(path, writer)
        elif path.startswith("/viewers/"):
            writer.write(answer(200, {"path": path}))
        else:
            writer.write(answer(404, {}))

    async def _begin_stream(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for line in self.first_lines:
            writer.write(chunk(line))
        writer.write(chunk({"sequence": self.sequence, "beat": True}))
        async with self.heard:
            self._streams.add(writer)
            self.heard.notify_all()

    async def _begin_names(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        if self.authority:
            writer.write(chunk({"authority": self.authority}))
        spoken: dict[str, dict[str, str]] = {}
        for (task, interface), found in self.interfaces.items():
            if (protocol := found.get("protocol", "http")) != "http":
                spoken.setdefault(task, {})[interface] = protocol
        for task, interfaces in spoken.items():
            writer.write(chunk({"task": task, "interfaces": interfaces}))
        writer.write(chunk({"snapshot": True}))
        self._named.add(writer)

    def _wait_page(self, path: str, writer: asyncio.StreamWriter) -> None:
        if path.endswith("/page"):
            text = b"<title>Starting</title>"
            head = f"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nContent-Length: {len(text)}\r\n"
            writer.write(f"{head}Content-Type: text/html\r\n\r\n".encode() + text)
        elif path.endswith("/events"):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            writer.write(b"d\r\ndata: ready\n\n\r\n0\r\n\r\n")
        else:
            writer.write(answer(200, {"path": path}))

    def _decide(self, question: dict[str, Any]) -> dict[str, Any]:
        cookie, token, certificate = question["cookie"], question["token"], question["certificate"]
        person = self.tokens.get(token) if token is not None else self.cookies.get(cookie)
        if certificate is not None:
            person = self.certificates.get(certificate)
        if person is None:
            return {"outcome": "sign_in"}
        task, interface = question["task"], question["interface"]
        found = self.interfaces.get((task, interface))
        if found is None:
            return {"outcome": "missing"}
        known = {
            "person": person,
            "marks": [f"person:{person}", f"task:{task}", f"session:{cookie or token or certificate}"],
        }
        if "reason" in found:
            return {"outcome": "not_ready", "seconds": 0, **known, **found}
        usual = {"protocol": "http", "origin": "keep", "add": [], "ignore": [], "seconds": 60}
        return {"outcome": "pass", "task": task, "interface": interface, **usual, **known, **found}


async def read_request(reader: asyncio.StreamReader) -> Asked:
    """Read one request with a body by Content-Length or in chunks."""
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
    method, target, _ = lines[0].split(" ")
    headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines[1:])]
    length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
    return Asked(method, target, headers, await reader.readexactly(length))


def answer(status: int, body: Any) -> bytes:
    """Make an answer with a JSON body."""
    content = json.dumps(body).encode()
    head = f"HTTP/1.1 {status} OK\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


def chunk(line: Any) -> bytes:
    """Make a chunk of one JSON line."""
    content = json.dumps(line).encode() + b"\n"
    return f"{len(content):x}\r\n".encode() + content + b"\r\n"


def settings_in(folder: Path, **more: Any) -> Settings:
    """Return settings of a gateway whose data folder is `folder`."""
    usual: dict[str, Any] = {"bind": "127.0.0.1:0", "public_url": "http://localhost:8080"}
    return Settings(data=folder, **(usual | more))
