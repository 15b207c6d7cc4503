"""A client of the SSH file transfer protocol, version 3, with as much of it as tests need."""

import struct

from specola.ports.computing import Stream

__all__ = ["FileClient", "RefusedError"]

# draft-ietf-secsh-filexfer-02, section 3
INIT, VERSION, OPEN, CLOSE, READ, WRITE, REALPATH = 1, 2, 3, 4, 5, 6, 16
STATUS, HANDLE, DATA, NAME = 101, 102, 103, 104
READING, WRITING = 0x01, 0x1A
PIECE = 32768


class RefusedError(Exception):
    """The server does not open a file."""


class FileClient:
    """Asks one question after another."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._rest = b""

    async def begin(self) -> int:
        """Return the version that the server speaks."""
        await self._send(struct.pack(">BI", INIT, 3))
        answer = await self._packet()
        assert answer[0] == VERSION
        return int(struct.unpack_from(">I", answer, 1)[0])

    async def real_path(self, path: str) -> str:
        """Return a path made absolute."""
        answer = await self._ask(REALPATH, _text(path.encode()))
        assert answer[0] == NAME
        (length,) = struct.unpack_from(">I", answer, 9)
        return answer[13 : 13 + length].decode()

    async def write(self, path: str, data: bytes) -> None:
        """Write a file."""
        handle = await self._open(path, WRITING)
        for at in range(0, len(data), PIECE):
            answer = await self._ask(WRITE, handle + struct.pack(">Q", at) + _text(data[at : at + PIECE]))
            assert answer[5:9] == bytes(4), answer
        assert (await self._ask(CLOSE, handle))[0] == STATUS

    async def read(self, path: str) -> bytes:
        """Read a file."""
        handle, data = await self._open(path, READING), b""
        while True:
            answer = await self._ask(READ, handle + struct.pack(">QI", len(data), PIECE))
            if answer[0] != DATA:
                return data
            data += answer[9:]

    async def _open(self, path: str, flags: int) -> bytes:
        answer = await self._ask(OPEN, _text(path.encode()) + struct.pack(">II", flags, 0))
        if answer[0] != HANDLE:
            raise RefusedError(answer)
        return answer[5:]

    async def _ask(self, kind: int, body: bytes) -> bytes:
        await self._send(struct.pack(">BI", kind, 1) + body)
        return await self._packet()

    async def _send(self, packet: bytes) -> None:
        await self._stream.write(_text(packet))

    async def _packet(self) -> bytes:
        (length,) = struct.unpack(">I", await self._exactly(4))
        return await self._exactly(length)

    async def _exactly(self, length: int) -> bytes:
        while len(self._rest) < length:
            data = await self._stream.read()
            assert data, "the server ended"
            self._rest += data
        data, self._rest = self._rest[:length], self._rest[length:]
        return data


def _text(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data
