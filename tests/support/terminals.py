"""The page's side of a terminal, frame by frame."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from specola.websocket import BINARY, CLOSE, TEXT, closing, frame
from tests.support.peers import Peer
from tests.support.sockets import HANDSHAKE, Message, Socket

__all__ = ["Page"]


@dataclass
class Page:
    """A window that shows a terminal, as the gateway relays it."""

    socket: Socket
    output: bytes = b""
    """All that came, from `first` on."""
    first: int = 0

    @classmethod
    async def open(cls, path: Path, *, person: str, task: str) -> Self:
        """Do the handshake."""
        reader, writer = await asyncio.open_unix_connection(path)
        fields = (*HANDSHAKE, f"X-Specola-Person: {person}", f"X-Specola-Task: {task}", "Host: terminal")
        writer.write("\r\n".join(("GET /.specola/terminal HTTP/1.1", *fields, "", "")).encode())
        peer = Peer(reader, writer)
        answer = await peer.head()
        assert answer.startswith(b"HTTP/1.1 101 "), answer
        return cls(Socket(peer=peer, head=answer))

    async def say(self, kind: str, **more: Any) -> None:
        """Send a message."""
        await self.socket.peer.send(self.frame_of(json.dumps({"type": kind, **more})))

    @staticmethod
    def frame_of(text: str) -> bytes:
        """Return a text message as it is sent."""
        return frame(TEXT, text.encode(), masked=True)

    async def type(self, text: str) -> None:
        """Press keys."""
        await self.socket.send(text.encode())

    async def attach(self, session: str | None = None, **more: Any) -> dict[str, Any]:
        """Show a session; return what is told of it."""
        await self.say("attach", session=session, **more)
        told = await self.told("attached")
        self.first, self.output = told["offset"], b""
        return told

    async def told(self, kind: str) -> dict[str, Any]:
        """Return the next message, which has to be of that kind, noting output that comes before it."""
        while (found := await self.message()).opcode != TEXT:
            assert found.opcode == BINARY, found
        told: dict[str, Any] = json.loads(found.payload)
        assert told["type"] == kind, told
        return told

    async def shows(self, text: str) -> None:
        """Wait until a text has come."""
        async with asyncio.timeout(20):
            while text.encode() not in self.output:
                assert (await self.message()).opcode == BINARY

    async def message(self) -> Message:
        """Read one frame."""
        found = await self.socket.message()
        if found.opcode == BINARY:
            self.output += found.payload
        return found

    @property
    def offset(self) -> int:
        """Up to where this window has what was written."""
        return self.first + len(self.output)

    async def ended(self) -> int:
        """Wait for the shell's end and the close that follows; return its exit code."""
        code = int((await self.told("ended"))["code"])
        assert (await self.message()).opcode == CLOSE
        return code

    async def close(self) -> None:
        """Close the window."""
        await self.socket.peer.send(closing(1001, masked=True))
        assert await self.socket.peer.ended()
