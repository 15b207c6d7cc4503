"""Reads what a TLS client says before anything is encrypted: the name it wants, and the protocols it offers."""

import asyncio
import socket
from dataclasses import dataclass

__all__ = ["Hello", "peek", "read_hello"]

RECORD = 22
CLIENT_HELLO = 1
SERVER_NAME = 0
ALPN = 16
MOST = 32 * 1024
"""Bytes of a hello at most; those with keys that withstand quantum computers have about 2,000."""


@dataclass(frozen=True, slots=True)
class Hello:
    """What counts of a ClientHello (RFC 8446, section 4.1.2; RFC 6066, section 3; RFC 7301)."""

    name: bytes = b""
    """Empty: none was given."""
    offered: tuple[bytes, ...] = ()


class Incomplete(Exception):  # noqa: N818 - not an error: more is to come
    """What is there ends too early."""


class Reader:
    """Reads numbers and vectors from bytes."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def more(self) -> bool:
        """Whether anything is left."""
        return self._at < len(self._data)

    def take(self, size: int) -> bytes:
        """Read so many bytes; raises Incomplete."""
        end = self._at + size
        if end > len(self._data):
            raise Incomplete
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def number(self, size: int) -> int:
        """Read a number of `size` bytes."""
        return int.from_bytes(self.take(size))

    def vector(self, size: int) -> "Reader":
        """Read a vector whose length has `size` bytes."""
        return Reader(self.take(self.number(size)))

    def rest(self) -> bytes:
        """Read all that is left."""
        return self.take(len(self._data) - self._at)


async def peek(connection: socket.socket) -> Hello | None:
    """Look at the first words of a client without taking them; None: it has left without any.

    Notes
    -----
    Whoever reads the socket next gets the words again. The socket counts as readable only when there is more than was seen before (`SO_RCVLOWAT`, socket(7)), or when its
    other side has closed. What is no hello, or none of a reasonable length, is an empty one: TLS itself refuses it.
    """
    seen = 0
    try:
        while True:
            await readable(connection)
            data = connection.recv(MOST, socket.MSG_PEEK)
            if not data:
                return None
            try:
                return read_hello(data)
            except Incomplete:
                if len(data) == seen or len(data) == MOST:
                    return Hello()
            seen = len(data)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, seen + 1)
    finally:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)


async def readable(connection: socket.socket) -> None:
    """Wait until there is something to read from a socket."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(connection, ready.set)
    try:
        _ = await ready.wait()
    finally:
        loop.remove_reader(connection)


def read_hello(data: bytes) -> Hello:
    """Read a ClientHello from the records at the start of a connection; raises Incomplete."""
    records, handshake = Reader(data), b""
    while True:
        if records.number(1) != RECORD:
            return Hello()
        records.take(2)
        handshake += records.vector(2).rest()
        reader = Reader(handshake)
        try:
            if reader.number(1) != CLIENT_HELLO:
                return Hello()
            body = reader.vector(3)
        except Incomplete:
            continue
        try:
            return read_body(body)
        except Incomplete:
            return Hello()


def read_body(body: Reader) -> Hello:
    """Read the body of a ClientHello; raises Incomplete where its lengths do not fit."""
    body.take(2 + 32)
    for length in (1, 2, 1):
        body.vector(length)
    if not body.more:
        return Hello()
    name, offered = b"", []
    extensions = body.vector(2)
    while extensions.more:
        kind, content = extensions.number(2), extensions.vector(2)
        if kind == SERVER_NAME:
            names = content.vector(2)
            if names.number(1) == 0:
                name = names.vector(2).rest()
        elif kind == ALPN:
            protocols = content.vector(2)
            while protocols.more:
                offered.append(protocols.vector(1).rest())
    return Hello(name, tuple(offered))
