"""The frames of SPDY/3.1 that Kubernetes uses, as bytes and without any I/O.

The API server and the kubelets hand a connection over to it for commands. Each of a command's channels is a stream, whose two
halves are ended one by one; that is what the WebSocket protocol of most clusters lacks. Nothing is needed of a header block
that comes in, so none is decompressed; one that goes out is compressed without SPDY's dictionary, which readers allow.
"""

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

__all__ = [
    "DATA",
    "FIN",
    "GOAWAY",
    "PING",
    "RST_STREAM",
    "SYN_REPLY",
    "Frame",
    "Headers",
    "Reader",
    "data",
    "ping",
    "reset",
]

VERSION = 3
DATA, SYN_STREAM, SYN_REPLY, RST_STREAM, PING, GOAWAY = 0, 1, 2, 3, 6, 7
FIN = 0x01
CONTROL = 0x8000_0000
HEAD = struct.Struct("!II")
WORD = struct.Struct("!I")
MOST = 1 << 24
CANCEL = 5


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame that came: its kind, flags, which stream (or which ping) it is of, and its payload."""

    kind: int
    flags: int
    number: int
    payload: bytes

    @property
    def is_last(self) -> bool:
        """Whether nothing more comes of its stream."""
        return bool(self.flags & FIN)


class Headers:
    """Makes the frames that open streams; all of a connection are compressed as one."""

    def __init__(self) -> None:
        self._compressor = zlib.compressobj()

    def open(self, number: int, headers: Mapping[str, str]) -> bytes:
        """Return the frame that opens stream `number`."""
        block = WORD.pack(len(headers))
        for name, value in headers.items():
            for text in (name.lower().encode(), value.encode()):
                block += WORD.pack(len(text)) + text
        packed = self._compressor.compress(block) + self._compressor.flush(zlib.Z_SYNC_FLUSH)
        return _control(SYN_STREAM, 0, struct.pack("!IIBB", number, 0, 0, 0) + packed)


class Reader:
    """Makes frames of bytes as they come."""

    def __init__(self) -> None:
        self._held = bytearray()

    def take(self, data: bytes) -> Iterator[Frame]:
        """Yield the frames that are whole now."""
        self._held += data
        while len(self._held) >= HEAD.size:
            first, second = HEAD.unpack_from(self._held)
            end = HEAD.size + (second & 0xFF_FFFF)
            if len(self._held) < end:
                return
            payload = bytes(self._held[HEAD.size : end])
            del self._held[:end]
            flags = second >> 24
            if not first & CONTROL:
                yield Frame(DATA, flags, first, payload)
                continue
            number = WORD.unpack_from(payload)[0] & 0x7FFF_FFFF if len(payload) >= WORD.size else 0
            yield Frame(first & 0xFFFF, flags, number, payload)


def data(number: int, payload: bytes, *, last: bool = False) -> bytes:
    """Return a frame with bytes of a stream; `last`: nothing more comes of it."""
    return HEAD.pack(number, (FIN << 24 if last else 0) | len(payload)) + payload


def reset(number: int) -> bytes:
    """Return the frame that gives a stream up."""
    return _control(RST_STREAM, 0, struct.pack("!II", number, CANCEL))


def ping(number: int) -> bytes:
    """Return a ping; what asks has odd numbers here, and what is answered is sent back as it came."""
    return _control(PING, 0, WORD.pack(number))


def _control(kind: int, flags: int, payload: bytes) -> bytes:
    return HEAD.pack(CONTROL | VERSION << 16 | kind, flags << 24 | len(payload)) + payload
