"""RFB: the desktop's password stays here, whoever may only look cannot act, and nothing unknown is passed on."""

from collections.abc import Sequence

import pytest
from hypothesis import given, strategies as st

from specola.gateway.rfb import Desktop, DesktopError, Onward, answer_to
from specola.gateway.rfb_input import LONGEST_TEXT, InputError, Watcher, Watching

SERVER_INIT = bytes.fromhex("0500 02d0") + bytes(16) + (4).to_bytes(4) + b"here"

PIXELS = b"\x00" + bytes(19)
ENCODINGS = b"\x02\x00" + (3).to_bytes(2) + b"".join(n.to_bytes(4, signed=True) for n in (7, -316, -239))
SEEN_ENCODINGS = b"\x02\x00" + (2).to_bytes(2) + b"".join(n.to_bytes(4, signed=True) for n in (7, -239))
UPDATE = b"\x03\x01" + bytes(8)
CONTINUOUS = b"\x96\x01" + bytes(8)
FENCE = b"\xf8" + bytes(7) + b"\x03abc"
KEY = b"\x04\x01\x00\x00\x00\x00\x00\x61"
POINTER = b"\x05\x01\x00\x10\x00\x10"
TEXT = b"\x06\x00\x00\x00" + (5).to_bytes(4) + b"hello"
EXTENDED_TEXT = b"\x06\x00\x00\x00" + (-6).to_bytes(4, signed=True) + b"\x10\x00\x00\x01zz"
SIZE = b"\xfb\x00\x05\x00\x02\xd0\x02\x00" + bytes(32)
POWER = b"\xfa\x00\x01\x02"
QEMU_KEY = b"\xff\x00\x00\x01" + bytes(8)
QEMU_SOUND = b"\xff\x01\x00\x02\x03\x02\x00\x00\xac\x44"

SEEING = (PIXELS, UPDATE, CONTINUOUS, FENCE)
ACTING = (KEY, POINTER, TEXT, EXTENDED_TEXT, SIZE, POWER, QEMU_KEY, QEMU_SOUND)


class Peers:
    """A visitor and a desktop, with what has arrived at each."""

    def __init__(self, *, view_only: bool = False) -> None:
        self.desktop = Desktop(password=b"secret-and-more", view_only=view_only)
        self.at_visitor = b""
        self.at_desktop = b""

    def _note(self, onward: Onward) -> None:
        self.at_visitor += onward.visitor
        self.at_desktop += onward.desktop

    def desktop_says(self, *parts: bytes) -> None:
        for data in parts:
            self._note(self.desktop.from_desktop(data))

    def visitor_says(self, data: bytes) -> None:
        self._note(self.desktop.from_visitor(data))

    def take(self) -> tuple[bytes, bytes]:
        """Return what has arrived at the visitor and at the desktop since the last time."""
        taken = self.at_visitor, self.at_desktop
        self.at_visitor = self.at_desktop = b""
        return taken

    def enter(self, *, shared: bytes = b"\x00") -> None:
        """Come as far as the relaying."""
        self.desktop_says(b"RFB 003.008\n", b"\x01\x01", bytes(4))
        self.visitor_says(b"RFB 003.008\n")
        self.visitor_says(b"\x01")
        self.take()
        self.visitor_says(shared)


def test_an_answer_is_as_vnc_has_it() -> None:
    # The password "COW" and a challenge of zeros, as OpenSSL's DES answers with the bits of each byte turned.
    assert answer_to(bytes(16), b"COW") == bytes.fromhex("ceea96bcc9fda78b" * 2)
    assert answer_to(bytes(16), b"12345678") == answer_to(bytes(16), b"12345678-and-the-rest-is-cut-off")


