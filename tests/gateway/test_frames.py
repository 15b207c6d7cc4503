"""WebSocket frames of a visitor: what counts as use, wherever they are cut."""

import pytest
from websockets.frames import Frame, Opcode

from specola.gateway.frames import MOST_AT_ONCE, Frames


def frame(opcode: Opcode, payload: bytes = b"", *, fin: bool = True) -> bytes:
    return Frame(opcode, payload, fin).serialize(mask=True)


PING = frame(Opcode.PING, b"still here")
PONG = frame(Opcode.PONG, b"x" * 125)
CLOSE = frame(Opcode.CLOSE, b"\x03\xe8bye")
BEAT = frame(Opcode.TEXT, b"2")
KEY = frame(Opcode.TEXT, b"ls")


@pytest.mark.parametrize(
    "sent",
    # Masking keys are random, so that frames cannot name the cases.
    [PING, PONG, CLOSE, BEAT, frame(Opcode.TEXT), PING + PONG + BEAT],
    ids=["ping", "pong", "close", "beat", "empty", "several"],
)
def test_what_keeps_a_connection_open_is_no_use(sent: bytes) -> None:
    assert not Frames().feed(sent)


@pytest.mark.parametrize("size", [2, 125, 126, 65535, 65536, 200_000])
def test_messages_of_any_size_are(size: int) -> None:
    for opcode in (Opcode.TEXT, Opcode.BINARY):
        frames = Frames()
        assert frames.feed(frame(opcode, b"x" * size))
        assert not frames.feed(PING)


def test_a_message_in_parts_counts_part_by_part() -> None:
    frames = Frames()
    assert frames.feed(frame(Opcode.TEXT, b"first", fin=False))
    assert not frames.feed(PING)
    assert frames.feed(frame(Opcode.CONT, b"last"))


def test_what_counts_is_found_among_what_does_not() -> None:
    frames = Frames()
    assert frames.feed(PING + PONG + KEY + PING)
    assert not frames.feed(PING)


@pytest.mark.parametrize("step", [1, 2, 3, 5, 7, 64, 1000])
def test_frames_are_found_wherever_they_are_cut(step: int) -> None:
    big = frame(Opcode.BINARY, b"x" * 70_000) if step > 5 else frame(Opcode.BINARY, b"x" * 300)
    quiet = PING + PONG + BEAT + frame(Opcode.TEXT) + CLOSE
    for sent, expected in ((quiet, False), (quiet + big + quiet, True)):
        frames = Frames()
        pieces = [sent[at : at + step] for at in range(0, len(sent), step)]
        assert any(list(map(frames.feed, pieces))) is expected
        assert not frames.feed(PING)


def test_a_long_message_counts_as_long_as_it_comes() -> None:
    frames = Frames()
    sent = frame(Opcode.BINARY, b"x" * 100_000)
    assert frames.feed(sent[:50_000])
    assert frames.feed(sent[50_000:60_000])
    assert frames.feed(sent[60_000:] + PING)
    assert not frames.feed(PING)


def test_an_application_may_say_how_long_its_pings_are() -> None:
    beat = frame(Opcode.BINARY, b"x" * 13)
    assert Frames().feed(beat)
    assert not Frames(pings=13).feed(beat)
    assert Frames(pings=13).feed(frame(Opcode.BINARY, b"x" * 14))


def test_frames_without_a_mask_are_followed_too() -> None:
    frames = Frames()
    assert frames.feed(Frame(Opcode.TEXT, b"hello").serialize(mask=False))
    assert not frames.feed(PING)


def test_whoever_streams_is_not_looked_into() -> None:
    frames = Frames()
    assert not frames.feed(PING * MOST_AT_ONCE)
    assert frames.feed(PING * (MOST_AT_ONCE + 1))
    assert frames.feed(PING)


def test_nonsense_breaks_nothing() -> None:
    frames = Frames()
    frames.feed(b"\xff" * 10_000)
    frames.feed(b"\x82\xff" + b"\xff" * 8 + b"\x00" * 1000)
