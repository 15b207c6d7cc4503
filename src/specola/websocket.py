"""WebSocket frames (RFC 6455) as bytes, without any I/O: made for sending, and read strictly as they come."""

import base64
import hashlib
import struct
from typing import Protocol

__all__ = [
    "BINARY",
    "CLOSE",
    "PING",
    "PONG",
    "TEXT",
    "FrameError",
    "Reader",
    "Sink",
    "accept_key",
    "closing",
    "frame",
    "head",
]

# RFC 6455, section 1.3: the server proves with it that it understood the handshake.
MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
FINAL, RESERVED, OPCODE = 0x80, 0x70, 0x0F
MASKED, LENGTH = 0x80, 0x7F
MEDIUM, LONG = 126, 127
MOST_CONTROL = 125
MOST_TEXT = 1024
"""Bytes of a text message; in a tunnel texts are single words, so nothing larger is collected."""
NO_KEY = bytes(4)
WORTH_A_VIEW = 4096
"""Bytes from which on a view is cheaper than a copy."""
KNOWN = frozenset((CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG))

MALFORMED = 1002
TOO_LARGE = 1009
NO_STATUS = 1005
"""What a close frame without a code means (RFC 6455, 7.1.5); it is never sent."""


class FrameError(Exception):
    """What came is no proper frame; `code` is what the connection is closed with."""

    def __init__(self, sentence: str, *, code: int = MALFORMED) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


class Sink(Protocol):
    """Who is told what came."""

    def took(self, data: bytes | memoryview) -> None:
        """Take bytes of a binary message, whole or in part; a view of them where they are many."""

    def said(self, text: bytes) -> None:
        """Take a whole text message."""

    def pinged(self, payload: bytes) -> None:
        """Take a ping."""

    def closed(self, code: int, reason: str) -> None:
        """Take the other side's close."""


def accept_key(key: str) -> str:
    """Return the Sec-WebSocket-Accept that answers a Sec-WebSocket-Key."""
    return base64.b64encode(hashlib.sha1(key.encode() + MAGIC, usedforsecurity=False).digest()).decode()


def head(length: int, *, opcode: int = BINARY, masked: bool = False) -> bytes:
    """Return the head of a frame that is a whole message; `masked`: as clients send it, by the key zero.

    Notes
    -----
    A key of zero leaves the payload as it is, so neither side works on it. Masking is there so that a script in a
    browser cannot choose the bytes that a careless proxy sees (RFC 6455, 10.3); a program of ours is no such script.
    """
    flag, key = (MASKED, NO_KEY) if masked else (0, b"")
    if length < MEDIUM:
        return bytes((FINAL | opcode, flag | length)) + key
    if length < 1 << 16:
        return struct.pack("!BBH", FINAL | opcode, flag | MEDIUM, length) + key
    return struct.pack("!BBQ", FINAL | opcode, flag | LONG, length) + key


def frame(opcode: int, payload: bytes = b"", *, masked: bool = False) -> bytes:
    """Return a whole frame."""
    return head(len(payload), opcode=opcode, masked=masked) + payload


def closing(code: int, reason: str = "", *, masked: bool = False) -> bytes:
    """Return a close frame; a reason that is too long is cut between two characters."""
    if code == NO_STATUS:
        return frame(CLOSE, masked=masked)
    text = reason.encode()[: MOST_CONTROL - 2].decode(errors="ignore").encode()
    return frame(CLOSE, struct.pack("!H", code) + text, masked=masked)