def test_the_password_goes_to_the_desktop_and_the_visitor_needs_none() -> None:
    peers = Peers()
    peers.desktop_says(b"RFB 003.008\n")
    assert peers.take() == (b"", b"RFB 003.008\n")
    peers.desktop_says(b"\x02\x10\x02")
    assert peers.take() == (b"", b"\x02")
    challenge = bytes(range(16))
    peers.desktop_says(challenge)
    assert peers.take() == (b"", answer_to(challenge, b"secret-a"))
    peers.desktop_says(bytes(4))
    assert peers.take() == (b"RFB 003.008\n", b"")
    peers.visitor_says(b"RFB 003.008\n")
    assert peers.take() == (b"\x01\x01", b"")
    peers.visitor_says(b"\x01")
    assert peers.take() == (bytes(4), b"")
    peers.visitor_says(b"\x01")
    assert peers.take() == (b"", b"\x01")
    peers.desktop_says(SERVER_INIT)
    peers.visitor_says(PIXELS + KEY)
    assert peers.take() == (SERVER_INIT, PIXELS + KEY)


@pytest.mark.parametrize(
    ("greeting", "says", "answered"),
    [
        (b"RFB 003.003\n", (b"\0\0\0\x01",), b"RFB 003.003\n"),
        (b"RFB 003.003\n", (b"\0\0\0\x02", bytes(16), bytes(4)), b"RFB 003.003\n" + answer_to(bytes(16), b"secret-a")),
        (b"RFB 003.005\n", (b"\0\0\0\x01",), b"RFB 003.003\n"),
        (b"RFB 003.007\n", (b"\x01\x01",), b"RFB 003.007\n\x01"),
        (b"RFB 003.007\n", (b"\x01\x02", bytes(20)), b"RFB 003.007\n\x02" + answer_to(bytes(16), b"secret-a")),
        (b"RFB 003.889\n", (b"\x02\x1e\x02", bytes(20)), b"RFB 003.008\n\x02" + answer_to(bytes(16), b"secret-a")),
        (b"RFB 005.000\n", (b"\x02\x02\x01", bytes(4)), b"RFB 003.008\n\x01"),
    ],
)
def test_every_version_of_desktops_is_spoken(greeting: bytes, says: Sequence[bytes], answered: bytes) -> None:
    peers = Peers()
    peers.desktop_says(greeting, *says)
    assert peers.take() == (b"RFB 003.008\n", answered)


@pytest.mark.parametrize(
    ("greeting", "offered", "chosen", "done"),
    [(b"RFB 003.003\n", b"\0\0\0\x01", b"", b""), (b"RFB 003.007\n", b"\x01\x01", b"\x01", b"")],
)
def test_older_viewers_are_let_in_too(greeting: bytes, offered: bytes, chosen: bytes, done: bytes) -> None:
    peers = Peers()
    peers.desktop_says(b"RFB 003.008\n", b"\x01\x01", bytes(4))
    peers.take()
    peers.visitor_says(greeting)
    assert peers.take() == (offered, b"")
    peers.visitor_says(chosen + b"\x01" + KEY)
    assert peers.take() == (done, b"\x01" + KEY)


@pytest.mark.parametrize(
    ("says", "told"),
    [
        ((b"HTTP/1.1 400 Bad Request\r\n",), "no desktop"),
        ((b"RFB 002.009\n",), "version"),
        ((b"RFB 00x.008\n",), "version"),
        ((b"RFB 003.008\n", b"\x02\x13\x05"), "types 19, 5"),
        ((b"RFB 003.003\n", b"\0\0\0\x13"), "type 19"),
        ((b"RFB 003.008\n", b"\x00" + (9).to_bytes(4) + b"Too\x1b many"), "refuses the connection: Too many"),
        ((b"RFB 003.008\n", b"\x01\x02", bytes(16), b"\0\0\0\x01" + (2).to_bytes(4) + b"no"), "connection: no"),
        ((b"RFB 003.007\n", b"\x01\x02", bytes(16), b"\0\0\0\x01"), "refuses the task's credential"),
        ((b"RFB 003.008\n", b"\x00\xff\xff\xff\xff"), "refuses the connection"),
        ((b"RFB 003.008\n", b"\x01\x01", bytes(4), bytes(5000)), "more than it should"),
    ],
)
def test_a_desktop_that_does_not_let_us_in_is_told_in_words(says: Sequence[bytes], told: str) -> None:
    peers = Peers()
    with pytest.raises(DesktopError, match=told):
        peers.desktop_says(*says)
    assert b"secret" not in peers.at_visitor + peers.at_desktop


