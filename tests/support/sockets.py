"""The visitor's side of a tunnel, frame by frame, with no WebSocket library between."""

import asyncio
import struct
from dataclasses import dataclass, field
from typing import Self

from specola.websocket import CLOSE, PING, PONG, TEXT, closing, frame, head
from tests.support.peers import Peer
from tests.support.stage import COOKIE, ORIGIN, Stage, request

__all__ = ["HANDSHAKE", "KEY", "Message", "Socket", "handshake"]

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
HANDSHAKE = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {KEY}")


def handshake(*headers: str, host: str = ORIGIN.removeprefix("http://"), cookie: str | None = COOKIE) -> bytes:
    """Make the request for a tunnel, as a script of the task's own page does unless told otherwise."""
    origin = () if any(one.startswith("Origin:") for one in headers) else (f"Origin: http://{host}",)
    return request("/.specola/tunnel", *HANDSHAKE, *origin, *headers, host=host, cookie=cookie)


@dataclass(frozen=True, slots=True)
class Message:
    """One frame as it came."""

    opcode: int
    payload: bytes

    @property
    def code(self) -> int:
        """The code of a close frame."""
        return int.from_bytes(self.payload[:2], "big")

    @property
    def reason(self) -> str:
        """The reason of a close frame."""
        return self.payload[2:].decode()


@dataclass
class Socket:
    """A visitor whose handshake is over."""

    peer: Peer
    held: bytes = field(default=b"")
    head: bytes = b""

    @classmethod
    async def open(cls, stage: Stage, *headers: str, **more: str | None) -> Self:
        """Ask for a tunnel and read the answer, which has to be 101."""
        peer = await stage.visitor()
        await peer.send(handshake(*headers, **more))  # type: ignore[arg-type]  # host is never None
        answer = await peer.head()
        assert answer.startswith(b"HTTP/1.1 101 "), answer
        return cls(peer=peer, head=answer)

    async def send(self, data: bytes) -> None:
        """Send bytes."""
        await self.peer.send(head(len(data), masked=True) + data)

    async def end(self) -> None:
        """Send no more bytes."""
        await self.peer.send(frame(TEXT, b"end", masked=True))

    async def ping(self, payload: bytes = b"") -> None:
        """Ask for a sign of life."""
        await self.peer.send(frame(PING, payload, masked=True))

    async def close(self, code: int = 1000) -> None:
        """Close the WebSocket."""
        await self.peer.send(closing(code, masked=True))

    async def message(self) -> Message:
        """Read the next frame, which has to be whole and without a mask."""
        first, second = await self.peer.exactly(2)
        assert first & 0xF0 == 0x80
        assert second < 0x80
        length = second
        if second == 126:
            (length,) = struct.unpack("!H", await self.peer.exactly(2))
        elif second == 127:
            (length,) = struct.unpack("!Q", await self.peer.exactly(8))
        return Message(first & 0x0F, await self.peer.exactly(length))

    async def exactly(self, size: int) -> bytes:
        """Read so many bytes of the stream, whatever frames they come in."""
        while len(self.held) < size:
            found = await self.message()
            assert found.opcode == 2, found
            self.held += found.payload
        data, self.held = self.held[:size], self.held[size:]
        return data

    async def ended(self) -> None:
        """Read the other side's end."""
        found = await self.message()
        assert (found.opcode, found.payload, self.held) == (TEXT, b"end", b"")

    async def closed(self) -> tuple[int, str]:
        """Read up to a close, answer it, and see the connection end; returns code and reason."""
        while (found := await self.message()).opcode != CLOSE:
            assert found.opcode in {2, PING, PONG}, found
        self.peer.writer.write(frame(CLOSE, found.payload[:2], masked=True))
        assert await self.peer.ended()
        return found.code, found.reason


async def both(stage: Stage) -> tuple[Socket, Peer]:
    """Open a tunnel; return both of its sides."""
    socket, task = await asyncio.gather(Socket.open(stage), stage.task.accept())
    return socket, task
