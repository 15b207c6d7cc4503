"""The connection that a task opens to the platform: a process beside the agent, which calls again whenever it breaks."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
import os
import random
import socket
import ssl
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from .frames import BINARY, CLOSE, PING, PONG, FrameError, Frames, accepted, frame
from .manifest import Manifest, Platform
from .places import is_ours
from .proof import AGENT, PLATFORM, SCHEME, proof

__all__ = ["ENROLMENT", "PATH", "call"]

ENROLMENT = "enrolment"
"""The file of the task's secret, in its folder."""
PATH = "/.specola/agents"
FIRST, MOST, REFUSED = 0.25, 4.0, 60.0
"""Seconds until it calls again: at first, in the end, and where the platform does not know the task (any more)."""
PATIENCE = 20.0
HEAD = 16384
CHUNK = 65536
LOOPBACK = "127.0.0.1"
MOST_LINES = 1000

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class CallError(Exception):
    """The platform is not reached, or it is somebody else."""


class NotKnownError(CallError):
    """The platform does not know this task."""


FAILURES = (CallError, FrameError, OSError, EOFError, ValueError, asyncio.TimeoutError, asyncio.LimitOverrunError)


async def call(folder: Path, sockets: Path) -> int:
    """Have the platform reach the agent's socket for as long as that is there."""
    if not is_ours(sockets):
        return 1
    manifest = Manifest.read((folder / "manifest.json").read_text(encoding="utf-8"))
    secret = (folder / ENROLMENT).read_text(encoding="ascii").strip()
    if manifest.platform is None:
        return 1
    said, lines, pause = "", 0, FIRST
    while (sockets / "agent.sock").exists():
        began, most, why = time.monotonic(), MOST, "the connection ended"
        try:
            await _joined(manifest.platform, manifest.task, secret, sockets)
        except NotKnownError as error:
            most, why = REFUSED, str(error)
        except FAILURES as error:
            why = str(error) or type(error).__name__
        if why != said and lines < MOST_LINES:
            said, lines = why, lines + 1
            sys.stderr.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} {why}\n")
            sys.stderr.flush()
        if time.monotonic() - began > MOST:
            pause = FIRST
        # Not all at once, when the platform comes back.
        await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 -- no secret
        pause = min(pause * 2, most)
    return 0


async def _joined(platform: Platform, task: str, secret: str, sockets: Path) -> None:
    """Open one connection, and carry bytes between it and the agent until either ends."""
    reader, writer = await asyncio.wait_for(_greeted(platform, task, secret), PATIENCE)
    try:
        inner, outer = await asyncio.open_unix_connection(str(sockets / "agent.sock"))
        parts = [asyncio.ensure_future(one) for one in (_down(reader, writer, outer), _up(inner, writer))]
        try:
            await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in parts:
                one.cancel()
            await asyncio.gather(*parts, return_exceptions=True)
            outer.transport.abort()
    finally:
        writer.transport.abort()


async def _greeted(platform: Platform, task: str, secret: str) -> Streams:
    """Connect, show that this is the task's agent, and see that it is the task's platform."""
    reader, writer = await _connected(platform)
    try:
        url = urlsplit(platform.url)
        key, nonce = base64.b64encode(os.urandom(16)).decode(), os.urandom(16).hex()
        lines = (
            f"GET {url.path.rstrip('/')}{PATH} HTTP/1.1",
            f"Host: {url.netloc}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
            f"Authorization: {SCHEME} {task} {nonce} {proof(secret, AGENT, task, nonce)}",
        )
        writer.write("\r\n".join((*lines, "", "")).encode("ascii"))
        await writer.drain()
        status, fields = _head(await reader.readuntil(b"\r\n\r\n"))
        _check(status, fields, key=key, shown=proof(secret, PLATFORM, task, nonce))
    except BaseException:
        writer.transport.abort()
        raise
    return reader, writer


def _check(status: int, fields: Mapping[str, str], *, key: str, shown: str) -> None:
    """See that it is the task's platform that answered. Raises CallError."""
    if status in {401, 403}:
        raise NotKnownError("the platform does not know this task")
    if status != 101:
        raise CallError(f"the platform answered {status}")
    if fields.get("sec-websocket-accept", "") != accepted(key):
        raise CallError("what answers is no WebSocket")
    if not hmac.compare_digest(fields.get("authentication-info", "").encode(), shown.encode()):
        raise CallError("what answers is not this task's platform")


async def _connected(platform: Platform) -> Streams:
    url = urlsplit(platform.url)
    host = url.hostname or ""
    context = None
    if url.scheme == "https":
        # With an authority of its own, nobody else's word counts.
        context = ssl.create_default_context(cadata=platform.authority or None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
    elif url.scheme != "http" or host != LOOPBACK:
        raise CallError("the platform's address has no TLS")
    port = url.port or (443 if context else 80)
    if platform.proxy:
        through = _through(platform.proxy, host, port)
        return await asyncio.open_connection(
            sock=through, ssl=context, server_hostname=host if context else None, limit=HEAD
        )
    return await asyncio.open_connection(host, port, ssl=context, limit=HEAD)


def _through(proxy: str, host: str, port: int) -> socket.socket:
    """Connect through the site's proxy (RFC 9110, 9.3.6). Nothing else goes on in this process meanwhile."""
    url = urlsplit(proxy)
    made = socket.create_connection((url.hostname or "", url.port or 3128), timeout=PATIENCE)
    try:
        _ask(made, f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        made.setblocking(False)
    except BaseException:
        made.close()
        raise
    return made


def _ask(proxy: socket.socket, target: str) -> None:
    proxy.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode("ascii"))
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        # One by one, since what follows belongs to TLS.
        data = proxy.recv(1)
        answer += data
        if not data or len(answer) > HEAD:
            raise CallError("the proxy gave no answer")
    status, _ = _head(answer)
    if status != 200:
        raise CallError(f"the proxy answered {status}")


def _head(data: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = data.decode("latin-1").split("\r\n")
    words = first.split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].isdigit():
        raise CallError("what answers does not speak HTTP")
    fields = (line.partition(":") for line in lines if line)
    return int(words[1]), {name.strip().lower(): value.strip() for name, _, value in fields}


async def _down(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, agent: asyncio.StreamWriter) -> None:
    """Carry what the platform says."""
    frames = Frames()
    while data := await reader.read(CHUNK):
        for kind, content in frames.feed(data):
            if kind == BINARY:
                agent.write(content)
            elif kind == PING:
                writer.write(frame(PONG, content))
            elif kind == CLOSE:
                return
        await agent.drain()


async def _up(agent: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry what the agent says."""
    while data := await agent.read(CHUNK):
        writer.write(frame(BINARY, data))
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.write(frame(CLOSE))
        await writer.drain()
