"""WebSocket frames: what is made can be read, in whatever pieces it comes; what is malformed is refused."""

import random
import struct
from dataclasses import dataclass, field
from typing import Any

import pytest

from specola.websocket import BINARY, CLOSE, PING, PONG, TEXT, FrameError, Reader, accept_key, closing, frame, head

CONTINUATION = 0


@dataclass
class Heard:
    """Notes what it is told."""

    data: bytes = b""
    told: list[Any] = field(default_factory=list)

    def took(self, data: bytes | memoryview) -> None:
        self.data += data

    def said(self, text: bytes) -> None:
        self.told.append(("text", text))

    def pinged(self, payload: bytes) -> None:
        self.told.append(("ping", payload))

    def closed(self, code: int, reason: str) -> None:
        self.told.append(("close", code, reason))


def masked(first: int, payload: bytes, key: bytes) -> bytes:
    """Make a short frame as a browser does."""
    body = bytes(one ^ key[place % 4] for place, one in enumerate(payload))
    if len(payload) < 126:
        return bytes((first, 0x80 | len(payload))) + key + body
    return struct.pack("!BBH", first, 0x80 | 126, len(payload)) + key + body


def read(*pieces: bytes, from_client: bool = False) -> Heard:
    heard = Heard()
    reader = Reader(heard, masked=from_client)
    for piece in pieces:
        reader.feed(piece)
    return heard


def test_the_example_of_the_specification_is_accepted() -> None:
    assert accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize("from_client", [False, True])
@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 300_000])
def test_what_is_made_can_be_read(size: int, *, from_client: bool) -> None:
    data = random.Random(size).randbytes(size)
    wire = head(size, masked=from_client) + data + frame(TEXT, b"end", masked=from_client)
    heard = read(wire, from_client=from_client)
    assert (heard.data, heard.told) == (data, [("text", b"end")])


def test_any_pieces_will_do() -> None:
    key = b"\x01\xf2\x33\x84"
    payload = bytes(range(256)) * 2
    wire = (
        masked(0x02, payload[:200], key)
        + masked(0x80 | PING, b"are you there", key)
        + masked(0x80 | CONTINUATION, payload[200:], key)
        + masked(0x01, b"e", key)
        + masked(0x80 | PONG, b"", key)
        + masked(0x00, b"", key)
        + masked(0x80, b"nd", key)
        + masked(0x80 | CLOSE, struct.pack("!H", 4003) + "später".encode(), key)
    )
    told = [("ping", b"are you there"), ("text", b"end"), ("close", 4003, "später")]
    for step in (1, 2, 3, 7, 64, len(wire)):
        pieces = [wire[at : at + step] for at in range(0, len(wire), step)]
        heard = read(*pieces, from_client=True)
        assert (heard.data, heard.told) == (payload, told)


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (b"\xc2\x00", 1002),  # a reserved bit
        (b"\x83\x00", 1002),  # opcodes that nobody knows
        (b"\x8b\x00", 1002),
        (b"\x82\x80\x00\x00\x00\x00", 1002),  # a masked frame of a server
        (b"\x09\x00", 1002),  # a control frame in parts
        (b"\x89\x7e\x00\x7e", 1002),  # a long one
        (b"\x80\x00", 1002),  # goes on with nothing
        (b"\x02\x01x\x82\x01x", 1002),  # a message within another
        (b"\x01\x01x\x02\x01x", 1002),
        (b"\x82\x7e\x00\x7d", 1002),  # lengths that could be shorter
        (b"\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff", 1002),
        (b"\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00", 1002),
        (b"\x88\x01\x03", 1002),  # half a code
        (b"\x88\x02\x03\xed", 1002),  # codes that are never sent
        (b"\x88\x02\x0b\xb7", 1002),
        (b"\x81\x7e\x04\x01" + b"x" * 1025, 1009),  # a text that is no single word
    ],
)
def test_what_is_malformed_is_refused(wire: bytes, code: int) -> None:
    with pytest.raises(FrameError) as refused:
        read(wire)
    assert refused.value.code == code
    with pytest.raises(FrameError):
        read(*(wire[at : at + 1] for at in range(len(wire))))


def test_a_frame_of_a_client_has_to_be_masked() -> None:
    with pytest.raises(FrameError):
        read(b"\x82\x01x", from_client=True)


def test_a_close_is_short_whatever_its_reason() -> None:
    wire = closing(1011, "ö" * 200)
    assert wire[1] <= 125
    assert read(wire).told == [("close", 1011, "ö" * 61)]
    assert read(closing(1005)).told == [("close", 1005, "")]


def test_heads_are_whole_messages() -> None:
    assert head(3) == bytes((0x80 | BINARY, 3))
    assert head(3, masked=True) == bytes((0x80 | BINARY, 0x83, 0, 0, 0, 0))