class Reader:
    """Reads frames as they come: binary payload goes on in the pieces it comes in, only small messages are collected.

    Parameters
    ----------
    sink
        Who is told.
    masked
        Whether the other side is a client, whose frames have to be masked; those of a server must not be.
    """

    __slots__ = ("_control", "_frame", "_held", "_key", "_left", "_masked", "_message", "_sink", "_text", "_whole")

    def __init__(self, sink: Sink, *, masked: bool) -> None:
        self._sink = sink
        self._masked = masked
        self._held = b""
        self._frame = BINARY
        """What the present frame carries; never CONTINUATION."""
        self._whole = True
        """Whether the present frame ends its message."""
        self._message = CONTINUATION
        """What a message that goes on in later frames carries; CONTINUATION: there is none."""
        self._left = 0
        self._key = NO_KEY
        self._text = b""
        self._control = b""

    def feed(self, data: bytes) -> None:
        """Take the next bytes; raises FrameError, after which nothing more may be fed."""
        if self._held:
            data, self._held = self._held + data, b""
        at, size = 0, len(data)
        while at < size:
            if not self._left:
                begin = self._read_head(data, at)
                if not begin:
                    self._held = data[at:]
                    return
                at = begin
                if not self._left:
                    self._payload(b"")
                continue
            end = min(at + self._left, size)
            piece = memoryview(data)[at:end] if end - at > WORTH_A_VIEW else data[at:end]
            self._left -= end - at
            at = end
            self._payload(piece)

    def _read_head(self, data: bytes, at: int) -> int:
        """Read the head of a frame; return where its payload begins, 0 while the head is not whole."""
        size = len(data) - at
        if size < 2:
            return 0
        first, second = data[at], data[at + 1]
        length = second & LENGTH
        more = (0 if length < MEDIUM else 2 if length == MEDIUM else 8) + (4 if second & MASKED else 0)
        # What is wrong in the first two bytes is said at once, whatever else is still to come.
        self._check(first, second)
        if size < 2 + more:
            return 0
        at += 2
        if length == MEDIUM:
            (length,) = struct.unpack_from("!H", data, at)
            at += 2
            if length < MEDIUM:
                raise FrameError("A frame's length is not written in the shortest way.")
        elif length == LONG:
            (length,) = struct.unpack_from("!Q", data, at)
            at += 8
            if length < 1 << 16 or length >> 63:
                raise FrameError("A frame's length is not written in the shortest way.")
        if second & MASKED:
            self._key = data[at : at + 4]
            at += 4
        self._begin(first, length)
        return at

    def _check(self, first: int, second: int) -> None:
        opcode = first & OPCODE
        if first & RESERVED or opcode not in KNOWN:
            raise FrameError("A frame uses what nobody has agreed on.")
        if bool(second & MASKED) is not self._masked:
            raise FrameError(f"A frame is {'not masked' if self._masked else 'masked'}.")
        if opcode >= CLOSE:
            if not first & FINAL or second & LENGTH > MOST_CONTROL:
                raise FrameError("A control frame is in parts, or too long.")
        elif (opcode == CONTINUATION) is not (self._message != CONTINUATION):
            raise FrameError("A frame goes on with a message that was not begun, or begins one within another.")

    def _begin(self, first: int, length: int) -> None:
        opcode = first & OPCODE
        self._left = length
        self._whole = bool(first & FINAL)
        if opcode >= CLOSE:
            self._frame = opcode
            return
        self._frame = opcode or self._message
        self._message = CONTINUATION if self._whole else self._frame

    def _payload(self, piece: bytes | memoryview) -> None:
        """Take a part of the present frame's payload, which may be empty."""
        key = self._key
        if key != NO_KEY and piece:
            piece = unmasked(piece, key)
            turn = len(piece) & 3
            self._key = key[turn:] + key[:turn]
        if self._frame == BINARY:
            if piece:
                self._sink.took(piece)
        elif self._frame == TEXT:
            self._take_text(piece)
        else:
            self._take_control(piece)

    def _take_text(self, piece: bytes | memoryview) -> None:
        self._text += piece
        if len(self._text) > MOST_TEXT:
            raise FrameError("A text message is too long.", code=TOO_LARGE)
        if self._whole and not self._left:
            text, self._text = self._text, b""
            self._sink.said(text)

    def _take_control(self, piece: bytes | memoryview) -> None:
        # Apart from texts: a control frame may come between the frames of a message.
        self._control += piece
        if self._left:
            return
        payload, self._control = self._control, b""
        if self._frame == PING:
            self._sink.pinged(payload)
        elif self._frame == CLOSE:
            self._sink.closed(*read_close(payload))


def read_close(payload: bytes) -> tuple[int, str]:
    """Return code and reason of a close frame; raises FrameError."""
    if not payload:
        return NO_STATUS, ""
    code = int.from_bytes(payload[:2], "big")
    # RFC 6455, 7.4: what may be sent; 1004 to 1006 and 1015 are never sent.
    if len(payload) < 2 or not (1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999):
        raise FrameError("A close frame has no proper code.")
    return code, payload[2:].decode(errors="replace")


def unmasked(data: bytes | memoryview, key: bytes) -> bytes:
    """Return data without its mask: as one large number, which is a hundred times as fast as byte by byte."""
    size = len(data)
    mask = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "little") ^ int.from_bytes(mask, "little")).to_bytes(size, "little")