def test_a_visitor_that_speaks_too_early_or_asks_for_a_password_is_refused() -> None:
    with pytest.raises(DesktopError, match="more than it should"):
        Peers().visitor_says(bytes(65))
    for says in (b"GET / HTTP/1.", b"RFB 003.008\n\x02"):
        peers = Peers()
        peers.desktop_says(b"RFB 003.008\n", b"\x01\x01", bytes(4))
        with pytest.raises(DesktopError):
            peers.visitor_says(says)


def test_who_may_only_look_cannot_send_the_others_away() -> None:
    looking, working = Peers(view_only=True), Peers()
    looking.enter(shared=b"\x00")
    working.enter(shared=b"\x00")
    assert (looking.at_desktop, working.at_desktop) == (b"\x01", b"\x00")


@pytest.mark.parametrize("message", SEEING)
def test_watching_lets_through_what_seeing_needs(message: bytes) -> None:
    assert Watching().feed(message) == message


@pytest.mark.parametrize("message", ACTING)
def test_watching_drops_what_acts(message: bytes) -> None:
    assert Watching().feed(UPDATE + message + FENCE) == UPDATE + FENCE


def test_watching_takes_out_encodings_that_change_what_input_looks_like() -> None:
    assert Watching().feed(ENCODINGS + KEY) == SEEN_ENCODINGS


@pytest.mark.parametrize(
    "message",
    [
        b"\x01",
        b"\x07",
        b"\xfd\x81\x00\x04",
        b"\xff\x02\x00\x00",
        b"\xff\x01\x00\x03",
        b"\x02\x00\xff\xff",
        b"\xf8" + bytes(7) + b"\x41",
        b"\x06\x00\x00\x00" + (LONGEST_TEXT + 1).to_bytes(4),
        b"\x06\x00\x00\x00\x80\x00\x00\x00",
    ],
)
def test_what_is_not_known_ends_the_connection(message: bytes) -> None:
    with pytest.raises(InputError):
        Watching().feed(message)
    peers = Peers(view_only=True)
    peers.enter()
    with pytest.raises(DesktopError):
        peers.visitor_says(message)


@given(st.lists(st.sampled_from((*SEEING, *ACTING, ENCODINGS)), max_size=20), st.data())
def test_how_the_bytes_are_cut_makes_no_difference(messages: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=20)))
    parts = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    watching, watcher = Watching(), Watcher()
    seen = b"".join(watching.feed(part) for part in parts)
    wanted = b"".join(SEEN_ENCODINGS if one == ENCODINGS else one for one in messages if one not in ACTING)
    assert seen == wanted
    assert b"".join(watcher.feed(part) for part in parts) == whole
    assert watcher.take_used() == any(one in ACTING for one in messages)


@given(st.binary(max_size=300))
def test_whatever_comes_nothing_that_acts_gets_through(data: bytes) -> None:
    watching = Watching()
    try:
        passed = watching.feed(data)
    except InputError:
        return
    again = Watcher()
    again.feed(passed)
    assert not again.take_used()


def test_a_long_text_is_thrown_away_as_it_comes() -> None:
    watching = Watching()
    assert watching.feed(b"\x06\x00\x00\x00" + (1_000_000).to_bytes(4)) == b""
    for _ in range(10):
        assert watching.feed(KEY * 12_500) == b""
    assert watching.feed(UPDATE) == UPDATE


def test_a_window_that_nobody_touches_is_not_in_use() -> None:
    peers = Peers()
    peers.enter()
    peers.visitor_says(PIXELS + ENCODINGS + UPDATE * 10 + FENCE)
    assert not peers.desktop.take_used()
    peers.visitor_says(POINTER[:3])
    peers.visitor_says(POINTER[3:] + UPDATE)
    assert peers.desktop.take_used()
    assert not peers.desktop.take_used()


def test_use_is_seen_with_more_buttons_and_with_messages_that_are_not_known() -> None:
    watcher = Watcher()
    watcher.feed(ENCODINGS + b"\x05\x81\x00\x10\x00\x10\x01" + UPDATE)
    assert watcher.take_used()
    watcher.feed(UPDATE)
    assert not watcher.take_used()
    assert watcher.feed(b"\x77" + UPDATE) == b"\x77" + UPDATE
    assert watcher.take_used()
    watcher.feed(UPDATE)
    assert watcher.take_used()
